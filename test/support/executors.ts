/**
 * @file The executors of the tests: the float64 interpreter, and the device in both schedules.
 */

import { deviceExecutor, type Executor, interpreter } from "../../testing/executor.ts";
import { openDevice } from "../../train/open-device.ts";

export { deviceExecutor, type Executor, interpreter };

/** The device of the tests. A missing adapter fails here, with the reason. */
export const device = await openDevice();

const inOneDispatch = "persistent where it can";

/** Every executor that the checks run on. */
export const executors: readonly Executor[] = [
  interpreter,
  deviceExecutor(`${device.name}, ${inOneDispatch}`, device, 1e-4),
  deviceExecutor(`${device.name}, stepwise`, device, 1e-4, { schedule: "stepwise" }),
];

/**
 * The device in both schedules with tiles of few rows, whose kernels a software adapter compiles in a quarter of the time:
 * for checks that compile thousands of kernels. Persistent loops are cut into chunks; those of `executors` are not, at
 * the lengths of tests.
 */
export const smallTileExecutors: readonly Executor[] = [
  deviceExecutor(`${device.name}, ${inOneDispatch}, tiles of 2 rows, chunks of 2 steps`, device, 1e-4, {
    maxRows: 2,
    chunkSteps: 2,
  }),
  deviceExecutor(`${device.name}, stepwise, tiles of 2 rows`, device, 1e-4, { maxRows: 2, schedule: "stepwise" }),
];

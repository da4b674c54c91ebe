/**
 * @file The executors of tests that are about WebGPU: the float64 interpreter, and the device in both schedules.
 */

import { deviceExecutor, type Executor, interpreter, smallTileExecutorsOn } from "../../testing/executor.ts";
import { openWebgpu } from "./webgpu.ts";

export { deviceExecutor, type Executor, interpreter };

/** A graphics card, or what imitates one. A missing adapter fails here, with the reason. */
export const device = await openWebgpu();

/** Every executor that the checks run on. */
export const executors: readonly Executor[] = [
  interpreter,
  deviceExecutor(`${device.name}, persistent where it can`, device, 1e-4),
  deviceExecutor(`${device.name}, stepwise`, device, 1e-4, { schedule: "stepwise" }),
];

/** The same with small tiles and chunks, which `executors` do not have at the lengths of tests. */
export const smallTileExecutors: readonly Executor[] = smallTileExecutorsOn(device);

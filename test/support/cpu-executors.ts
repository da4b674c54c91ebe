/**
 * @file The CPU as a device of tests that are about what is computed, not where: it compiles a program in
 * milliseconds.
 */
import { openDevice } from "../../devices/open-device.ts";
import { deviceExecutor, type Executor, interpreter, smallTileExecutorsOn } from "../../testing/executor.ts";

export { type Executor, interpreter };

/** One for the tests of a process. */
export const cpu = await openDevice({ device: "cpu" });

/** The interpreter, and the CPU in both schedules. */
export const cpuExecutors: readonly Executor[] = [
  interpreter,
  deviceExecutor("cpu, persistent where it can", cpu, 1e-4),
  deviceExecutor("cpu, stepwise", cpu, 1e-4, { schedule: "stepwise" }),
];

/** The same with small tiles and chunks, which `cpuExecutors` do not have at the lengths of tests. */
export const smallTileCpuExecutors: readonly Executor[] = smallTileExecutorsOn(cpu);

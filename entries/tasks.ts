/**
 * @file The entry "cellgrad/tasks": synthetic tasks on which the literature compares cells, generated from a seed.
 */
export {
  adding,
  addingHalves,
  copy,
  embeddedReber,
  mackeyGlass,
  noisySine,
  parity,
  reber,
  selectiveCopy,
  tasks,
  temporalOrder,
} from "../train/tasks/index.ts";
export { networkOfTask, type TaskNetworkOptions } from "../train/tasks/network.ts";
export type { Predict, Task, TaskBatches, TaskParameter, TaskSizes } from "../train/tasks/task.ts";

/**
 * @file The entry "cellgrad/tasks": Data made from a seed, for trying out cells: the tasks by which the literature
 * compares them.
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

/** @file The entry "cellgrad/tasks": data that is made, for trying cells out. */
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

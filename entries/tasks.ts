/** @file The entry "cellgrad/tasks": data that is made, for trying cells out. */
export { adding, embeddedReber, noisySine, tasks } from "../train/tasks/index.ts";
export type { Task, TaskBatches, TaskParameter, TaskSizes } from "../train/tasks/task.ts";

/** @file The built-in tasks, by name. */
import { adding } from "./adding.ts";
import { noisySine } from "./noisy-sine.ts";
import { embeddedReber } from "./reber.ts";
import type { Task } from "./task.ts";

/** All built-in tasks, by name. */
export const tasks: Readonly<Record<string, Task>> = Object.fromEntries(
  [embeddedReber, adding, noisySine].map((task) => [task.name, task]),
);

export { adding, embeddedReber, noisySine };

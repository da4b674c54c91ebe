/** @file The built-in tasks, by name. */
import { adding, addingHalves } from "./adding.ts";
import { copy, selectiveCopy } from "./copy.ts";
import { mackeyGlass } from "./mackey-glass.ts";
import { noisySine } from "./noisy-sine.ts";
import { parity } from "./parity.ts";
import { embeddedReber, reber } from "./reber.ts";
import type { Task } from "./task.ts";
import { temporalOrder } from "./temporal-order.ts";

const all = [
  ...[embeddedReber, reber, adding, addingHalves, temporalOrder],
  ...[copy, selectiveCopy, parity, noisySine, mackeyGlass],
];

/** All built-in tasks, by name. */
export const tasks: Readonly<Record<string, Task>> = Object.fromEntries(all.map((task) => [task.name, task]));

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
  temporalOrder,
};

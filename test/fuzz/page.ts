/** @file A task of the fuzz in a page: what the driver calls stands in the page's global object, events go to the console. */
import { perform } from "./fuzz.ts";
import { lineOf, type Task } from "./protocol.ts";

export const page = { performTask: (task: Task) => perform(task, (event) => console.log(lineOf(event))) };

Object.assign(globalThis, page);

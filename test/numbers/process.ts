/** @file The measurement in a process of Node or Deno: the task as JSON is the argument, lines go to standard output. */
import process from "node:process";
import { openDevice } from "../../index.ts";
import { measure, type Task } from "./measure.ts";
import { lineOf } from "./protocol.ts";

const task = JSON.parse(process.argv[2] ?? "{}") as Task;
const device = await openDevice();
console.log(lineOf({ measured: await measure(device, task, (done) => console.log(lineOf({ done }))) }));
// Drivers of graphics keep threads of their own.
process.exit(0);

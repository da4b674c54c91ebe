/** @file A task of the fuzz in a process of Node or Deno: the task as JSON is the argument, events go to standard output. */
import process from "node:process";
import { perform } from "./fuzz.ts";
import { lineOf, type Task } from "./protocol.ts";

await perform(JSON.parse(process.argv[2] ?? "") as Task, (event) => console.log(lineOf(event)));
// Drivers of graphics keep threads of their own.
process.exit(0);

/** @file The measurement in a process of Node or Deno: the task as JSON is the argument. */
import process from "node:process";
import { perform } from "./job.ts";
import type { Task } from "./protocol.ts";

await perform(JSON.parse(process.argv[2] ?? "") as Task);
// Drivers of graphics keep threads of their own.
process.exit(0);

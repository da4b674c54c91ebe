/** @file The measurement in a process of Node or Deno: the job as JSON is the argument. */
import process from "node:process";
import { perform } from "./job.ts";
import type { NumbersJob } from "./protocol.ts";

await perform(JSON.parse(process.argv[2] ?? "") as NumbersJob);
// Drivers of graphics keep threads of their own.
process.exit(0);

/** @file A job of the fuzz in a process of Node or Deno: the job as JSON is the argument, events go to standard output. */
import process from "node:process";
import { perform } from "./fuzz.ts";
import { type HostJob, lineOf } from "./protocol.ts";

await perform(JSON.parse(process.argv[2] ?? "") as HostJob, (event) => console.log(lineOf(event)));
// Drivers of graphics keep threads of their own.
process.exit(0);

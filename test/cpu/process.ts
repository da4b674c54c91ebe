/** @file The job in a process: `process.ts OPTIONS`, as JSON. It prints the result, and ends because nothing waits. */
import process from "node:process";
import type { CpuOptions } from "../../runtime/cpu/context.ts";
import { work } from "./job.ts";

const options = JSON.parse(process.argv[2] ?? "{}") as CpuOptions;
void work(options).then((result) => console.log(JSON.stringify(result)));

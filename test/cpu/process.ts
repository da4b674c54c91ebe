/**
 * @file The job in a process: `process.ts OPTIONS`, with options as JSON. It prints the result, and ends since nothing
 * is pending.
 */
import process from "node:process";
import type { CpuOptions } from "../../runtime/cpu/context.ts";
import { work } from "./job.ts";

const options = JSON.parse(process.argv[2] ?? "{}") as CpuOptions;
void work(options).then((result) => console.log(JSON.stringify(result)));

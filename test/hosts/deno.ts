/** @file The job under Deno: `deno run -A deno.ts work SHADERS.json` or `deno run deno.ts adapter CHOICE`; prints JSON. */
import { readFileSync } from "node:fs";
import process from "node:process";
import type { AdapterChoice } from "../../runtime/host.ts";
import { findAdapter, type Shader, work } from "./job.ts";

const [what, argument = ""] = process.argv.slice(2);
const result =
  what === "work"
    ? await work(JSON.parse(readFileSync(argument, "utf8")) as Shader[])
    : await findAdapter(argument as AdapterChoice);
console.log(JSON.stringify(result));

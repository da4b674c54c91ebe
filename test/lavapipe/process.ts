/** @file Sizes in a process of Deno; each result is a line of JSON. The argument is what the names of some contain. */
import process from "node:process";
import { ProgramRunner } from "../support/programs.ts";
import { checkSize, sizes } from "./sizes.ts";

const text = JSON.parse(process.argv[2] ?? '""') as string;
const runner = await ProgramRunner.open("software");
const { maxInvocations } = runner.limits;
console.log(JSON.stringify({ adapter: runner.name, maxInvocations }));
for (const size of sizes.filter(({ name }) => name.includes(text)))
  console.log(JSON.stringify(await checkSize(size, runner)));
// Drivers of graphics keep threads of their own.
process.exit(0);

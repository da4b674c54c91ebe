/** @file A process that keeps writing two files alternately to one path, to be killed. Arguments: path, file, file. */
import { readFileSync } from "node:fs";
import { writeAtomically } from "../../disk/atomic-write.ts";

const [, , place = "", ...sources] = process.argv;
const contents = sources.map((source) => readFileSync(source));
process.stdout.write("saving\n");
for (;;) for (const bytes of contents) await writeAtomically(place, bytes);

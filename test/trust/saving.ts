/** @file A process that writes one of two files in turn to one place, for ever: to be killed. Arguments: place, file, file. */
import { readFileSync } from "node:fs";
import { writeAtomically } from "../../disk/atomic-write.ts";

const [, , place = "", ...sources] = process.argv;
const contents = sources.map((source) => readFileSync(source));
process.stdout.write("saving\n");
for (;;) for (const bytes of contents) await writeAtomically(place, bytes);

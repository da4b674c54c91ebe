/** @file Code of a kernel from lines of a disassembly, and its run with made-up uniforms. */
import { readFileSync } from "node:fs";
import { listingOf } from "../../../bench/isa/listing.ts";
import { rdna2 } from "../../../bench/isa/rdna2.ts";
import type { BoundBuffer } from "../../../bench/isa/wave/memory-ops.ts";
import { codeOf, type Launch, runWorkgroup } from "../../../bench/isa/wave/workgroup.ts";

/** The forward loop of an RNN of 64 units as Mesa 22.3 compiled it, less the encodings. */
export const recorded = readFileSync(new URL("./rnn-64-forward.txt", import.meta.url), "utf8");

export const blocksOf = (text: string) => listingOf(`\ndisasm:\n${text}`)?.blocks ?? [];

/** Instructions, one to a line or parted by ";", as blocks; lines that end in a colon are labels. */
export function assembled(text: string) {
  const lines = text.split(/[\n;]/).map((line) => line.trim());
  return blocksOf(["BB0:", ...lines.map((line) => (line.endsWith(":") ? line : `\t${line}`))].join("\n"));
}

export const uniform = (...words: number[]): BoundBuffer => ({ words, isDynamic: false, isWeights: false });
export const storage: BoundBuffer = { words: undefined, isDynamic: false, isWeights: false };
export const weights: BoundBuffer = { ...storage, isWeights: true };

export function run(text: string, launch: Partial<Launch> = {}) {
  const whole: Launch = { lanes: 64, group: 0, groups: 1, buffers: [], level: "l2", chip: rdna2, ...launch };
  const code = codeOf(assembled(text));
  return { code, ...runWorkgroup(code, whole) };
}

/** @file The timed shapes: a language model with one recurrent layer and an embedding of width 64. */
import type { CellName, Sizes } from "../measure/workload.ts";

export interface Case {
  readonly name: string;
  readonly cell: CellName;
  readonly sizes: Sizes;
}

const shape = (batch: number, vocabulary: number, units: number, time: number): Sizes => ({
  ...{ batch, vocabulary, units, time },
  embed: 64,
});
const small = (name: string, cell: CellName): Case[] =>
  [32, 100].map((time) => ({ name: `${name}-t${time}`, cell, sizes: shape(16, 64, 128, time) }));

export const cases: readonly Case[] = [
  ...small("lstm", "lstm"),
  ...small("gru", "gru"),
  ...small("mgu", "minimal-gated-unit"),
  { name: "lstm-b1", cell: "lstm", sizes: shape(1, 64, 64, 4096) },
  { name: "lstm-b64", cell: "lstm", sizes: shape(64, 256, 512, 64) },
  { name: "lstm-v10000", cell: "lstm", sizes: shape(32, 10_000, 256, 128) },
  { name: "min-gru-b1", cell: "min-gru", sizes: shape(1, 64, 128, 4096) },
];

export function caseNamed(name: string | undefined): Case {
  const found = cases.find((one) => one.name === name);
  if (found === undefined)
    throw new Error(`unknown case ${name}; the cases are ${cases.map((one) => one.name).join(", ")}`);
  return found;
}

export function describe({ cell, sizes: { batch, vocabulary, units, time } }: Case): string {
  return `${cell} B${batch} V${vocabulary} H${units} T${time}`;
}

/** @file The equations of examples/cells, each with the built-in cell that it equals. */
import { readFileSync } from "node:fs";
import { gru } from "../../../cells/gru.ts";
import { indrnn, janet, lstm, mgu, minGru, rnn, sru, ugrnn } from "../../../cells/zoo.ts";
import type { CellDefinition } from "../../../index.ts";

export const cells: Readonly<Record<string, CellDefinition>> = {
  rnn: rnn as CellDefinition,
  lstm: lstm as CellDefinition,
  gru: gru as CellDefinition,
  mgu: mgu as CellDefinition,
  ugrnn: ugrnn as CellDefinition,
  janet: janet() as CellDefinition,
  "min-gru": minGru as CellDefinition,
  indrnn: indrnn() as CellDefinition,
  sru: sru as CellDefinition,
};

export const textOf = (name: string): string =>
  readFileSync(new URL(`../../../examples/cells/${name}.cell`, import.meta.url), "utf8");

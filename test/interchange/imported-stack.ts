/** @file Runs a stack of layers with imported weights, for tests against results of other frameworks. */
import { cells } from "../../cells/index.ts";
import { reluRnn } from "../../cells/relu-rnn.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import type { NetworkWeights } from "../../entries/weights.ts";
import type { Cell, CellDefinition } from "../../index.ts";
import { stacked } from "../../train/layers/depth.ts";
import { bidirectional, type Layer, recurrent } from "../../train/layers/layer.ts";

export type Arrays = Readonly<Record<string, NdArray>>;
export type Matrix = number[][];
export type Sequence = number[][][];

const definitions: Readonly<Record<string, CellDefinition>> = { ...cells, "relu-rnn": reluRnn as CellDefinition };

/** Layers on top of each other, in the directions that the weights have. */
export function stackFor({ cell, units, layers }: NetworkWeights): Layer {
  const make = (): Cell => (definitions[cell] as CellDefinition)(units);
  return stacked(
    layers.map(({ backward }) => (backward === undefined ? recurrent(make()) : bidirectional(make(), make()))),
  );
}

/** Largest difference, each relative to max(1, |reference|); infinite where shapes differ. */
export function errorOf(got: NdArray, reference: NdArray): number {
  if (got.shape.join() !== reference.shape.join()) return Number.POSITIVE_INFINITY;
  const errors = got.data.map((value, i) => {
    const wanted = reference.data[i] ?? Number.NaN;
    const error = Math.abs(value - wanted) / Math.max(1, Math.abs(wanted));
    return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
  });
  return Math.max(...errors);
}

/** @file The grid of cells and sizes: a language model with one recurrent layer, as the other benchmarks have it. */
import { layerNormLstm } from "../../cells/layer-norm-lstm.ts";
import { minGru } from "../../cells/min-gru.ts";
import { rnn } from "../../cells/rnn.ts";
import type { Precision } from "../../devices/device.ts";
import minimalGatedUnit from "../../examples/minimal-gated-unit.ts";
import { adam, type CellDefinition, gru, lstm } from "../../index.ts";
import { languageModel } from "../../train/networks.ts";
import { type TrainingStep, trainingStep } from "../../train/training-step.ts";

export const cellNames = ["rnn", "lstm", "gru", "minimal-gated-unit", "layer-norm-lstm"] as const;
/** Cells that are counted only if they are named: their states are affine. */
export const otherCells = ["min-gru"] as const;
export type IsaCell = (typeof cellNames)[number] | (typeof otherCells)[number];

export const allUnits = [32, 64, 128, 256, 512, 1024] as const;
export const allBatches = [1, 16, 256] as const;
/** Steps of the sequence, unless told otherwise. Kernels outside the time loop are counted once and divided by it. */
export const steps = 32;
/** Tokens, and components of an embedded one: the input of the cell. */
export const vocabulary = 64;

const definitions: Readonly<Record<IsaCell, CellDefinition>> = {
  rnn: rnn as CellDefinition,
  lstm: lstm as CellDefinition,
  gru: gru as CellDefinition,
  "minimal-gated-unit": minimalGatedUnit as CellDefinition,
  "layer-norm-lstm": layerNormLstm as CellDefinition,
  "min-gru": minGru as CellDefinition,
};

export function stepOf(cell: IsaCell, units: number, precision: Precision = "f32"): TrainingStep {
  const network = languageModel({ cell: definitions[cell], units, layers: 1, vocabulary, embed: vocabulary });
  return trainingStep(network, { optimizer: adam(), clipNorm: 1, precision });
}

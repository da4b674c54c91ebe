/**
 * @file The workload of all contenders: a language model with one recurrent layer, its initial weights, and a batch.
 *
 * Tokens are looked up in a trained embedding: cellgrad and TensorFlow.js gather (on WebGPU), jax-js multiplies by a one-hot
 * matrix, since the gradient of its gather does not work in `jit`. Then follow the cell over T steps, a dense head to logits
 * at every step, and the mean cross-entropy.
 */
import { minGru } from "../../cells/min-gru.ts";
import minimalGatedUnit from "../../examples/minimal-gated-unit.ts";
import { type CellDefinition, gru, initialize, lstm, type NdArray } from "../../index.ts";
import { languageModel, type Network } from "../../train/networks.ts";
import { randomStream } from "../../train/random.ts";

/** The cells that are also timed in browsers. */
export const cellNames = ["lstm", "gru", "minimal-gated-unit"] as const;
export type CellName = (typeof cellNames)[number] | "min-gru";

export interface Sizes {
  readonly batch: number;
  readonly time: number;
  readonly vocabulary: number;
  readonly embed: number;
  readonly units: number;
}

export const sizesAt = (time: number): Sizes => ({ batch: 16, time, vocabulary: 64, embed: 64, units: 128 });

interface CellFacts {
  readonly definition: CellDefinition;
  /** Names of the gates, in the order in which other libraries pack them. */
  readonly gates: readonly string[];
  /** Whether rows of x come first in a gate's kernel, or those of h. */
  readonly inputFirst: boolean;
}

export const cells: Readonly<Record<CellName, CellFacts>> = {
  lstm: {
    definition: lstm as CellDefinition,
    gates: ["input", "forget", "output", "candidate"],
    inputFirst: true,
  },
  gru: { definition: gru as CellDefinition, gates: ["update", "reset", "candidate"], inputFirst: true },
  "minimal-gated-unit": {
    definition: minimalGatedUnit as CellDefinition,
    gates: ["forget", "candidate"],
    inputFirst: false,
  },
  /** Its gates depend only on x. */
  "min-gru": { definition: minGru as CellDefinition, gates: ["update", "candidate"], inputFirst: true },
};

export interface Workload {
  readonly cell: CellName;
  readonly sizes: Sizes;
  readonly network: Network;
  readonly parameters: Readonly<Record<string, NdArray>>;
  /** i32 [T, B]. */
  readonly x: NdArray;
  /** i32 [T, B]: the next tokens. */
  readonly targets: NdArray;
}

export function makeWorkload(cell: CellName, sizes: Sizes): Workload {
  const { batch, time, vocabulary, embed, units } = sizes;
  const network = languageModel({ cell: cells[cell].definition, units, layers: 1, vocabulary, embed });
  const random = randomStream(7, "bench/tokens");
  const rows = Float64Array.from({ length: (time + 1) * batch }, () => Math.floor(random.uniform() * vocabulary));
  const window = (from: number): NdArray => ({
    dtype: "i32",
    shape: [time, batch],
    data: rows.slice(from * batch, (from + time) * batch),
  });
  return { cell, sizes, network, parameters: initialize(network.specs, 3), x: window(0), targets: window(1) };
}

export interface Matrix {
  readonly data: Float32Array;
  readonly shape: readonly [number, number];
}

/** Kernels of some gates side by side, [rows, gates * units]: only the rows that multiply x, or those that multiply h. */
export function packedKernel(workload: Workload, gates: readonly string[], operand: "x" | "h"): Matrix {
  const { embed, units } = workload.sizes;
  const { inputFirst } = cells[workload.cell];
  const rows = operand === "x" ? embed : units;
  const first = operand === "x" ? (inputFirst ? 0 : units) : inputFirst ? embed : 0;
  const width = gates.length * units;
  const data = new Float32Array(rows * width);
  for (const [g, gate] of gates.entries()) {
    const kernel = parameterData(workload, `layers/0/${workload.cell}/${gate}/kernel`);
    for (let row = 0; row < rows; row++) {
      const from = (first + row) * units;
      data.set(kernel.subarray(from, from + units), row * width + g * units);
    }
  }
  return { data, shape: [rows, width] };
}

/** Biases of all gates, one after the other. */
export function packedBias(workload: Workload, gates: readonly string[]): Float32Array {
  return Float32Array.from(
    gates.flatMap((gate) => [...parameterData(workload, `layers/0/${workload.cell}/${gate}/bias`)]),
  );
}

export function parameterData(workload: Workload, path: string): Float32Array {
  const found = workload.parameters[path];
  if (found === undefined)
    throw new Error(`the network has no parameter ${path}, but ${Object.keys(workload.parameters).join(", ")}`);
  return Float32Array.from(found.data);
}

/** Floating-point operations of the products of one training step: forward, and twice that backward. */
export function productFlops({ cell, sizes }: Pick<Workload, "cell" | "sizes">): number {
  const { batch, time, vocabulary, embed, units } = sizes;
  const weights = (embed + units) * units * cells[cell].gates.length + units * vocabulary;
  return 3 * 2 * batch * time * weights;
}

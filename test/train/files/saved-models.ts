/** @file Saved models for the tests of model files and their graphs; and ways to damage one. */
import { gru } from "../../../cells/gru.ts";
import { rnn } from "../../../cells/rnn.ts";
import { cell } from "../../../compiler/dsl/cell.ts";
import { dense } from "../../../compiler/dsl/dense.ts";
import { at } from "../../../compiler/graph/errors.ts";
import type { NdArray } from "../../../compiler/graph/ndarray.ts";
import { outer } from "../../../compiler/ops/composed.ts";
import { dot } from "../../../compiler/ops/contractions.ts";
import { add, less, max, mul } from "../../../compiler/ops/elementwise.ts";
import { where } from "../../../compiler/ops/logic.ts";
import { scanTensors } from "../../../compiler/ops/scan.ts";
import { sigmoid, tanh } from "../../../compiler/ops/transcendental.ts";
import { fill, reshape } from "../../../compiler/ops/views.ts";
import type { Tensor } from "../../../compiler/trace/tensor.ts";
import { decodeModel, encodeModel, type SavedNetwork, savedModel } from "../../../train/files/model-file.ts";
import { decodeTensors, encodeTensors } from "../../../train/files/safetensors.ts";
import { initialize } from "../../../train/initialize.ts";
import { languageModel, regressionModel, seriesModel } from "../../../train/networks.ts";

type Float = Tensor<"f32">;

/** A cell of nobody's library: a matrix state, a loop within the step, and numbers that JSON has no word for. */
const odd = cell(
  "odd",
  { state: ({ units }) => ({ memory: [units, units], h: [units] }) },
  ({ x, memory, h, units }) => {
    const key = tanh(dense("key", [x, h], units));
    const inner = scanTensors(([z]) => ({ carries: [tanh(mul(z as Float, 0.5))], ys: [] }), [key], [], { length: 3 });
    const settled = max(at(inner.carries, 0) as Float, Number.NEGATIVE_INFINITY);
    const next = add(mul(memory, 0.9), outer(settled, key));
    const read = reshape(dot(reshape(key, ["B", 1, units]), next), ["B", units]);
    const kept = where(less(read, 0), mul(read, -0), sigmoid(read));
    return { state: { memory: next, h: add(kept, mul(h, fill(h.shape, 0.1))) }, output: read };
  },
);

export const textNetwork = languageModel({ cell: odd, units: 3, layers: 2, vocabulary: 4, embed: 2 });
export const textModel: SavedNetwork = savedModel(textNetwork, initialize(textNetwork.specs, 1), {
  vocabulary: ["\n", "a", "é", "🙂"],
  training: { steps: 12, loss: 1.5, device: "none" },
});
const seriesNetwork = seriesModel({ cell: gru, units: 3, layers: 1, features: 2 });
export const seriesSaved: SavedNetwork = savedModel(seriesNetwork, initialize(seriesNetwork.specs, 1), {
  columns: ["price", "volume"],
  normalisation: { mean: [1.5, -2], deviation: [0.1, 1e-9] },
});
const regressionNetwork = regressionModel({ cell: gru, units: 3, layers: 1, features: 2, outputs: 1 });
export const regressionSaved: SavedNetwork = savedModel(regressionNetwork, initialize(regressionNetwork.specs, 1), {
  columns: ["number", "mark"],
  targets: ["sum"],
});
const smallNetwork = languageModel({ cell: rnn, units: 2, layers: 1, vocabulary: 2, embed: 2 });
export const small = encodeModel(
  savedModel(smallNetwork, initialize(smallNetwork.specs, 1), { vocabulary: ["a", "b"] }),
);

/** The file with its metadata, or its tensors, changed. */
export function damaged(
  change: (metadata: Record<string, string>, tensors: Record<string, NdArray>) => void,
  bytes = small,
): Uint8Array {
  const { metadata, tensors } = decodeTensors(bytes, "m");
  const copies = { metadata: { ...metadata }, tensors: { ...tensors } };
  change(copies.metadata, copies.tensors);
  return encodeTensors(copies);
}

/** What reading a file throws, if anything. */
export function faultOf(bytes: Uint8Array): unknown {
  try {
    decodeModel(bytes, "m.safetensors");
    return undefined;
  } catch (error) {
    return error;
  }
}

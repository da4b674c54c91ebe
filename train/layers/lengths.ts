/**
 * @file Sequences of different lengths in one batch, padded on the right: the mask of existing steps, the mean over them, and
 * the output at the last of them. `scan` accepts the mask: past the end it reads zeros, its state is frozen and its outputs
 * are zero.
 */

import { type Dim, formatShape, sizeOf } from "../../compiler/graph/dim.ts";
import { at } from "../../compiler/graph/errors.ts";
import { add, cast, div, less, max, min, mul } from "../../compiler/ops/elementwise.ts";
import { equal, where } from "../../compiler/ops/logic.ts";
import { slice } from "../../compiler/ops/pieces.ts";
import { dimSize, iota } from "../../compiler/ops/sources.ts";
import { broadcast, reshape, sum } from "../../compiler/ops/views.ts";
import { expectTensors } from "../../compiler/trace/expect.ts";
import { faultOf } from "../../compiler/trace/fault.ts";
import { expectIndex } from "../../compiler/trace/index-ranges.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";

import { endingOf, isMasked, readsReverseLoop, reverseLoopOf } from "./direction.ts";

type Float = Tensor<"f32">;

/** True where a step exists: bool [time, batch] of lengths i32 [batch], each from 0 to `time`. */
export function lengthsMask(lengths: Tensor<"i32">, time: Dim): Tensor<"bool"> {
  const shape = [time, batchOf("lengthsMask", lengths)];
  expectIndex({ index: lengths, what: "lengths", to: time });
  return less(iota(shape, 0), broadcast(lengths, shape));
}

/**
 * The mean of values [time, batch, …] over the existing steps: a mask [time, batch] applies to all further axes. Other values
 * neither count nor get a gradient. Without any step it is 0.
 */
export function maskedMean(values: Float, mask: Tensor<"bool">): Float {
  if (values.shape.length < mask.shape.length || mask.shape.some((dim, axis) => dim !== values.shape[axis]))
    throw faultOf(
      "maskedMean",
      `values are ${formatShape(values.shape)} and the mask ${formatShape(mask.shape)}; expected the axes of the mask first in the values`,
    );
  // Counted before it is broadcast: losses with one mask are means over one count, whatever their width.
  const count = max(sum(cast(mask, "f32")), 1);
  const width = sizeOf(values.shape.slice(mask.shape.length));
  return div(sum(whereTrue(mask, values)), width === 1 ? count : mul(count, dimSize(width)));
}

/** x where the mask, whose axes are the first ones of x, is true; 0 elsewhere. */
export function whereTrue(mask: Tensor<"bool">, x: Float): Float {
  const rest = x.shape.slice(mask.shape.length).map(() => 1);
  return where(broadcast(reshape(mask, [...mask.shape, ...rest]), x.shape), x, 0);
}

/**
 * The last output of each sequence, [batch, …] of outputs [time, batch, …]: the result of a whole sequence (many to one).
 * Without lengths i32 [batch], all end with the last step; for a length of 0 it is 0, and a length above `time` ends with
 * the last step (a trainer rejects it). For a layer that runs from the last step to the first it is the output at the first
 * step, after the layer has seen all; for `bidirectional` it is the last of each direction, merged like their outputs.
 *
 * @throws UserError if the outputs were computed from those of a reverse layer: at the last step it has seen only that one.
 */
export function lastOutput(outputs: Float, lengths?: Tensor<"i32">): Float {
  expectTensors("lastOutput", outputs);
  const [time, batch] = [at(outputs.shape, 0), at(outputs.shape, 1)];
  if (lengths !== undefined) batchOf("lastOutput", lengths, batch);
  const ending = endingOf(outputs);
  if (ending !== undefined) return ending(lengths);
  const reverse = reverseLoopOf(outputs);
  if (reverse !== undefined) {
    if (lengths === undefined || isMasked(reverse)) return stepOf(outputs, 0);
    throw faultOf(
      "lastOutput",
      "the layer that runs from the last step to the first has no mask, so it has read the padding; run it with { mask: lengthsMask(lengths, time) }",
    );
  }
  if (readsReverseLoop(outputs)) {
    throw faultOf(
      "lastOutput",
      "at the last step, a layer that runs from the last step to the first has seen only that step; apply lastOutput to that layer's own outputs (for bidirectional it is the last of each direction), and compute with the result",
    );
  }
  if (lengths === undefined) return stepOf(outputs, -1);
  const ends = min(lengths, cast(dimSize(time), "i32"));
  const isLast = equal(add(iota([time, batch], 0), 1), broadcast(ends, [time, batch]));
  const rest = outputs.shape.slice(2).map(() => 1);
  return sum(where(broadcast(reshape(isLast, [time, batch, ...rest]), outputs.shape), outputs, 0), 0);
}

function stepOf(outputs: Float, step: number): Float {
  return reshape(slice(outputs, 0, step, 1), outputs.shape.slice(1));
}

function batchOf(what: string, lengths: Tensor<"i32">, batch?: Dim): Dim {
  expectTensors(what, lengths);
  const [rows, ...rest] = lengths.shape;
  if (rows === undefined || rest.length > 0 || (batch !== undefined && batch !== rows))
    throw faultOf(what, `lengths are ${formatShape(lengths.shape)}; expected [${batch ?? "batch"}]`);
  return rows;
}

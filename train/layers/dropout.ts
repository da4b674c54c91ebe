/**
 * @file Dropout: in training some elements are zero and the others are scaled up, which keeps the expectation.
 *
 * - `dropout`: each element independently; Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from
 *   overfitting", scaled while training.
 * - `variationalDropout`: one mask for all steps of a sequence; Gal & Ghahramani 2016, arXiv:1512.05287, section 4.1.
 *
 * Without randomness, that is in evaluation, both return x itself.
 */

import { bernoulli, type Randomness } from "../../compiler/dsl/randomness.ts";
import { formatShape, type Shape } from "../../compiler/graph/dim.ts";
import { inWords } from "../../compiler/graph/errors.ts";
import { mul } from "../../compiler/ops/elementwise.ts";
import { where } from "../../compiler/ops/logic.ts";
import { broadcast } from "../../compiler/ops/views.ts";
import { faultOf } from "../../compiler/trace/fault.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";

type Float = Tensor<"f32">;

/**
 * Returns x with each element zero with probability `rate` (0 or more, below 1), and divided by 1 - rate otherwise. In a
 * step of a loop pass the step's number [batch], or all steps have the same mask.
 */
export function dropout(x: Float, rate: number, random?: Randomness, step?: Tensor<"u32">): Float {
  checkRate("dropout", rate);
  return random === undefined || rate === 0 ? x : kept(x, keptWith(random, rate, x.shape, step), rate);
}

/** Like `dropout`, for xs [time, batch, …] with one mask [batch, …] that all steps share. */
export function variationalDropout(xs: Float, rate: number, random?: Randomness): Float {
  checkRate("variationalDropout", rate);
  if (xs.shape.length < 2)
    throw faultOf("variationalDropout", `xs is ${formatShape(xs.shape)}; expected [time, batch, …]`);
  if (random === undefined || rate === 0) return xs;
  return kept(xs, broadcast(keptWith(random, rate, xs.shape.slice(1)), xs.shape), rate);
}

/** The mask of the elements to keep: false with probability `rate`. */
export function keptWith(random: Randomness, rate: number, shape: Shape, step?: Tensor<"u32">): Tensor<"bool"> {
  return bernoulli(random, 1 - rate, shape, step);
}

function kept(x: Float, mask: Tensor<"bool">, rate: number): Float {
  return where(mask, mul(x, 1 / (1 - rate)), 0);
}

export function checkRate(what: string, rate: number): void {
  if (!(typeof rate === "number" && rate >= 0 && rate < 1))
    throw faultOf(what, `the rate is ${inWords(rate)}; expected a number from 0 to below 1`);
}

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
import { div, mul, sub } from "../../compiler/ops/elementwise.ts";
import { where } from "../../compiler/ops/logic.ts";
import { broadcast } from "../../compiler/ops/views.ts";
import { faultOf } from "../../compiler/trace/fault.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";

import { numberOf, type Rate, rateValue } from "../hyperparameter.ts";

type Float = Tensor<"f32">;

/**
 * Returns x with each element zero with probability `rate` (0 or more, below 1), and divided by 1 - rate otherwise. In a
 * step of a loop pass the step's number [batch], or all steps have the same mask.
 */
export function dropout(x: Float, rate: Rate, random?: Randomness, step?: Tensor<"u32">): Float {
  checkRate("dropout", rate);
  if (random === undefined || rate === 0) return x;
  const value = rateValue(rate, 1);
  return kept(x, keptWith(random, value, x.shape, step), value);
}

/** Like `dropout`, for xs [time, batch, …] with one mask [batch, …] that all steps share. */
export function variationalDropout(xs: Float, rate: Rate, random?: Randomness): Float {
  checkRate("variationalDropout", rate);
  if (xs.shape.length < 2)
    throw faultOf("variationalDropout", `xs is ${formatShape(xs.shape)}; expected [time, batch, …]`);
  if (random === undefined || rate === 0) return xs;
  const value = rateValue(rate, 1);
  return kept(xs, broadcast(keptWith(random, value, xs.shape.slice(1)), xs.shape), value);
}

/** The mask of the elements to keep: false with probability `rate`. */
export function keptWith(random: Randomness, rate: number | Float, shape: Shape, step?: Tensor<"u32">): Tensor<"bool"> {
  return bernoulli(random, typeof rate === "number" ? 1 - rate : sub(1, rate), shape, step);
}

function kept(x: Float, mask: Tensor<"bool">, rate: number | Float): Float {
  const scale = typeof rate === "number" ? 1 / (1 - rate) : div(1, sub(1, rate));
  return where(mask, mul(x, scale), 0);
}

export function checkRate(what: string, given: Rate): void {
  const rate = numberOf(given);
  if (!(typeof rate === "number" && rate >= 0 && rate < 1))
    throw faultOf(what, `the rate is ${inWords(rate)}; expected a number from 0 to below 1`);
}

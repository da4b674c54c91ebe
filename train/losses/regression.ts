/** @file Losses of regression. */

import { formatShape, sameShape } from "../../compiler/graph/dim.ts";
import { UserError } from "../../compiler/graph/errors.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import { mean, square } from "../../compiler/ops/composed.ts";
import { abs, div, min, mul, not, sub } from "../../compiler/ops/elementwise.ts";
import { equal, finite, or, where } from "../../compiler/ops/logic.ts";
import { broadcast, sum } from "../../compiler/ops/views.ts";
import { expectTensors } from "../../compiler/trace/expect.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { checkMask, type LossOptions, masked, meanCost, ofLoss } from "./masked.ts";

type Float = Tensor<"f32">;

/** The mean of (prediction - target)^2 over all elements; both have the same shape. */
export function meanSquaredError(predictions: Float, targets: Float, options: LossOptions = {}): Float {
  const { mask } = checkedOptions("meanSquaredError", options, ofLoss);
  return meanCost(square(errors("meanSquaredError", predictions, targets, mask)), mask);
}

/** The mean of |prediction - target| over all elements; both have the same shape. The derivative is 0 where they are equal. */
export function meanAbsoluteError(predictions: Float, targets: Float, options: LossOptions = {}): Float {
  const { mask } = checkedOptions("meanAbsoluteError", options, ofLoss);
  return meanCost(abs(errors("meanAbsoluteError", predictions, targets, mask)), mask);
}

/** Options of `huber`. */
export interface HuberOptions extends LossOptions {
  /** The error up to which the loss is quadratic; beyond it, it is linear. 1 by default. */
  readonly delta?: number;
}

/**
 * The mean of e^2 / 2 where |e| <= delta and of delta (|e| - delta / 2) beyond, e = prediction - target; both have the same
 * shape. Huber 1964, "Robust estimation of a location parameter".
 */
export function huber(predictions: Float, targets: Float, options: HuberOptions = {}): Float {
  const { mask, delta = 1 } = checkedOptions("huber", options, { ...ofLoss, delta: "number" });
  if (!(delta > 0 && delta < Number.POSITIVE_INFINITY))
    throw new UserError(`huber: delta is ${delta}; expected a number above 0`);
  const size = abs(errors("huber", predictions, targets, mask));
  // With c = min(|e|, delta), both branches are c (|e| - c / 2), and their derivatives meet where |e| = delta.
  const capped = min(size, delta);
  return meanCost(mul(capped, sub(size, mul(capped, 0.5))), mask);
}

/** prediction - target, 0 where the mask is false. */
function errors(loss: string, predictions: Float, targets: Float, mask: Tensor<"bool"> | undefined): Float {
  expectTensors(loss, predictions, targets);
  if (!sameShape(predictions.shape, targets.shape)) {
    throw new UserError(
      `${loss}: predictions are ${formatShape(predictions.shape)} and targets ${formatShape(targets.shape)}; expected one shape`,
    );
  }
  checkMask(loss, mask, predictions.shape);
  return masked(sub(predictions, targets), mask);
}

/**
 * The mean of (prediction - target)^2 weighted by row: predictions and targets are [..., values], weights [..., 1], 0 or
 * more and not all 0. NaN and infinity in a row of weight 0 do not count.
 */
export function weightedSquaredError(predictions: Float, targets: Float, weights: Float): Float {
  const rows = [...predictions.shape.slice(0, -1), 1];
  if (!sameShape(predictions.shape, targets.shape) || !sameShape(weights.shape, rows)) {
    throw new UserError(
      `weightedSquaredError: predictions are ${formatShape(predictions.shape)}, targets ${formatShape(targets.shape)} and weights ${formatShape(weights.shape)}; expected one shape, and weights ${formatShape(rows)}`,
    );
  }
  // A row of weight 0 does not count, even if it is NaN. If it is finite, the derivative of the weight needs it.
  const off = sub(predictions, targets);
  const counts = or(finite(off), not(equal(broadcast(weights, off.shape), 0)));
  const squares = mean(square(where(counts, off, 0)), -1, { keepAxes: true });
  return div(sum(mul(squares, weights)), sum(weights));
}

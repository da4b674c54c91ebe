/** @file What training makes small: a scalar, the mean over everything that is predicted. */
import { formatShape, sameShape } from "../compiler/graph/dim.ts";
import { UserError } from "../compiler/graph/errors.ts";
import { mean, square } from "../compiler/ops/composed.ts";
import { reduceMax } from "../compiler/ops/contractions.ts";
import { cast, div, mul, sub } from "../compiler/ops/elementwise.ts";
import { equal, stopGradient, where } from "../compiler/ops/logic.ts";
import { iota } from "../compiler/ops/sources.ts";
import { exp, log } from "../compiler/ops/transcendental.ts";
import { broadcast, reshape, sum } from "../compiler/ops/views.ts";
import type { Tensor } from "../compiler/trace/tensor.ts";

type Float = Tensor<"f32">;

/**
 * Softmax cross-entropy: the mean of -log softmax(logits)[target], in nats. Logits are [..., classes]; targets [...]
 * are class numbers (a target that is no class costs as if its logit were the largest: check them before).
 */
export function crossEntropy(logits: Float, targets: Tensor<"i32"> | Tensor<"u32">): Float {
  const { shape } = logits;
  if (shape.length === 0 || !sameShape(shape.slice(0, -1), targets.shape)) {
    throw new UserError(
      `crossEntropy: logits are ${formatShape(shape)} and targets ${formatShape(targets.shape)}; expected the shape of the targets and then the classes`,
    );
  }
  // The shift cancels, so it needs no gradient; -log softmax = log(sum of powers) - the target's own exponent, whose
  // derivative (softmax minus one-hot) then takes no further reduction.
  const centered = sub(logits, stopGradient(reduceMax(logits, -1, { keepAxes: true })));
  const wide = broadcast(reshape(cast(targets, "i32"), [...targets.shape, 1]), shape);
  const isTarget = equal(wide, iota(shape, shape.length - 1));
  return mean(sub(log(sum(exp(centered), -1)), sum(where(isTarget, centered, 0), -1)));
}

/** The mean of (prediction - target)^2 over all elements; both have one shape. */
export function meanSquaredError(predictions: Float, targets: Float): Float {
  if (!sameShape(predictions.shape, targets.shape)) {
    throw new UserError(
      `meanSquaredError: predictions are ${formatShape(predictions.shape)} and targets ${formatShape(targets.shape)}; expected one shape`,
    );
  }
  return mean(square(sub(predictions, targets)));
}

/**
 * The mean of (prediction - target)^2 weighted by row: predictions and targets are [..., values], weights [..., 1], 0 or
 * more and not all 0.
 */
export function weightedSquaredError(predictions: Float, targets: Float, weights: Float): Float {
  const rows = [...predictions.shape.slice(0, -1), 1];
  if (!sameShape(predictions.shape, targets.shape) || !sameShape(weights.shape, rows)) {
    throw new UserError(
      `weightedSquaredError: predictions are ${formatShape(predictions.shape)}, targets ${formatShape(targets.shape)} and weights ${formatShape(weights.shape)}; expected one shape, and weights ${formatShape(rows)}`,
    );
  }
  const errors = mean(square(sub(predictions, targets)), -1, { keepAxes: true });
  return div(sum(mul(errors, weights)), sum(weights));
}

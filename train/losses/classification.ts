/** @file Losses of classification, categorical and binary. All accept logits, so that nothing overflows. */

import { formatShape, sameShape } from "../../compiler/graph/dim.ts";
import { at, UserError } from "../../compiler/graph/errors.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import { oneMinus, stack } from "../../compiler/ops/composed.ts";
import { reduceMax } from "../../compiler/ops/contractions.ts";
import { add, cast, div, mul, neg, sub } from "../../compiler/ops/elementwise.ts";
import { equal, stopGradient, where } from "../../compiler/ops/logic.ts";
import { dimSize, iota } from "../../compiler/ops/sources.ts";
import { exp, log, softplus } from "../../compiler/ops/transcendental.ts";
import { broadcast, constant, reshape, sum } from "../../compiler/ops/views.ts";
import { expectTensors } from "../../compiler/trace/expect.ts";
import { expectIndex } from "../../compiler/trace/index-ranges.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { checkMask, type LossOptions, masked, meanCost, ofLoss, sumOverWeights } from "./masked.ts";

type Float = Tensor<"f32">;

/** Options of `crossEntropy`. */
export interface CrossEntropyOptions extends LossOptions {
  /**
   * Label smoothing: the part of the target probability that is spread evenly over all classes; 0 by default, below 1.
   * Szegedy et al. 2016, arXiv:1512.00567, section 7.
   */
  readonly smoothing?: number;
  /**
   * Weight of each class: 0 or more, as numbers or as a tensor [classes]. The mean is then the sum of weighted costs over the
   * sum of the targets' weights, as in PyTorch.
   */
  readonly classWeights?: readonly number[] | Float | undefined;
}

/**
 * Softmax cross-entropy: the mean of -log softmax(logits)[target], in nats. Logits are [..., classes]; targets [...]
 * are class indices (a trainer rejects a batch with an unmasked index out of range). With smoothing e, K classes and class
 * weights w, a position costs
 *
 *   -(1 - e) w[target] log softmax(logits)[target] - e / K · sum over k of w[k] log softmax(logits)[k]
 */
export function crossEntropy(
  logits: Float,
  targets: Tensor<"i32"> | Tensor<"u32">,
  options: CrossEntropyOptions = {},
): Float {
  const kinds = { ...ofLoss, smoothing: "number", classWeights: "any" } as const;
  const { mask, smoothing = 0, classWeights } = checkedOptions("crossEntropy", options, kinds);
  expectTensors("crossEntropy", logits, targets);
  const { shape } = logits;
  if (shape.length === 0 || !sameShape(shape.slice(0, -1), targets.shape)) {
    throw new UserError(
      `crossEntropy: logits are ${formatShape(shape)} and targets ${formatShape(targets.shape)}; expected logits with the shape of the targets and one more axis, the classes`,
    );
  }
  checkMask("crossEntropy", mask, targets.shape);
  if (!(smoothing >= 0 && smoothing < 1))
    throw new UserError(`crossEntropy: smoothing is ${smoothing}; expected 0 or more, below 1`);
  const classAxis = shape.length - 1;
  const classes = at(shape, classAxis);
  const wide = broadcast(reshape(cast(targets, "i32"), [...targets.shape, 1]), shape);
  expectIndex({ index: targets, what: "classes", to: classes, below: 1, mask });
  const isTarget = equal(wide, iota(shape, classAxis));
  const ofTarget = (x: Float) => sum(where(isTarget, x, 0), -1);

  // The shift cancels, so it needs no gradient; -log softmax = log(sum of powers) - the target's own exponent, whose
  // derivative (softmax minus one-hot) then needs no further reduction.
  const given = masked(logits, mask);
  const centered = sub(given, stopGradient(reduceMax(given, -1, { keepAxes: true })));
  const logOfSum = log(sum(exp(centered), -1));
  const cost = sub(logOfSum, ofTarget(centered));
  if (classWeights === undefined) {
    if (smoothing === 0) return meanCost(cost, mask);
    const costOfAll = sub(logOfSum, div(sum(centered, -1), dimSize(classes)));
    return meanCost(add(mul(cost, 1 - smoothing), mul(costOfAll, smoothing)), mask);
  }
  const weights = broadcast(weightTensor(classWeights, classes), shape);
  const weight = masked(ofTarget(weights), mask);
  const ofOwn = mul(cost, weight);
  if (smoothing === 0) return sumOverWeights(ofOwn, weight);
  const ofAll = sum(mul(sub(reshape(logOfSum, [...targets.shape, 1]), centered), weights), -1);
  const spread = masked(div(ofAll, dimSize(classes)), mask);
  return sumOverWeights(add(mul(ofOwn, 1 - smoothing), mul(spread, smoothing)), weight);
}

function weightTensor(weights: readonly number[] | Float, classes: number | string): Float {
  const tensor = "length" in weights ? constants(weights) : weights;
  if (sameShape(tensor.shape, [classes])) return tensor;
  throw new UserError(
    `crossEntropy: classWeights are ${formatShape(tensor.shape)} for ${classes} classes; expected one weight for each`,
  );
}

function constants(weights: readonly number[]): Float {
  const wrong = weights.find((weight) => !(weight >= 0 && weight < Number.POSITIVE_INFINITY));
  if (wrong !== undefined || weights.length === 0)
    throw new UserError(`crossEntropy: a class weight is ${wrong ?? "missing"}; expected numbers of 0 or more`);
  return stack(weights.map((weight) => constant(weight)));
}

/**
 * The mean of -t log sigmoid(z) - (1 - t) log(1 - sigmoid(z)) over all elements, in nats: logits z and targets t from 0 to
 * 1 have the same shape.
 */
export function binaryCrossEntropy(logits: Float, targets: Float, options: LossOptions = {}): Float {
  const { mask } = checkedOptions("binaryCrossEntropy", options, ofLoss);
  expectTensors("binaryCrossEntropy", logits, targets);
  if (!sameShape(logits.shape, targets.shape)) {
    throw new UserError(
      `binaryCrossEntropy: logits are ${formatShape(logits.shape)} and targets ${formatShape(targets.shape)}; expected one shape`,
    );
  }
  checkMask("binaryCrossEntropy", mask, logits.shape);
  // -log sigmoid(z) = softplus(-z), and -log(1 - sigmoid(z)) = softplus(z). The shorter softplus(z) - t z would cancel: it
  // loses the small cost of a confident correct logit.
  const [z, t] = [masked(logits, mask), masked(targets, mask)];
  return meanCost(add(mul(t, softplus(neg(z))), mul(oneMinus(t), softplus(z))), mask);
}

/**
 * @file Mixture density: a network predicts a probability density as a mixture of Gaussians, with the weights, means and
 * deviations as outputs. Bishop 1994, "Mixture density networks"; for pen strokes Graves 2013,
 * arXiv:1308.0850, eq. 15-26.
 *
 * Everything is a logarithm until the end, so that the cost of distant targets stays finite.
 */
import { formatShape, type Shape, sameShape } from "../../compiler/graph/dim.ts";
import { at, UserError } from "../../compiler/graph/errors.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import { logSoftmax, oneMinus, split, square } from "../../compiler/ops/composed.ts";
import { add, mul, neg, sub } from "../../compiler/ops/elementwise.ts";
import { slice } from "../../compiler/ops/pieces.ts";
import { exp, softplus, tanh } from "../../compiler/ops/transcendental.ts";
import { reshape } from "../../compiler/ops/views.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { logSumExp } from "./log-sum-exp.ts";
import { checkMask, type LossOptions, masked, meanCost, ofLoss } from "./masked.ts";

type Float = Tensor<"f32">;

/** A mixture of M Gaussians over one number; each tensor is [..., M]. */
export interface GaussianMixture {
  /** Logarithms of the weights; the weights add up to 1. */
  readonly logWeights: Float;
  /** Means. */
  readonly means: Float;
  /** Logarithms of the standard deviations. */
  readonly logDeviations: Float;
}

/** Splits a network's output [..., 3 M] into a mixture: logits of the weights, means, log deviations. */
export function gaussianMixture(output: Float): GaussianMixture {
  const [weights, means, logDeviations] = parts("gaussianMixture", output, 3) as [Float, Float, Float];
  return { logWeights: logSoftmax(weights), means, logDeviations };
}

/**
 * The mean of -log density of the targets [...] under the mixtures of the output [..., 3 M], in nats: see `gaussianMixture`.
 * A density can be above 1, so the loss can be negative.
 */
export function gaussianMixtureLoss(output: Float, targets: Float, options: LossOptions = {}): Float {
  const { mask } = checkedOptions("gaussianMixtureLoss", options, ofLoss);
  checkTargets("gaussianMixtureLoss", output, targets, output.shape.slice(0, -1));
  checkMask("gaussianMixtureLoss", mask, targets.shape);
  const { logWeights, means, logDeviations } = gaussianMixture(masked(output, mask));
  const x = reshape(masked(targets, mask), [...targets.shape, 1]);
  const logDensity = logNormal(standardized(x, means, logDeviations), logDeviations);
  return meanCost(neg(logSumExp(add(logWeights, logDensity))), mask);
}

/** A mixture of M Gaussians over the offset (x, y) of a pen, and whether it is lifted; each tensor is [..., M] but `end`. */
export interface BivariateMixture {
  /** Logarithms of the weights; the weights add up to 1. */
  readonly logWeights: Float;
  /** Means of x and of y. */
  readonly means: readonly [x: Float, y: Float];
  /** Logarithms of the standard deviations of x and of y. */
  readonly logDeviations: readonly [x: Float, y: Float];
  /** r; the correlation of x and y is tanh r. */
  readonly correlation: Float;
  /** Logit of the probability that the stroke ends here: [...]. */
  readonly end: Float;
}

/**
 * Splits a network's output [..., 6 M + 1] into a mixture: logits of the weights, means of x, means of y, log deviations of
 * x, log deviations of y, correlations, and last the logit of the stroke's end (Graves's eq. 18 with the sign changed).
 */
export function bivariateMixture(output: Float): BivariateMixture {
  const axis = output.shape.length - 1;
  const width = output.shape[axis];
  if (typeof width !== "number" || width < 7 || width % 6 !== 1) {
    throw new UserError(
      `bivariateMixture: the output is ${formatShape(output.shape)}; expected 6 numbers for each Gaussian and 1 for the end of the stroke`,
    );
  }
  const parts = split(slice(output, axis, 0, width - 1), 6);
  return {
    logWeights: logSoftmax(at(parts, 0)),
    means: [at(parts, 1), at(parts, 2)],
    logDeviations: [at(parts, 3), at(parts, 4)],
    correlation: at(parts, 5),
    end: reshape(slice(output, axis, width - 1, 1), output.shape.slice(0, -1)),
  };
}

/**
 * The mean of -log density of the offset - log probability of the pen: eq. 26. Targets are [..., 3]: the offset x, y and 1
 * where the stroke ends, 0 elsewhere; the output is [..., 6 M + 1]: see `bivariateMixture`. In nats.
 */
export function bivariateMixtureLoss(output: Float, targets: Float, options: LossOptions = {}): Float {
  const { mask } = checkedOptions("bivariateMixtureLoss", options, ofLoss);
  checkTargets("bivariateMixtureLoss", output, targets, [...output.shape.slice(0, -1), 3]);
  checkMask("bivariateMixtureLoss", mask, targets.shape.slice(0, -1));
  const { logWeights, means, logDeviations, correlation, end } = bivariateMixture(masked(output, mask));
  const [x, y, ended] = split(masked(targets, mask), 3) as [Float, Float, Float];
  // The density of x times that of y given x: u and (v - rho u) / sqrt(1 - rho^2) are independent. With rho = tanh r,
  // 1 / sqrt(1 - rho^2) is cosh r. Nothing cancels where rho comes near 1, as it does in eq. 25.
  const u = standardized(x, means[0], logDeviations[0]);
  const v = standardized(y, means[1], logDeviations[1]);
  const logCosh = sub(add(correlation, softplus(mul(correlation, -2))), Math.LN2);
  const vGivenU = mul(sub(v, mul(tanh(correlation), u)), exp(logCosh));
  const logDensity = add(logNormal(u, logDeviations[0]), add(logNormal(vGivenU, logDeviations[1]), logCosh));
  const ofOffset = logSumExp(add(logWeights, logDensity));
  const isEnd = reshape(ended, end.shape);
  const ofPen = neg(add(mul(isEnd, softplus(neg(end))), mul(oneMinus(isEnd), softplus(end))));
  return meanCost(neg(add(ofOffset, ofPen)), mask);
}

/** (x - mean) / deviation */
function standardized(x: Float, mean: Float, logDeviation: Float): Float {
  return mul(sub(x, mean), exp(neg(logDeviation)));
}

/** Logarithm of the density of a normal variable at a standardized value. */
function logNormal(standardized: Float, logDeviation: Float): Float {
  return sub(mul(square(standardized), -0.5), add(logDeviation, Math.log(2 * Math.PI) / 2));
}

function parts(what: string, output: Float, count: number): Float[] {
  const width = output.shape[output.shape.length - 1];
  if (typeof width === "number" && width > 0 && width % count === 0) return split(output, count);
  throw new UserError(
    `${what}: the output is ${formatShape(output.shape)}; expected ${count} numbers for each Gaussian along the last axis`,
  );
}

function checkTargets(loss: string, output: Float, targets: Float, expected: Shape): void {
  if (output.shape.length > 0 && sameShape(targets.shape, expected)) return;
  throw new UserError(
    `${loss}: the output is ${formatShape(output.shape)} and targets are ${formatShape(targets.shape)}; expected targets ${formatShape(expected)}`,
  );
}

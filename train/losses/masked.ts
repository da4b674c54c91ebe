/**
 * @file Masks of losses, and the mean over the positions that count.
 *
 * A mask is applied to the inputs, not only to the costs: with a NaN in the padding, a masked cost of 0 would still have the
 * derivative 0 · NaN.
 */
import { formatShape, type Shape, sameShape } from "../../compiler/graph/dim.ts";
import { UserError } from "../../compiler/graph/errors.ts";
import { mean } from "../../compiler/ops/composed.ts";
import { div, less } from "../../compiler/ops/elementwise.ts";
import { where } from "../../compiler/ops/logic.ts";
import { sum } from "../../compiler/ops/views.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { maskedMean, whereTrue } from "../layers/lengths.ts";

type Float = Tensor<"f32">;
type Mask = Tensor<"bool"> | undefined;

/** Options of every loss. */
export interface LossOptions {
  /**
   * True where a position counts; its axes are the first axes of the predictions, such as [T, B]. Elsewhere even a NaN does
   * not count, and the gradient is exactly 0. If no position counts, the loss is 0.
   */
  readonly mask?: Tensor<"bool"> | undefined;
}

export const ofLoss = { mask: "tensor" } as const;

/** Throws if the axes of a mask are not the first ones of `shape`. */
export function checkMask(loss: string, mask: Mask, shape: Shape): void {
  if (mask === undefined || sameShape(mask.shape, shape.slice(0, mask.shape.length))) return;
  throw new UserError(
    `${loss}: the mask is ${formatShape(mask.shape)}; expected the first axes of ${formatShape(shape)}`,
  );
}

/** x where the mask is true, 0 elsewhere. */
export function masked(x: Float, mask: Mask): Float {
  return mask === undefined ? x : whereTrue(mask, x);
}

/** The mean over all elements at positions that count. */
export function meanCost(costs: Float, mask: Mask): Float {
  return mask === undefined ? mean(costs) : maskedMean(costs, mask);
}

/** The sum of weighted costs over the sum of their weights; 0 if all weights are 0. */
export function sumOverWeights(costs: Float, weights: Float): Float {
  const total = sum(weights);
  return where(less(0, total), div(sum(costs), total), 0);
}

/**
 * @file Factors of the chain rule. If a cotangent is exactly 0, such as that of a branch that `where` did not take, it
 * stops there, even if the derivative is infinite or NaN (the square root's at 0, the logarithm's below 0): a `where`
 * selects 0 instead, since 0 · infinity is NaN.
 */
import { mul, not } from "../ops/elementwise.ts";
import { equal, finite, or, where } from "../ops/logic.ts";
import type { Tensor } from "../trace/tensor.ts";
import { mayBeInfinite } from "./known.ts";

type Float = Tensor<"f32">;

/** Reverse mode: a cotangent times a partial derivative; 0 where the cotangent is 0, whatever the partial is. */
export function timesPartial(ct: Float, partial: Float): Float {
  return mul(ct, unlessStopped(partial, ct));
}

/**
 * Forward mode: a tangent times a partial derivative; 0 where either is 0. A cotangent of 0 in reverse mode corresponds
 * to a partial of 0 here, which an infinite tangent can reach.
 */
export function tangentTimes(tangent: Float, partial: Float): Float {
  return mul(unlessStopped(tangent, partial), unlessStopped(partial, tangent));
}

/**
 * x, or 0 where x is not finite and the other factor is 0. It selects the factor, not the product, so that the
 * derivative of the product is still x where a cotangent happens to be 0.
 */
function unlessStopped(x: Float, factor: Float): Float {
  return mayBeInfinite(x) ? where(or(finite(x), not(equal(factor, 0))), x, 0) : x;
}

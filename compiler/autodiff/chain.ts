/**
 * @file A factor of the chain rule. Where a cotangent is exactly 0, such as that of a branch which `where` did not take,
 * nothing goes on, though the derivative there may be infinite or NaN (the square root's at 0, the logarithm's below): it
 * is selected, not multiplied, since 0 · infinity is NaN.
 */
import { mul, not } from "../ops/elementwise.ts";
import { equal, finite, or, where } from "../ops/logic.ts";
import type { Tensor } from "../trace/tensor.ts";
import { mayBeInfinite } from "./known.ts";

type Float = Tensor<"f32">;

/** Going back: a cotangent times a partial derivative, 0 where the cotangent is, whatever the partial is. */
export function timesPartial(ct: Float, partial: Float): Float {
  return mul(ct, unlessStopped(partial, ct));
}

/**
 * Going forward: a tangent times a partial derivative, 0 where either is. What goes back as a cotangent of 0 is a partial
 * of 0 here, behind an infinite tangent.
 */
export function tangentTimes(tangent: Float, partial: Float): Float {
  return mul(unlessStopped(tangent, partial), unlessStopped(partial, tangent));
}

/**
 * x, and 0 where x is not finite and what it is multiplied by is 0. A factor of its own and not a choice of the product:
 * so the derivative of the product at a cotangent that happens to be 0 is still x.
 */
function unlessStopped(x: Float, factor: Float): Float {
  return mayBeInfinite(x) ? where(or(finite(x), not(equal(factor, 0))), x, 0) : x;
}

/**
 * @file Elementwise functions composed of primitives, with the formulas and defaults of PyTorch and JAX. None needs to
 * be a primitive: compositions lose almost no precision, and elementwise ops are fused into one kernel anyway.
 */
import { faultOf } from "../trace/fault.ts";
import type { Tensor, TensorLike } from "../trace/tensor.ts";
import { elu, lessEqual } from "./composed.ts";
import { abs, add, div, floor, less, mul, type NumberType, neg, sub } from "./elementwise.ts";
import { stopGradient, where } from "./logic.ts";
import { sigmoid, softplus, sqrt, tanh } from "./transcendental.ts";

type Float = Tensor<"f32">;

/** 1 for x > 0, -1 for x < 0, and x itself if it is 0, -0 or NaN. The derivative is 0 everywhere, at 0 too. */
export function sign<D extends "f32" | "i32" = "f32">(x: Tensor<D>): Tensor<D> {
  return where(less(0, x), 1, where(less(x, 0), -1, stopGradient(x)));
}

/** The smallest integer that is not below x; its derivative is 0. */
export function ceil(x: Float): Float {
  return neg(floor(neg(x)));
}

/**
 * Limits x to the range from `min` to `max`: numbers, or tensors that broadcast. If the bounds cross, the result is
 * `max`. `-Infinity` and `Infinity` leave a side open. At a bound the derivative in x is 1; beyond it, it is 0 and that
 * of the bound is 1. NaN stays NaN.
 *
 * @throws UserError if both are numbers and `min` is above `max`.
 */
export function clip<D extends NumberType>(x: Tensor<D>, min: TensorLike<D>, max: TensorLike<D>): Tensor<D> {
  if (typeof min === "number" && typeof max === "number" && !(min <= max))
    throw faultOf("clip", `min is ${min} and max is ${max}; min must not be above max`);
  const above = min === Number.NEGATIVE_INFINITY ? x : where<D>(less(x, min as Tensor<D>), min, x);
  return max === Number.POSITIVE_INFINITY ? above : where<D>(less(max, above), max, above);
}

/** 1 / sqrt(x): infinite at 0, NaN for x < 0. */
export function rsqrt(x: Float): Float {
  return div(1, sqrt(x));
}

/** 1 / x. */
export function reciprocal(x: Float): Float {
  return div(1, x);
}

/**
 * x · sigmoid(x), also called swish: Elfwing et al. 2018, arXiv:1702.03118, eq. 10. NaN at -∞, as in PyTorch and JAX.
 */
export function silu(x: Float): Float {
  return mul(x, sigmoid(x));
}

/** x · tanh(softplus(x)): Misra 2020, arXiv:1908.08681, section 2. NaN at -∞. */
export function mish(x: Float): Float {
  return mul(x, tanh(softplus(x)));
}

/** x for x > 0, `slope` · x elsewhere; the derivative at 0 is `slope`: Maas et al. 2013. */
export function leakyRelu(x: Float, slope = 0.01): Float {
  return where(lessEqual(x, 0), mul(x, slope), x);
}

/**
 * `elu` with the factors that preserve mean 0 and variance 1 from layer to layer: Klambauer et al. 2017,
 * arXiv:1706.02515, eq. 2.
 */
export function selu(x: Float): Float {
  return mul(elu(x, 1.6732632423543772), 1.0507009873554805);
}

/** x / (1 + |x|), which is ±1 at ±∞: Glorot & Bengio 2010, section 2.3. */
export function softsign(x: Float): Float {
  const magnitude = abs(x);
  const inverse = div(1, add(1, magnitude));
  // For |x| > 1 it is computed as 1 - 1 / (1 + |x|): the derivative of the product would cancel there.
  const far = where(less(x, 0), sub(inverse, 1), sub(1, inverse));
  return where(less(1, magnitude), far, mul(x, inverse));
}

/**
 * x / 6 + 1/2, limited to 0 to 1, as in PyTorch and JAX: Howard et al. 2019, arXiv:1905.02244. The slope is 1/6 from -3
 * to 3.
 */
export function hardSigmoid(x: Float): Float {
  return clip(add(div(x, 6), 0.5), 0, 1);
}

/** Limits x to the range from `min` to `max`, by default -1 to 1. */
export function hardTanh(x: Float, min = -1, max = 1): Float {
  return clip(x, min, max);
}

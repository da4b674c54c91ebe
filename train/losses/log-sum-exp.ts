/** @file Stable log-sum-exp: adds probabilities that are stored as logarithms. */
import { reduceMax } from "../../compiler/ops/contractions.ts";
import { add, max, sub } from "../../compiler/ops/elementwise.ts";
import { stopGradient } from "../../compiler/ops/logic.ts";
import { exp, log } from "../../compiler/ops/transcendental.ts";
import { reshape, sum } from "../../compiler/ops/views.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";

type Float = Tensor<"f32">;

/** log(sum of e^x) along the last axis, which is removed. The shift by the maximum cancels, so it needs no gradient. */
export function logSumExp(x: Float): Float {
  const largest = stopGradient(reduceMax(x, -1, { keepAxes: true }));
  return add(log(sum(exp(sub(x, largest)), -1)), reshape(largest, x.shape.slice(0, -1)));
}

/** log(e^a + e^b + e^c), elementwise. */
export function logAddExp3(a: Float, b: Float, c: Float): Float {
  const largest = stopGradient(max(max(a, b), c));
  const power = (x: Float) => exp(sub(x, largest));
  return add(log(add(add(power(a), power(b)), power(c))), largest);
}

/**
 * @file Clipping of gradients: by global norm, which keeps the direction (Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063,
 * algorithm 1), and by element (Mikolov 2012, "Statistical language models based on neural networks", 3.2.2).
 */
import { square } from "../../compiler/ops/composed.ts";
import { add, div, max, min, mul } from "../../compiler/ops/elementwise.ts";
import { sqrt } from "../../compiler/ops/transcendental.ts";
import { sum } from "../../compiler/ops/views.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";

type Float = Tensor<"f32">;

/** The Euclidean norm of all elements of all gradients together. */
export function globalNorm(gradients: Float | readonly Float[]): Float {
  const list: readonly Float[] = Array.isArray(gradients) ? gradients : [gradients as Float];
  return sqrt(list.map((gradient) => sum(square(gradient))).reduce((total, part) => add(total, part)));
}

/** The gradient, scaled down to norm `limit` if its `norm` is above it, otherwise unchanged. */
export function clipByGlobalNorm(gradient: Float, norm: Float, limit: number): Float {
  // limit / max(norm, limit) is exactly 1 below the limit and never divides by zero.
  return mul(gradient, div(limit, max(norm, limit)));
}

/** The gradient with each element clamped to [-limit, limit]. */
export function clipByValue(gradient: Float, limit: number): Float {
  return max(min(gradient, limit), -limit);
}

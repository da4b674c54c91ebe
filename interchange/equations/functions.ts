/** @file The functions of .cell files. */

import { hardSigmoid, silu, softsign } from "../../compiler/ops/activations.ts";
import { elu, gelu, relu, softmax } from "../../compiler/ops/composed.ts";
import { abs, max, min } from "../../compiler/ops/elementwise.ts";
import { cos, erf, exp, log, sigmoid, sin, softplus, sqrt, tanh } from "../../compiler/ops/transcendental.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";

type Float = Tensor<"f32">;

/** A function of one tensor, or of two values of which at most one is a number. */
export type FunctionEntry =
  | { readonly operands: 1; readonly apply: (x: Float) => Float; readonly ofNumber?: (x: number) => number }
  | { readonly operands: 2; readonly apply: (a: Float | number, b: Float | number) => Float };

const one = (apply: (x: Float) => Float, ofNumber?: (x: number) => number): FunctionEntry => ({
  operands: 1,
  apply,
  ...(ofNumber && { ofNumber }),
});
const two = (f: (a: Float, b: Float | number) => Float): FunctionEntry => ({
  operands: 2,
  apply: (a, b) => (typeof a === "number" ? f(b as Float, a) : f(a, b)),
});

/** By their names; σ is the sigmoid. */
export const functions: Readonly<Record<string, FunctionEntry>> = {
  sigmoid: one(sigmoid),
  sigma: one(sigmoid),
  tanh: one(tanh, Math.tanh),
  relu: one((x) => relu(x)),
  softplus: one(softplus),
  silu: one((x) => silu(x)),
  gelu: one((x) => gelu(x)),
  elu: one((x) => elu(x)),
  softsign: one((x) => softsign(x)),
  hardsigmoid: one((x) => hardSigmoid(x)),
  softmax: one((x) => softmax(x)),
  exp: one(exp, Math.exp),
  log: one(log, Math.log),
  ln: one(log, Math.log),
  sqrt: one(sqrt, Math.sqrt),
  sin: one(sin, Math.sin),
  cos: one(cos, Math.cos),
  erf: one(erf),
  abs: one(abs, Math.abs),
  max: two((a, b) => max(a, b)),
  min: two((a, b) => min(a, b)),
};

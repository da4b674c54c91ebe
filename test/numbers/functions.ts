/** @file The functions whose error is measured in units of the last place, each beside what it is in float64. */
import { erfOf } from "../../compiler/ops/error-function.ts";
import {
  cos,
  div,
  elu,
  erf,
  exp,
  expm1,
  gelu,
  log,
  log1p,
  logSigmoid,
  pow,
  sigmoid,
  sin,
  softplus,
  sqrt,
  type Tensor,
  tanh,
} from "../../index.ts";

type Float = Tensor<"f32">;

export interface Measured {
  readonly f: (x: Float, y: Float) => Float;
  /** The same in float64. Where it is composed, the form is one that loses no digits. */
  readonly exact: (x: number, y: number) => number;
  /** Below this a result of 0 is right, since a part of it may be subnormal; 2^-126 by default. */
  readonly zeroBelow?: number;
}

const sigmoidOf = (x: number) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));

const powOf = (x: number, y: number) =>
  x === 1 || (x === -1 && Math.abs(y) === Number.POSITIVE_INFINITY) ? 1 : x ** y;

export const measuredFunctions: Readonly<Record<string, Measured>> = {
  exp: { f: exp, exact: Math.exp },
  log: { f: log, exact: Math.log },
  expm1: { f: expm1, exact: Math.expm1 },
  log1p: { f: log1p, exact: Math.log1p },
  sqrt: { f: sqrt, exact: Math.sqrt },
  sin: { f: sin, exact: Math.sin },
  cos: { f: cos, exact: Math.cos },
  tanh: { f: tanh, exact: Math.tanh },
  sigmoid: { f: sigmoid, exact: sigmoidOf },
  softplus: { f: softplus, exact: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))) },
  erf: { f: erf, exact: erfOf },
  div: { f: div, exact: (x, y) => x / y },
  pow: { f: (x, y) => pow(x, y), exact: powOf },
  elu: { f: (x) => elu(x), exact: (x) => (x > 0 ? x : Math.expm1(x)) },
  gelu: {
    f: gelu,
    exact: (x) => x * sigmoidOf(2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)),
    // The sigmoid is the smaller factor by up to 11.
    zeroBelow: 11 * 2 ** -126,
  },
  logSigmoid: { f: logSigmoid, exact: (x) => Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x))) },
};

/**
 * @file Elementwise functions beyond arithmetic: value, kernel expression and derivative of each on one screen. The
 * root entry exports all of this file; the `PURE` marks let bundlers drop what is not used.
 */
import { erf as errorFunction } from "../kernel/math/erf.ts";
import * as exponential from "../kernel/math/exponential.ts";
import { pow as powerOf } from "../kernel/math/power.ts";
import * as trigonometric from "../kernel/math/trigonometric.ts";
import { Tensor } from "../trace/tensor.ts";
import { add, type Binary, binary, div, float, less, mul, neg, not, sub, type Unary, unary } from "./elementwise.ts";
import { withEntry } from "./entry.ts";
import { erfOf } from "./error-function.ts";
import { and, equal, where } from "./logic.ts";

/** e^x. */
export const exp: Unary<"exp"> = /* @__PURE__ */ unary(
  "exp",
  {},
  {
    dtypes: float,
    cheap: false,
    scalar: ([x = 0]) => Math.exp(x),
    kernel: (e, [x]) => e.call(exponential.exp, [x]),
    partials: ({ out }) => [out],
  },
);

/** e^x - 1, precise near 0, where `sub(exp(x), 1)` loses all its digits. */
export const expm1: Unary<"expm1"> = /* @__PURE__ */ unary(
  "expm1",
  {},
  {
    dtypes: float,
    cheap: false,
    scalar: ([x = 0]) => Math.expm1(x),
    kernel: (e, [x]) => e.call(exponential.expm1, [x]),
    // Not the result + 1, which loses its digits far below 0.
    partials: ({ operands: [x] }) => [exp(x)],
  },
);

/** Natural logarithm; NaN for x < 0. */
export const log: Unary<"log"> = /* @__PURE__ */ unary(
  "log",
  {},
  {
    dtypes: float,
    cheap: false,
    scalar: ([x = 0]) => Math.log(x),
    kernel: (e, [x]) => e.call(exponential.log, [x]),
    partials: ({ operands: [x] }) => [div(1, x)],
  },
);

/** log(1 + x), precise near 0, where `log(add(x, 1))` loses all its digits. */
export const log1p: Unary<"log1p"> = /* @__PURE__ */ unary(
  "log1p",
  {},
  {
    dtypes: float,
    cheap: false,
    scalar: ([x = 0]) => Math.log1p(x),
    kernel: (e, [x]) => e.call(exponential.log1p, [x]),
    partials: ({ operands: [x] }) => [div(1, add(x, 1))],
  },
);

/** Square root; NaN for x < 0. */
export const sqrt: Unary<"sqrt"> = /* @__PURE__ */ unary(
  "sqrt",
  {},
  {
    dtypes: float,
    cheap: false,
    scalar: ([x = 0]) => Math.sqrt(x),
    kernel: (e, [x]) => e.sqrt(x),
    partials: ({ out }) => [div(0.5, out)],
  },
);

/** Sine of x in radians, accurate to the last digits of f32 for every x, however large; NaN for ±∞. */
export const sin: Unary<"sin"> = /* @__PURE__ */ unary(
  "sin",
  {},
  {
    dtypes: float,
    cheap: false,
    scalar: ([x = 0]) => Math.sin(x),
    kernel: (e, [x]) => e.call(trigonometric.sin, [x]),
    partials: ({ operands: [x] }) => [cos(x)],
  },
);

/** Cosine of x in radians; as accurate as `sin`. */
export const cos: Unary<"cos"> = /* @__PURE__ */ unary(
  "cos",
  {},
  {
    dtypes: float,
    cheap: false,
    scalar: ([x = 0]) => Math.cos(x),
    kernel: (e, [x]) => e.call(trigonometric.cos, [x]),
    partials: ({ operands: [x] }) => [neg(sin(x))],
  },
);

/** Hyperbolic tangent, without overflow. */
export const tanh: Unary<"tanh"> = /* @__PURE__ */ unary(
  "tanh",
  {},
  {
    dtypes: float,
    cheap: false,
    scalar: ([x = 0]) => Math.tanh(x),
    kernel: (e, [x]) => e.call(exponential.tanh, [x]),
    // Not 1 - out²: where the result is near ±1, the product loses the digits of the difference from 1.
    partials: ({ out }) => [mul(sub(1, out), add(1, out))],
  },
);

/** 1 / (1 + e^-x). */
export const sigmoid: Unary<"sigmoid"> = /* @__PURE__ */ unary(
  "sigmoid",
  {},
  {
    dtypes: float,
    cheap: false,
    scalar: ([x = 0]) => 1 / (1 + Math.exp(-x)),
    kernel: (e, [x]) => e.call(exponential.sigmoid, [x]),
    partials: ({ out }) => [mul(out, sub(1, out))],
  },
);

/** log(1 + e^x), without overflow. */
export const softplus: Unary<"softplus"> = /* @__PURE__ */ unary(
  "softplus",
  {},
  {
    dtypes: float,
    cheap: false,
    scalar: ([x = 0]) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
    kernel: (e, [x]) => e.call(exponential.softplus, [x]),
    partials: ({ operands: [x] }) => [sigmoid(x)],
  },
);

/** The error function: 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x. */
export const erf: Unary<"erf"> = /* @__PURE__ */ unary(
  "erf",
  {},
  {
    dtypes: float,
    cheap: false,
    scalar: ([x = 0]) => erfOf(x),
    kernel: (e, [x]) => e.call(errorFunction, [x]),
    partials: ({ operands: [x] }) => [mul(exp(neg(mul(x, x))), 2 / Math.sqrt(Math.PI))],
  },
);

/** The nearest integer, the even one of two equally near; its derivative is 0. */
export const round: Unary<"round"> = /* @__PURE__ */ unary(
  "round",
  {},
  {
    dtypes: float,
    // Math.round rounds halves up.
    scalar: ([x = 0]) => (Math.round(x) - x === 0.5 ? 2 * Math.round(x / 2) : Math.round(x)),
    kernel: (e, [x]) => e.round(x),
  },
);

/** In JavaScript 1^NaN, 1^±∞ and (-1)^±∞ are NaN; in C they are 1. */
function powOf(a: number, b: number): number {
  return a === 1 || (a === -1 && Math.abs(b) === Number.POSITIVE_INFINITY) ? 1 : a ** b;
}

const power: Binary<"pow", "f32"> = /* @__PURE__ */ binary(
  "pow",
  {},
  {
    dtypes: float,
    cheap: false,
    scalar: ([a = 0, b = 0]) => powOf(a, b),
    kernel: (e, [a, b]) => e.call(powerOf, [a, b]),
    partials: ({ operands: [a, b], out }) => [
      // At 0^0 it would be 0 times an infinite power.
      where(and(equal(a, 0), equal(b, 0)), 0, mul(b, pow(a, sub(b, 1)))),
      // At 0 it would be 0 times an infinite logarithm.
      mul(out, log(where(and(equal(a, 0), not(less(b, 0))), 1, a))),
    ],
  },
);

/**
 * x to the power of y, element by element; shapes broadcast. As in C and PyTorch: x^0 and 1^y are 1, even for NaN; for
 * x < 0 the power is NaN unless y is an integer, and negative for odd y; 0 to a negative power is infinite. The
 * derivative in x is y x^(y-1), which at x = 0 is 0 for y = 0 and y > 1. The derivative in y is x^y log x: 0 if x is 0
 * and y is not negative, NaN if x is negative. If y is the number 1, 2, 3 or -1, products or a quotient are used, which
 * are faster and have their own derivatives.
 */
export const pow: Binary<"pow", "f32"> = /* @__PURE__ */ withSimplePowers();

function withSimplePowers(): Binary<"pow", "f32"> {
  return withEntry(<X extends "f32">(x: Tensor<X> | number, y: Tensor<X> | number): Tensor<X> => {
    if (!(x instanceof Tensor)) return power(x, y);
    if (y === 1) return x;
    if (y === 2) return mul(x, x);
    if (y === 3) return mul(mul(x, x), x);
    return y === -1 ? div(1, x) : power(x, y);
  }, power.entry);
}

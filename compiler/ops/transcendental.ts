/** @file Elementwise functions beyond arithmetic: value, WGSL and derivative of each on one screen. */
import { div, float, mul, neg, sub, type Unary, unary } from "./elementwise.ts";

/** e to the power of x. */
export const exp: Unary<"exp"> = unary(
  "exp",
  {},
  {
    dtypes: float,
    cheap: false,
    scalar: ([x = 0]) => Math.exp(x),
    wgsl: ([x]) => `cg_exp(${x})`,
    partials: ({ out }) => [out],
  },
);

/** Natural logarithm. */
export const log: Unary<"log"> = unary(
  "log",
  {},
  {
    dtypes: float,
    cheap: false,
    scalar: ([x = 0]) => Math.log(x),
    wgsl: ([x]) => `cg_log(${x})`,
    partials: ({ operands: [x] }) => [div(1, x)],
  },
);

/** Square root. */
export const sqrt: Unary<"sqrt"> = unary(
  "sqrt",
  {},
  {
    dtypes: float,
    cheap: false,
    scalar: ([x = 0]) => Math.sqrt(x),
    wgsl: ([x]) => `sqrt(${x})`,
    partials: ({ out }) => [div(0.5, out)],
  },
);

/** Sine of x in radians; exact to f32 for large x too, whatever the driver does. */
export const sin: Unary<"sin"> = unary(
  "sin",
  {},
  {
    dtypes: float,
    cheap: false,
    scalar: ([x = 0]) => Math.sin(x),
    wgsl: ([x]) => `cg_sin(${x})`,
    partials: ({ operands: [x] }) => [cos(x)],
  },
);

/** Cosine of x in radians; as exact as `sin`. */
export const cos: Unary<"cos"> = unary(
  "cos",
  {},
  {
    dtypes: float,
    cheap: false,
    scalar: ([x = 0]) => Math.cos(x),
    wgsl: ([x]) => `cg_cos(${x})`,
    partials: ({ operands: [x] }) => [neg(sin(x))],
  },
);

/** Hyperbolic tangent; does not overflow. */
export const tanh: Unary<"tanh"> = unary(
  "tanh",
  {},
  {
    dtypes: float,
    cheap: false,
    scalar: ([x = 0]) => Math.tanh(x),
    wgsl: ([x]) => `cg_tanh(${x})`,
    partials: ({ out }) => [sub(1, mul(out, out))],
  },
);

/** 1 / (1 + e^-x). */
export const sigmoid: Unary<"sigmoid"> = unary(
  "sigmoid",
  {},
  {
    dtypes: float,
    cheap: false,
    scalar: ([x = 0]) => 1 / (1 + Math.exp(-x)),
    wgsl: ([x]) => `cg_sigmoid(${x})`,
    partials: ({ out }) => [mul(out, sub(1, out))],
  },
);

/** log(1 + e^x), without overflow. */
export const softplus: Unary<"softplus"> = unary(
  "softplus",
  {},
  {
    dtypes: float,
    cheap: false,
    scalar: ([x = 0]) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
    wgsl: ([x]) => `cg_softplus(${x})`,
    partials: ({ operands: [x] }) => [sigmoid(x)],
  },
);

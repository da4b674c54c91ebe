/** @file Functions composed of primitives: they need no rules, since their parts have rules. */
import { type Dim, formatShape, mulDims, sizeOf } from "../graph/dim.ts";
import { at } from "../graph/errors.ts";
import type { DType } from "../graph/graph.ts";
import { faultOf } from "../trace/fault.ts";
import type { Tensor } from "../trace/tensor.ts";
import { reduceMax } from "./contractions.ts";
import { add, cast, div, less, mul, neg, not, type OfTwo, sub } from "./elementwise.ts";
import { equal, or, stopGradient, where } from "./logic.ts";
import { concat, pad, slice } from "./pieces.ts";
import { dimSize, iota } from "./sources.ts";
import { exp, expm1, log, sigmoid, softplus, sqrt } from "./transcendental.ts";
import { axisOf, broadcast, type ReductionOptions, reductionAxes, reshape, sum } from "./views.ts";

type Float = Tensor<"f32">;
type NumberType = "f32" | "i32" | "u32";

/** 1 - x. */
export function oneMinus(x: Float): Float {
  return sub(1, x);
}

/** x² */
export function square(x: Float): Float {
  return mul(x, x);
}

/** max(x, 0), with derivative 0 at 0; NaN stays NaN. */
export function relu(x: Float): Float {
  return where(lessEqual(x, 0), 0, x);
}

/** x for x >= 0, alpha (e^x - 1) below 0: Clevert et al. 2016, arXiv:1511.07289, eq. 15. The derivative at 0 is 1. */
export function elu(x: Float, alpha = 1): Float {
  const below = less(x, 0);
  // expm1 sees no positive x, so the branch not taken cannot overflow into the gradient.
  return where(below, mul(expm1(where(below, x, 0)), alpha), x);
}

/** The tanh form of the Gaussian error linear unit: Hendrycks & Gimpel 2016, arXiv:1606.08415, section 2. */
export function gelu(x: Float): Float {
  // (1 + tanh u) / 2 is the sigmoid of 2u, which stays precise where tanh is close to -1.
  const twice = mul(add(x, mul(mul(square(x), x), 0.044715)), 2 * Math.sqrt(2 / Math.PI));
  return mul(x, sigmoid(twice));
}

/** log(1 / (1 + e^-x)), finite even where the sigmoid rounds to 0. */
export function logSigmoid(x: Float): Float {
  return neg(softplus(neg(x)));
}

type Numbers = Tensor<NumberType> | number;

/** a > b, element by element; shapes broadcast. False if either is NaN. */
export const greater: OfTwo<NumberType, "bool"> = (a: Numbers, b: Numbers) => less(b, a);

/** a <= b; false if either is NaN. */
export const lessEqual: OfTwo<NumberType, "bool"> = (a: Numbers, b: Numbers) => or(less(a, b), equal(a, b));

/** a >= b; false if either is NaN. */
export const greaterEqual: OfTwo<NumberType, "bool"> = (a: Numbers, b: Numbers) => lessEqual(b, a);

/** a != b; true if either is NaN. */
export const notEqual: OfTwo<DType, "bool"> = (a: Tensor | number, b: Tensor | number) => not(equal(a, b));

/** Mean over `axes` (all by default). For symbolic axes the count is a value computed at run time. */
export function mean(x: Float, axes?: number | readonly number[], options?: ReductionOptions): Float {
  const count = reductionAxes("mean", x, axes, options)
    .map((axis) => at(x.shape, axis))
    .reduce<Dim>(mulDims, 1);
  return div(sum(x, axes, options), dimSize(count));
}

/** e^x / sum of e^x along `axis`, shifted by the maximum so that it cannot overflow. */
export function softmax(x: Float, axis = -1): Float {
  const powers = exp(shifted(x, axis));
  return div(powers, sum(powers, axis, { keepAxes: true }));
}

/** log(softmax(x)) along `axis`, computed without the quotient. */
export function logSoftmax(x: Float, axis = -1): Float {
  const centered = shifted(x, axis);
  return sub(centered, log(sum(exp(centered), axis, { keepAxes: true })));
}

/** x minus its maximum. The shift cancels in the quotient, so no gradient needs to flow through the maximum. */
function shifted(x: Float, axis: number): Float {
  return sub(x, stopGradient(reduceMax(x, axis, { keepAxes: true })));
}

/**
 * x shifted and scaled to mean 0 and variance 1 along `axis`: Ba et al. 2016, arXiv:1607.06450, eq. 4. `epsilon` is
 * added to the variance, so that equal numbers give zeros.
 */
export function standardize(x: Float, axis = -1, epsilon = 1e-5): Float {
  const centered = sub(x, mean(x, axis, { keepAxes: true }));
  const variance = mean(square(centered), axis, { keepAxes: true });
  return div(centered, sqrt(add(variance, epsilon)));
}

/** 1 where the position along the new last axis equals the index, 0 elsewhere: shape [...indices, depth]. */
export function oneHot(indices: Tensor<"i32"> | Tensor<"u32">, depth: number): Float {
  const shape = [...indices.shape, depth];
  const wide = broadcast(reshape(cast(indices, "i32"), [...indices.shape, 1]), shape);
  return cast(equal(wide, iota(shape, shape.length - 1)), "f32");
}

/** Splits `x` along `axis` into pieces of the given sizes, or into a number of equal pieces. */
export function split<D extends DType>(x: Tensor<D>, pieces: number | readonly number[], axis = -1): Tensor<D>[] {
  const position = axisOf("split", axis, x.shape.length);
  const total = x.shape[position];
  if (typeof total !== "number") throw faultOf("split", `axis ${axis} of ${formatShape(x.shape)} has no known size`);
  const isCount = (size: number) => Number.isInteger(size) && size >= 0;
  const equal = typeof pieces === "number" && isCount(pieces) ? new Array<number>(pieces).fill(total / pieces) : [];
  const sizes = typeof pieces === "number" ? equal : pieces;
  if (!sizes.every(isCount) || sizes.reduce((a, b) => a + b, 0) !== total) {
    const wanted = typeof pieces === "number" ? `${pieces} equal pieces` : `[${pieces.join(", ")}]`;
    throw faultOf("split", `an axis of ${total} does not divide into ${wanted}`);
  }
  let start = 0;
  return sizes.map((size) => {
    start += size;
    return slice(x, position, start - size, size);
  });
}

/** Joins tensors of equal shape along a new axis. */
export function stack<D extends DType>(xs: readonly Tensor<D>[], axis = 0): Tensor<D> {
  const [first] = xs;
  if (first === undefined) throw faultOf("stack", "expected at least one tensor, got none");
  const position = axisOf("stack", axis, first.shape.length + 1);
  return concat(
    xs.map((x) => reshape(x, [...x.shape.slice(0, position), 1, ...x.shape.slice(position)])),
    position,
  );
}

/** Element `index` along `axis`, without that axis; a negative index counts from the end. */
export function pick<D extends DType>(x: Tensor<D>, index: number, axis = 0): Tensor<D> {
  const position = axisOf("pick", axis, x.shape.length);
  return reshape(
    slice(x, position, index, 1),
    x.shape.filter((_, i) => i !== position),
  );
}

/**
 * Joins each position with its neighbours: [..., positions, channels] becomes [..., positions, width * channels], the
 * channels of `width` adjacent positions centred on this one (for an even width, the left of the two middle positions),
 * with zeros beyond the ends. So a 1-D convolution is `dense("conv", windows(x, 3), channels)`. It reads the padding of
 * padded sequences too: set that to 0 first, with `where(mask, x, 0)`.
 */
export function windows(x: Float, width: number): Float {
  const [axis, before] = [x.shape.length - 2, Math.floor((width - 1) / 2)];
  const positions = x.shape[axis];
  if (typeof positions !== "number")
    throw faultOf("windows", `x is ${formatShape(x.shape)}; expected [..., positions, channels], positions a number`);
  if (!Number.isInteger(width) || width < 1)
    throw faultOf("windows", `width must be a whole number above 0, got ${width}`);
  const padded = width === 1 ? x : pad(x, axis, before, positions + width - 1);
  return concat(Array.from({ length: width }, (_, offset) => slice(padded, axis, offset, positions)));
}

/** Outer product for each leading index: [..., m] and [..., n] give [..., m, n]. */
export function outer(a: Float, b: Float): Float {
  return mul(reshape(a, [...a.shape, 1]), reshape(b, [...b.shape.slice(0, -1), 1, at(b.shape, b.shape.length - 1)]));
}

/** A uniform number in [0, 1) for every word of random bits, with 24 bits. */
export function uniformFromBits(bits: Tensor<"u32">): Float {
  return mul(cast(div(bits, 256), "f32"), 2 ** -24);
}

/** 0, 1, 2, … in row-major order over `shape`, as the index operand of `randomBits`. */
export function positions(shape: Float["shape"]): Tensor<"u32"> {
  return reshape(iota([sizeOf(shape)], 0, "u32"), shape);
}

/**
 * @file exp and log, and functions built on them. WGSL guarantees exp only to 3 + 2|x| units in the last place and log
 * near 1 to no digit at all, and WebAssembly has neither; so both are polynomials here, which every target evaluates
 * alike.
 *
 * Coefficients interpolate the functions named next to them at Chebyshev nodes, rounded to f32: their relative errors
 * are below 4e-9, a fifteenth of an f32's rounding. NaN stays NaN: exp and log detect it by its bits.
 */
import { type FunctionBuilder, kernelFunction } from "../function.ts";
import type { Expr, Variable } from "../ir.ts";
import { isNaN32 } from "./numbers.ts";
import { polynomial } from "./polynomial.ts";

/**
 * e^r - 1 with r = x - k ln 2, up to ln(2) / 2 in magnitude. ln 2 is split into two parts, the first with so few bits
 * that its product with k is exact: Cody & Waite 1980, chapter 6.
 */
export const expNear = kernelFunction("cg_exp_near", ["f32", "f32"], "f32", (f, x, k) => {
  const r = f.let("r", f.sub(f.sub(x, f.mul(k, f.f32(0.69311523))), f.mul(k, f.f32(0.000031946183))));
  const rest = polynomial(f, r, [0.5, 0.16666667, 0.041666463, 0.0083333105, 0.0013933674, 0.00019891017]);
  return f.add(r, f.mul(f.mul(r, r), rest));
});

/**
 * 2^k y, but infinity past the largest x. 2^k is applied as two factors, since it may overflow or underflow by itself.
 */
export const expEnd = kernelFunction("cg_exp_end", ["f32", "f32", "f32"], "f32", (f, x, y, k) => {
  const n = f.let("n", f.convert(k, "i32"));
  const half = f.shiftRight(n, f.u32(1));
  const power = (exponent: typeof half) =>
    f.bitcast(f.shiftLeft(f.convert(f.add(exponent, f.i32(127)), "u32"), f.u32(23)), "f32");
  const first = f.let("first", power(half));
  const second = f.let("second", power(f.sub(n, half)));
  const value = f.select(f.less(f.f32(88.72284), x), f.f32(Number.POSITIVE_INFINITY), f.mul(f.mul(y, first), second));
  return f.select(f.call(isNaN32, [x]), x, value);
});

export const exp = kernelFunction("cg_exp", ["f32"], "f32", (f, x) => {
  const a = f.let("a", f.min(f.max(x, f.f32(-104)), f.f32(89)));
  const k = f.let("k", f.round(f.mul(a, f.f32(Math.LOG2E))));
  return f.call(expEnd, [x, f.add(f.f32(1), f.call(expNear, [a, k])), k]);
});

/** 1.5 · 2^23: a number of magnitude below 2^22 that is added to it is rounded to an integer, which are its low bits. */
const roundingBits = 0x4b400000;

/** The nearest integer to x, |x| < 2^22, ties to even, as f32 and as i32. */
type Rounded = (f: FunctionBuilder, x: Expr) => { readonly k: Variable; readonly n: Expr };

const roundedByOp: Rounded = (f, x) => {
  const k = f.let("k", f.round(x));
  return { k, n: f.convert(k, "i32") };
};

/** Cheaper than the conversion of WebAssembly, which tests for numbers out of range. Lost where a compiler reassociates. */
const roundedBySum: Rounded = (f, x) => {
  const bits = f.bitcast(f.add(x, f.bitcast(f.u32(roundingBits), "f32")), "i32");
  const n = f.let("n", f.sub(bits, f.i32(roundingBits)));
  return { k: f.let("k", f.convert(n, "f32")), n };
};

const writeExpBelow = (rounded: Rounded) => (f: FunctionBuilder, x: Variable) => {
  const a = f.let("a", f.max(x, f.f32(-88)));
  const { k, n } = rounded(f, f.mul(a, f.f32(Math.LOG2E)));
  const power = f.shiftLeft(f.convert(f.add(n, f.i32(127)), "u32"), f.u32(23));
  return f.mul(f.add(f.f32(1), f.call(expNear, [a, k])), f.bitcast(power, "f32"));
};

/** exp for x up to 0, which is cheaper: 2^k is one factor, which is 0 if the result is subnormal. NaN is lost. */
export const expBelow = kernelFunction(
  "cg_exp_below",
  ["f32"],
  "f32",
  writeExpBelow(roundedByOp),
  writeExpBelow(roundedBySum),
);

/** 2^k (1 + t) - 1 is 2^k (t + (1 - 2^-k)): t itself where k is 0, so nothing cancels. Below -20 it is -1. */
export const expm1 = kernelFunction("cg_expm1", ["f32"], "f32", (f, x) => {
  const a = f.let("a", f.min(f.max(x, f.f32(-20)), f.f32(89)));
  const k = f.let("k", f.round(f.mul(a, f.f32(Math.LOG2E))));
  const power = f.shiftLeft(f.convert(f.max(f.sub(f.i32(127), f.convert(k, "i32")), f.i32(0)), "u32"), f.u32(23));
  const rest = f.let("rest", f.sub(f.f32(1), f.bitcast(power, "f32")));
  return f.call(expEnd, [x, f.add(f.call(expNear, [a, k]), rest), k]);
});

/**
 * k ln 2 + log(1 + y), with 1 + y from sqrt(1/2) to sqrt(2). With s = y / (2 + y), log(1 + y) is 2 atanh s = 2 s + s R,
 * and 2 s is y - h + s h for h = y^2 / 2: the quotient is small compared with y, so an inexact division costs no digit.
 */
const logNear = kernelFunction("cg_log_near", ["f32", "f32"], "f32", (f, y, k) => {
  const s = f.let("s", f.div(y, f.add(f.f32(2), y)));
  const z = f.let("z", f.mul(s, s));
  const rest = f.let("rest", f.mul(z, polynomial(f, z, [0.6666667, 0.40000123, 0.28550804, 0.23330964])));
  const h = f.let("h", f.mul(f.mul(f.f32(0.5), y), y));
  const small = f.add(f.mul(s, f.add(h, rest)), f.mul(k, f.f32(0.000031946183)));
  return f.sub(f.mul(k, f.f32(0.69311523)), f.sub(f.sub(h, small), y));
});

/** Takes exponent and fraction from the bits, so that a driver cannot flush a subnormal number to 0. */
export const log = kernelFunction("cg_log", ["f32"], "f32", (f, x) => {
  const bits = f.let("bits", f.bitcast(x, "u32"));
  const tiny = f.let("tiny", f.less(bits, f.u32(0x800000)));
  const scaled = f.let("scaled", f.select(tiny, f.bitcast(f.convert(bits, "f32"), "u32"), bits));
  const k = f.let("k", f.shiftRight(f.convert(f.sub(scaled, f.u32(0x3f3504f3)), "i32"), f.u32(23)));
  const fraction = f.bitcast(f.sub(scaled, f.shiftLeft(f.convert(k, "u32"), f.u32(23))), "f32");
  const exponent = f.convert(f.sub(k, f.select(tiny, f.i32(149), f.i32(0))), "f32");
  const y = f.let("y", f.call(logNear, [f.sub(fraction, f.f32(1)), exponent]));
  const zero = f.let("zero", f.equal(f.bitAnd(bits, f.u32(0x7fffffff)), f.u32(0)));
  const infinite = f.select(f.equal(bits, f.u32(0x7f800000)), bits, f.u32(0x7fc00000));
  const special = f.bitcast(f.select(zero, f.u32(0xff800000), infinite), "f32");
  return f.select(f.or(zero, f.lessEqual(f.u32(0x7f800000), bits)), special, y);
});

export const log1p = kernelFunction("cg_log1p", ["f32"], "f32", (f, x) => {
  const isNear = f.and(f.less(f.f32(-0.29), x), f.less(x, f.f32(0.41)));
  return f.select(isNear, f.call(logNear, [x, f.f32(0)]), f.call(log, [f.add(f.f32(1), x)]));
});

/**
 * tanh x = sign(x) (1 - q) / (1 + q) with q = exp(-2|x|), which is never above 1. Below 1/4 it is a polynomial in x^2
 * instead, since 1 - q loses digits there.
 */
export const tanh = kernelFunction("cg_tanh", ["f32"], "f32", (f, x) => {
  const a = f.let("a", f.abs(x));
  const q = f.let("q", f.call(expBelow, [f.mul(f.f32(-2), a)]));
  const far = f.let("far", f.div(f.sub(f.f32(1), q), f.add(f.f32(1), q)));
  const s = f.let("s", f.mul(a, a));
  const series = f.mul(s, polynomial(f, s, [-0.33333334, 0.13333282, -0.053926885, 0.020799048]));
  const near = f.let("near", f.add(a, f.mul(a, series)));
  const magnitude = f.let("magnitude", f.select(f.less(a, f.f32(0.25)), near, far));
  const signed = f.select(f.less(x, f.f32(0)), f.neg(magnitude), magnitude);
  return f.select(f.call(isNaN32, [x]), x, signed);
});

export const sigmoid = kernelFunction("cg_sigmoid", ["f32"], "f32", (f, x) => {
  const q = f.let("q", f.call(expBelow, [f.neg(f.abs(x))]));
  const top = f.select(f.lessEqual(f.f32(0), x), f.f32(1), q);
  return f.select(f.call(isNaN32, [x]), x, f.div(top, f.add(f.f32(1), q)));
});

/** max(x, 0) + log(1 + e^-|x|); the argument of the logarithm is at most 2. */
export const softplus = kernelFunction("cg_softplus", ["f32"], "f32", (f, x) => {
  const q = f.let("q", f.call(expBelow, [f.neg(f.abs(x))]));
  const isNear = f.let("isNear", f.less(q, f.f32(0.41)));
  const y = f.select(isNear, q, f.sub(f.mul(f.f32(0.5), q), f.f32(0.5)));
  const rest = f.let("rest", f.call(logNear, [y, f.select(isNear, f.f32(0), f.f32(1))]));
  return f.select(f.call(isNaN32, [x]), x, f.add(f.max(x, f.f32(0)), rest));
});

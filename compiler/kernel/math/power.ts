/**
 * @file pow, which WGSL defines by exp2 and log2: an error of the logarithm is multiplied by up to 128 in the exponent,
 * and negative bases have no power. Here log2 has 32 bits, as a sum of two f32 numbers. Factors are cut to 12 bits if
 * their product must be exact, so it is exact whether or not a driver fuses multiplications with additions. The
 * rounding error of a sum is not computed as (a + b) - a, which drivers simplify to b.
 */
import { type FunctionBuilder, kernelFunction } from "../function.ts";
import type { Expr } from "../ir.ts";
import { expEnd, expNear } from "./exponential.ts";
import { isNaN32 } from "./numbers.ts";
import { polynomial } from "./polynomial.ts";

/** The first 12 bits of a number; the remainder has 12 more. */
const cut = (f: FunctionBuilder, x: Expr) => f.bitcast(f.bitAnd(f.bitcast(x, "u32"), f.u32(0xfffff000)), "f32");

/**
 * 2^(y log2 a) for a above 0, with |y| up to 4e9: beyond that, the power of any a other than 1 is 0 or infinite.
 *
 * a is 2^k m with m from sqrt(1/2) to sqrt(2), and c is the one of 3/4, 1 and 5/4 that is nearest to m. With s = (m -
 * c) / (m + c) and z = s^2, log2 m is log2 c + 2 / ln 2 (s + s z (1/3 + z/5 + ..)). Each of s, 2 / ln 2, log2 a and y
 * is split into a part of 12 bits and a remainder.
 */
const magnitude = kernelFunction("cg_pow_magnitude", ["f32", "f32"], "f32", (f, a, y) => {
  const bits = f.let("bits", f.bitcast(a, "u32"));
  const tiny = f.let("tiny", f.less(bits, f.u32(0x800000)));
  const scaled = f.let("scaled", f.select(tiny, f.bitcast(f.convert(bits, "f32"), "u32"), bits));
  const power = f.let("power", f.shiftRight(f.convert(f.sub(scaled, f.u32(0x3f3504f3)), "i32"), f.u32(23)));
  const m = f.let("m", f.bitcast(f.sub(scaled, f.shiftLeft(f.convert(power, "u32"), f.u32(23))), "f32"));
  const k = f.let("k", f.convert(f.sub(power, f.select(tiny, f.i32(149), f.i32(0))), "f32"));
  const isLow = f.let("isLow", f.less(m, f.f32(0.866)));
  const isHigh = f.let("isHigh", f.less(f.f32(1.118), m));
  const byPlace = (lower: number, middle: number, upper: number) =>
    f.select(isLow, f.f32(lower), f.select(isHigh, f.f32(upper), f.f32(middle)));
  const c = f.let("c", byPlace(0.75, 1, 1.25));
  // log2 c, in two parts, the first with 14 fractional bits.
  const base = f.let("base", f.add(k, byPlace(-0.4150390625, 0, 0.3218994140625)));
  const ofC = byPlace(0.0000015632212, 0, 0.00002868082);
  const top = f.let("top", f.sub(m, c));
  const below = f.let("below", f.add(m, c));
  const belowHigh = f.let("belowHigh", cut(f, below));
  const belowLow = f.let("belowLow", f.sub(m, f.sub(belowHigh, c)));
  const s = f.let("s", f.div(top, below));
  const high = f.let("high", cut(f, s));
  const left = f.sub(f.sub(top, f.mul(high, belowHigh)), f.mul(high, belowLow));
  const low = f.let("low", f.div(left, below));
  const z = f.let("z", f.mul(s, s));
  const series = f.mul(f.mul(s, z), polynomial(f, z, [0.33333334, 0.2, 0.14285715]));
  const rest = f.let("rest", f.add(low, series));
  // 2 / ln 2 is 2.8847656 + 0.00062445679.
  const first = f.let("first", f.mul(high, f.f32(2.8847656)));
  const second = f.add(f.mul(high, f.f32(0.00062445679)), f.mul(rest, f.f32(2.885390081777927)));
  // The 14 fractional bits that fit next to the base, or the first 12 bits if the base is 0.
  const ofGrid = f.mul(f.round(f.mul(first, f.f32(16384))), f.f32(1 / 16384));
  const firstHigh = f.let("firstHigh", f.select(f.equal(base, f.f32(0)), cut(f, first), ofGrid));
  const sum = f.let("sum", f.add(base, firstHigh));
  const logHigh = f.let("logHigh", cut(f, sum));
  const small = f.let("small", f.add(f.sub(first, firstHigh), f.add(second, ofC)));
  const logLow = f.let("logLow", f.add(f.sub(sum, logHigh), small));
  const yHigh = f.let("yHigh", cut(f, y));
  const most = f.let("most", f.mul(yHigh, logHigh));
  const little = f.let("little", f.add(f.mul(f.sub(y, yHigh), logHigh), f.mul(y, logLow)));
  const whole = f.let("whole", f.add(most, little));
  const isFar = f.let("isFar", f.less(f.f32(200), f.abs(whole)));
  const held = f.let("held", f.min(f.max(whole, f.f32(-200)), f.f32(200)));
  const n = f.let("n", f.round(held));
  const fraction = f.add(f.sub(f.select(isFar, held, most), n), f.select(isFar, f.f32(0), little));
  const near = f.add(f.f32(1), f.call(expNear, [f.mul(fraction, f.f32(Math.LN2)), f.f32(0)]));
  return f.call(expEnd, [f.select(f.less(f.f32(129), n), f.f32(100), f.f32(0)), near, n]);
});

/** x^y. From 2^24 on, every f32 exponent is an even integer. */
export const pow = kernelFunction("cg_pow", ["f32", "f32"], "f32", (f, x, y) => {
  const a = f.let("a", f.abs(x));
  const isNegative = f.let("isNegative", f.lessEqual(f.u32(0x80000000), f.bitcast(x, "u32")));
  const large = f.let("large", f.lessEqual(f.f32(16777216), f.abs(y)));
  const inside = f.let("inside", f.select(large, f.f32(0), y));
  const isWhole = f.let("isWhole", f.equal(f.floor(inside), inside));
  const half = f.let("half", f.mul(f.f32(0.5), inside));
  const isOdd = f.let("isOdd", f.and(isWhole, f.notEqual(f.floor(half), half)));
  const infinity = f.f32(Number.POSITIVE_INFINITY);
  const isZero = f.let("isZero", f.equal(f.bitAnd(f.bitcast(x, "u32"), f.u32(0x7fffffff)), f.u32(0)));
  const isInfinite = f.let("isInfinite", f.equal(f.bitcast(a, "u32"), f.u32(0x7f800000)));
  const isBelow = f.let("isBelow", f.less(y, f.f32(0)));
  const ofZero = f.select(isBelow, infinity, f.f32(0));
  const ofInfinity = f.select(isBelow, f.f32(0), infinity);
  const held = f.min(f.max(y, f.f32(-4e9)), f.f32(4e9));
  const inner = f.let("inner", f.call(magnitude, [f.select(f.or(isZero, isInfinite), f.f32(1), a), held]));
  const size = f.let("size", f.select(isZero, ofZero, f.select(isInfinite, ofInfinity, inner)));
  const signed = f.let("signed", f.select(f.and(isNegative, isOdd), f.neg(size), size));
  const hasNone = f.and(f.and(isNegative, f.not(isWhole)), f.not(f.or(isZero, isInfinite)));
  const value = f.let("value", f.select(hasNone, f.f32(Number.NaN), signed));
  const ofNumbers = f.let("ofNumbers", f.select(f.call(isNaN32, [y]), y, f.select(f.call(isNaN32, [x]), x, value)));
  return f.select(f.or(f.equal(x, f.f32(1)), f.equal(y, f.f32(0))), f.f32(1), ofNumbers);
});

/**
 * @file sin and cos, which WGSL guarantees to 2^-11 on [-pi, pi] and not beyond. Here the angle, any f32 number, is
 * reduced to [-pi/4, pi/4] with all its digits, and a polynomial is evaluated there.
 *
 * Coefficients as in `exponential.ts`.
 */
import { type FunctionBuilder, kernelFunction } from "../function.ts";
import type { Variable } from "../ir.ts";
import { fromU32 } from "./numbers.ts";
import { polynomial } from "./polynomial.ts";

/** The high word of a product of 24 and 32 bits, from products of halves. */
const highProduct = kernelFunction("cg_high_product", ["u32", "u32"], "u32", (f, m, w) => {
  const [low, by] = [f.u32(0xffff), f.u32(16)];
  const [mHigh, mLow] = [f.shiftRight(m, by), f.bitAnd(m, low)];
  const [wHigh, wLow] = [f.shiftRight(w, by), f.bitAnd(w, low)];
  const a = f.let("a", f.add(f.mul(mHigh, wLow), f.shiftRight(f.mul(mLow, wLow), by)));
  const b = f.let("b", f.add(f.mul(mLow, wHigh), f.bitAnd(a, low)));
  return f.add(f.add(f.mul(mHigh, wHigh), f.shiftRight(a, by)), f.shiftRight(b, by));
});

/**
 * Payne & Hanek 1983, "Radian reduction for trigonometric functions": the remainder of an angle above 400 in magnitude,
 * and its number of quarter turns modulo 4. The angle is an integer m of 24 bits times a power of two, so the
 * significant part of the quarter turns x · 2/pi comes from 96 bits of 2/pi, starting at the bit that m scales to half
 * a circle. `turns` holds 2/pi after 32 zeros. The product has 94 fractional bits, of which the lowest are not needed:
 * no f32 number is nearer than 2^-33 of a quarter turn to a multiple of one.
 */
function farAngle(f: FunctionBuilder, bits: Variable) {
  const turns = f.table(
    "turns",
    [0, 0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab],
  );
  const start = f.let("start", f.sub(f.min(f.shiftRight(bits, f.u32(23)), f.u32(254)), f.u32(120)));
  const i = f.let("i", f.shiftRight(start, f.u32(5)));
  const left = f.let("left", f.bitAnd(start, f.u32(31)));
  const right = f.let("right", f.sub(f.u32(31), left));
  const m = f.let("m", f.bitOr(f.bitAnd(bits, f.u32(0x7fffff)), f.u32(0x800000)));
  const word = (from: number) => turns(f.add(i, f.u32(from)));
  const cut = (from: number) =>
    f.bitOr(f.shiftLeft(word(from), left), f.shiftRight(f.shiftRight(word(from + 1), f.u32(1)), right));
  const [high, middle, low] = [f.let("high", cut(0)), f.let("middle", cut(1)), f.let("low", cut(2))];
  const carried = f.let("carried", f.call(highProduct, [m, low]));
  const small = f.var("small", f.add(f.mul(m, middle), carried));
  const carry = f.select(f.less(small, carried), f.u32(1), f.u32(0));
  const large = f.var("large", f.add(f.add(f.mul(m, high), f.call(highProduct, [m, middle])), carry));
  const quadrant = f.let("farQuadrant", f.shiftRight(f.add(large, f.u32(0x20000000)), f.u32(30)));
  f.assign(large, f.sub(large, f.shiftLeft(quadrant, f.u32(30))));
  const below = f.let("below", f.lessEqual(f.u32(0x80000000), large));
  f.if(below, () => {
    f.assign(small, f.sub(f.u32(0), small));
    f.assign(large, f.add(f.bitNot(large), f.select(f.equal(small, f.u32(0)), f.u32(1), f.u32(0))));
  });
  const scale = f.var("scale", f.f32(0.00000000093132257));
  f.if(f.equal(large, f.u32(0)), () => {
    f.assign(large, small);
    f.assign(small, f.u32(0));
    f.assign(scale, f.mul(scale, f.f32(0.00000000023283064)));
  });
  const zeros = f.let("zeros", f.countLeadingZeros(f.bitOr(large, f.u32(1))));
  const shifted = f.shiftRight(f.shiftRight(small, f.u32(1)), f.sub(f.u32(31), zeros));
  const top = f.let("top", f.bitOr(f.shiftLeft(large, zeros), shifted));
  const power = f.bitcast(f.shiftLeft(f.sub(f.u32(127), zeros), f.u32(23)), "f32");
  const part = f.let("part", f.mul(f.call(fromU32, [top]), f.mul(scale, power)));
  const angle = f.let("angle", f.sub(f.mul(part, f.f32(1.5707964)), f.mul(part, f.f32(0.000000043711388))));
  return { angle: f.select(below, f.neg(angle), angle), quadrant: f.convert(quadrant, "i32") };
}

/**
 * Sine of x plus `shift` quarter turns. Below 400, Cody-Waite reduction by pi/2 in three parts: the products of the
 * first two with the number of quarter turns are exact there. Infinity and NaN are detected by their bits; the result
 * is NaN.
 */
const sinOfQuadrant = kernelFunction("cg_sin_quadrant", ["f32", "i32"], "f32", (f, x, shift) => {
  const magnitude = f.let("magnitude", f.bitAnd(f.bitcast(x, "u32"), f.u32(0x7fffffff)));
  const turns = f.let("nearTurns", f.round(f.mul(x, f.f32(0.63661975))));
  const near = f.sub(f.sub(x, f.mul(turns, f.f32(1.5707703))), f.mul(turns, f.f32(0.000026063062)));
  const r = f.var("r", f.sub(near, f.mul(turns, f.f32(6.0771006e-11))));
  const quadrant = f.var("quadrant", f.convert(f.min(f.max(turns, f.f32(-1000)), f.f32(1000)), "i32"));
  f.if(f.lessEqual(f.u32(0x43c80000), magnitude), () => {
    const far = farAngle(f, magnitude);
    const isNegative = f.less(x, f.f32(0));
    f.assign(r, f.select(isNegative, f.neg(far.angle), far.angle));
    f.assign(quadrant, f.select(isNegative, f.neg(far.quadrant), far.quadrant));
  });
  const s = f.let("s", f.mul(r, r));
  const odd = f.mul(s, polynomial(f, s, [-0.16666667, 0.008333332, -0.00019840039, 0.0000027243782]));
  const sine = f.let("sine", f.add(r, f.mul(r, odd)));
  const even = polynomial(f, s, [-0.5, 0.041666668, -0.0013888888, 0.00002480056, -2.7295832e-7]);
  const cosine = f.let("cosine", f.add(f.f32(1), f.mul(s, even)));
  const turned = f.let("turned", f.add(quadrant, shift));
  const value = f.let("value", f.select(f.equal(f.bitAnd(turned, f.i32(1)), f.i32(1)), cosine, sine));
  const signed = f.select(f.equal(f.bitAnd(turned, f.i32(2)), f.i32(2)), f.neg(value), value);
  return f.select(f.lessEqual(f.u32(0x7f800000), magnitude), f.f32(Number.NaN), signed);
});

export const sin = kernelFunction("cg_sin", ["f32"], "f32", (f, x) => f.call(sinOfQuadrant, [x, f.i32(0)]));

export const cos = kernelFunction("cg_cos", ["f32"], "f32", (f, x) => f.call(sinOfQuadrant, [x, f.i32(1)]));

/**
 * @file Conversions, quotients and comparisons that mean the same on every target. NaN stays NaN: a driver's functions
 * may lose it, and with it the sign that training has gone wrong.
 */
import { kernelFunction } from "../function.ts";

/** Tests the bits: drivers may assume that there is no NaN, and optimize away a comparison of a number with itself. */
export const isNaN32 = kernelFunction(
  "cg_is_nan",
  ["f32"],
  "bool",
  (f, x) => f.less(f.u32(0x7f800000), f.bitAnd(f.bitcast(x, "u32"), f.u32(0x7fffffff))),
  (f, x) => f.notEqual(x, x),
);

export const max32 = kernelFunction("cg_max", ["f32", "f32"], "f32", (f, a, b) => {
  const larger = f.select(f.call(isNaN32, [b]), b, f.max(a, b));
  return f.select(f.call(isNaN32, [a]), a, larger);
});

export const min32 = kernelFunction("cg_min", ["f32", "f32"], "f32", (f, a, b) => {
  const smaller = f.select(f.call(isNaN32, [b]), b, f.min(a, b));
  return f.select(f.call(isNaN32, [a]), a, smaller);
});

/** a / b, truncated; if the quotient is undefined (by 0, or overflow), the divisor is 1 and the result a. */
export const divideI32 = kernelFunction("cg_div_i32", ["i32", "i32"], "i32", (f, a, b) => {
  const overflows = f.and(f.equal(b, f.i32(-1)), f.less(a, f.i32(-2147483647)));
  return f.div(a, f.select(f.or(f.equal(b, f.i32(0)), overflows), f.i32(1), b));
});

export const divideU32 = kernelFunction("cg_div_u32", ["u32", "u32"], "u32", (f, a, b) => f.div(a, f.max(b, f.u32(1))));

/** Truncates and clamps to i32; NaN becomes 0. 2147483520 is the largest f32 number below 2^31. */
export const toI32 = kernelFunction("cg_to_i32", ["f32"], "i32", (f, x) => {
  const known = f.select(f.call(isNaN32, [x]), f.f32(0), x);
  const inside = f.min(f.max(known, f.f32(-2147483648)), f.f32(2147483520));
  return f.select(f.lessEqual(f.f32(2147483648), x), f.i32(2147483647), f.convert(inside, "i32"));
});

export const toU32 = kernelFunction("cg_to_u32", ["f32"], "u32", (f, x) => {
  const known = f.select(f.call(isNaN32, [x]), f.f32(0), x);
  const inside = f.min(f.max(known, f.f32(0)), f.f32(4294967040));
  return f.select(f.lessEqual(f.f32(4294967296), x), f.u32(4294967295), f.convert(inside, "u32"));
});

/**
 * WGSL leaves the rounding direction of a conversion open, and a driver may round twice. Here both parts are exact, and
 * their sum is rounded once.
 */
export const fromU32 = kernelFunction("cg_from_u32", ["u32"], "f32", (f, x) =>
  f.add(f.mul(f.convert(f.shiftRight(x, f.u32(8)), "f32"), f.f32(256)), f.convert(f.bitAnd(x, f.u32(255)), "f32")),
);

export const fromI32 = kernelFunction("cg_from_i32", ["i32"], "f32", (f, x) =>
  f.add(f.mul(f.convert(f.shiftRight(x, f.u32(8)), "f32"), f.f32(256)), f.convert(f.bitAnd(x, f.i32(255)), "f32")),
);

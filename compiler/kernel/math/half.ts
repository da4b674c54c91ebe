/**
 * @file f16, by integer arithmetic: WGSL leaves the rounding of its own conversions open and those beyond the range
 * undefined, and WebAssembly has none. Halves are rounded to even, from 65,520 on numbers become infinite, and NaN stays
 * NaN; subnormal numbers of f16 are kept.
 */
import { kernelFunction } from "../function.ts";

/** The bits of the smallest normal number of f16, 2^-14, of 65520, and of infinity, as f32. */
const [smallestNormal, firstInfinite, infinity] = [0x38800000, 0x477ff000, 0x7f800000];

/**
 * The nearest number of f16, as 16 bits. Adding 0.5 to a number below 2^-14 rounds it to a multiple of 2^-24, which is
 * what subnormal numbers of f16 are.
 */
export const halfBits = kernelFunction("cg_half_bits", ["f32"], "u32", (f, x) => {
  const bits = f.let("bits", f.bitcast(x, "u32"));
  const magnitude = f.let("magnitude", f.bitAnd(bits, f.u32(0x7fffffff)));
  const last = f.bitAnd(f.shiftRight(magnitude, f.u32(13)), f.u32(1));
  // Subtracts 112 from the exponent, and carries where the 13 digits that go are above a half, or at it and `last` is odd.
  const normal = f.shiftRight(f.add(f.add(magnitude, f.u32(0xc8000fff)), last), f.u32(13));
  const small = f.sub(f.bitcast(f.add(f.bitcast(magnitude, "f32"), f.f32(0.5)), "u32"), f.u32(0x3f000000));
  const known = f.select(f.less(magnitude, f.u32(firstInfinite)), normal, f.u32(0x7c00));
  const finite = f.select(f.less(magnitude, f.u32(smallestNormal)), small, known);
  const rounded = f.select(f.less(f.u32(infinity), magnitude), f.u32(0x7e00), finite);
  return f.bitOr(f.bitAnd(f.shiftRight(bits, f.u32(16)), f.u32(0x8000)), rounded);
});

/** The nearest number of f16, as f32. */
export const roundToHalf32 = kernelFunction("cg_round_to_half", ["f32"], "f32", (f, x) => {
  const bits = f.let("bits", f.bitcast(x, "u32"));
  const magnitude = f.let("magnitude", f.bitAnd(bits, f.u32(0x7fffffff)));
  const last = f.bitAnd(f.shiftRight(magnitude, f.u32(13)), f.u32(1));
  const normal = f.bitAnd(f.add(f.add(magnitude, f.u32(0xfff)), last), f.u32(0xffffe000));
  const multiple = f.sub(f.bitcast(f.add(f.bitcast(magnitude, "f32"), f.f32(0.5)), "u32"), f.u32(0x3f000000));
  const small = f.bitcast(f.mul(f.convert(multiple, "f32"), f.f32(2 ** -24)), "u32");
  const known = f.select(f.less(magnitude, f.u32(firstInfinite)), normal, f.u32(infinity));
  const finite = f.select(f.less(magnitude, f.u32(smallestNormal)), small, known);
  const rounded = f.select(f.less(f.u32(infinity), magnitude), f.u32(0x7fc00000), finite);
  return f.bitcast(f.bitOr(f.bitAnd(bits, f.u32(0x80000000)), rounded), "f32");
});

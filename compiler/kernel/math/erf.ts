/**
 * @file The error function, which neither WGSL nor WebAssembly has. Coefficients interpolate erf(x) / x - 1, in x^2
 * from 0 to 1, and -log(1 - erf x), from 1 to 4, at Chebyshev nodes, rounded to f32: both give erf within 6e-9.
 */
import { kernelFunction } from "../function.ts";
import { expBelow } from "./exponential.ts";
import { isNaN32 } from "./numbers.ts";
import { polynomial } from "./polynomial.ts";

const ofSquare = [0.12837917, -0.37612626, 0.11283594, -0.026854211, 0.0051890872, -0.00080168643, 0.00007875875];
const ofLogarithm = [
  ...[-0.00032013806, 1.1302334, 0.63182604, 0.11008009, -0.026421135],
  ...[0.004759596, -0.00059680565, 0.00004605804, -0.0000016371514],
];

/**
 * Below 1 the series; for tiny x only its first term, 2 / sqrt(pi) x, as one product, since its parts may be subnormal.
 * From 1 to 4, 1 - e^p with a polynomial p; from 4 on 1, since the difference is below 2^-25.
 */
export const erf = kernelFunction("cg_erf", ["f32"], "f32", (f, x) => {
  const a = f.let("a", f.min(f.abs(x), f.f32(4)));
  const s = f.let("s", f.mul(a, a));
  const near = f.let("near", f.add(a, f.mul(a, polynomial(f, s, ofSquare))));
  const rest = f.call(expBelow, [f.neg(polynomial(f, a, ofLogarithm))]);
  const far = f.let("far", f.sub(f.f32(1), rest));
  const tiny = f.mul(a, f.f32(2 / Math.sqrt(Math.PI)));
  const inside = f.select(f.less(a, f.f32(1e-30)), tiny, near);
  const magnitude = f.let("magnitude", f.select(f.less(a, f.f32(1)), inside, far));
  const signed = f.select(f.less(x, f.f32(0)), f.neg(magnitude), magnitude);
  return f.select(f.call(isNaN32, [x]), x, signed);
});

/**
 * @file Rounding to f16, the precision in which `precision: "mixed"` stores weights and the values of loops. It is an op of
 * the graph, so that the interpreter defines what such a program computes; storing the result in 16 bits loses nothing.
 */
import { roundToHalf32 } from "../kernel/math/half.ts";
import { float, type Unary, unary } from "./elementwise.ts";

/** Numbers from here on, halfway between the largest number of f16 and 2^16, become infinite. */
const firstInfinite = 65520;

/** The nearest number of f16, the one with an even last digit of two equally near. */
function nearestHalf(x: number): number {
  const magnitude = Math.abs(x);
  if (!(magnitude < firstInfinite)) return Number.isNaN(x) ? x : Math.sign(x) * Number.POSITIVE_INFINITY;
  // Eleven digits; below 2^-14 multiples of 2^-24.
  const digit = 2 ** Math.max(-24, Math.floor(Math.log2(magnitude)) - 10);
  // In float64, sums above 2^52 are integers.
  const rounded = (magnitude / digit + 2 ** 52 - 2 ** 52) * digit;
  return x < 0 || Object.is(x, -0) ? -rounded : rounded;
}

/** x rounded to f16; 65,520 and more become infinite. Its derivative is 1: rounding is treated as if it were exact. */
export const roundToHalf: Unary<"roundToHalf"> = /* @__PURE__ */ unary(
  "roundToHalf",
  {},
  {
    dtypes: float,
    scalar: ([x = 0]) => nearestHalf(x),
    kernel: (e, [x]) => e.call(roundToHalf32, [x]),
    partials: () => [1],
  },
);

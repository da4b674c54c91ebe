/** @file Ways to break what the benchmarks make of their measurements. */
import { changed, type Mutant } from "./mutant.ts";

export const benchMutants: readonly Mutant[] = [
  ...changed(
    "bench/cpu/compare.ts",
    ["test/bench/cpu.test.ts"],
    [
      [
        "a loss of NaN is as the others",
        "faults.has(i) || Math.abs(value - middle) <= tolerance * Math.abs(middle)",
        "faults.has(i) || !(Math.abs(value - middle) > tolerance * Math.abs(middle))",
      ],
    ],
  ),
  ...changed(
    "bench/cpu/report.ts",
    ["test/bench/cpu.test.ts"],
    [["the worst setting counts", "(least(b) < least(a) ? b : a)", "(least(b) > least(a) ? b : a)"]],
  ),
];

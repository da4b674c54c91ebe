/**
 * @file Plans of random cells that are mostly recurrent networks: products of states and of parts of states, several in a
 * row, heads, reductions inside a step, up to three states, no steps at all. What a schedule does with weights that stay
 * in registers, or pass by, is tried on these; cellPlans (cell-plan.ts) has every op equally often.
 */
import fc from "fast-check";
import { type CellPlan, cellPlans, rules } from "./cell-plan.ts";
import { heads } from "./composed-rules.ts";
import type { Instruction, Rule } from "./instructions.ts";
import { dense, matmul, parts, reductions } from "./structural-rules.ts";

const size = (max: number) => fc.integer({ min: 1, max });
const index = fc.nat({ max: 99 });
const oneOf = (...some: readonly Rule[]) => fc.constantFrom(...some.map((rule) => rules.indexOf(rule)));

const instructionOf = (kind: fc.Arbitrary<number>): fc.Arbitrary<Instruction> =>
  fc.record({ kind, a: index, b: index, c: index, n: fc.nat({ max: 41 }) });

/** A product of the newest values: the first instruction's are states, and what the last one makes is the next state. */
const product = instructionOf(oneOf(dense, dense, matmul, heads)).map((drawn) => ({ ...drawn, a: drawn.a % 2 }));

const next = instructionOf(
  fc.oneof(
    { weight: 5, arbitrary: oneOf(dense, matmul) },
    { weight: 1, arbitrary: oneOf(heads) },
    { weight: 2, arbitrary: oneOf(...parts) },
    { weight: 2, arbitrary: oneOf(...reductions) },
    { weight: 6, arbitrary: fc.nat({ max: rules.length - 1 }) },
  ),
);

/** Mostly one of the newest values. */
const result = fc.oneof({ weight: 4, arbitrary: fc.nat({ max: 3 }) }, { weight: 1, arbitrary: index });

/** Cells whose values have up to `widest` elements. */
export function recurrentPlans(widest: number): fc.Arbitrary<CellPlan> {
  const few = Math.min(12, widest);
  const width = fc.oneof(size(few), fc.constantFrom(8, 16, 33, 64, 128, 300), size(widest));
  return fc
    .record({
      plan: cellPlans,
      batch: size(5),
      // One cell in ten or so has no steps.
      time: fc.oneof({ weight: 9, arbitrary: size(6) }, { weight: 1, arbitrary: fc.constant(0) }),
      widths: fc.array(width, { minLength: 1, maxLength: 3 }),
      next: fc.tuple(fc.nat({ max: 1 }), result, result),
      start: product,
      end: product,
      rest: fc.array(next, { maxLength: 6, size: "max" }),
      widest: fc.constantFrom(few, widest),
    })
    .map(({ plan, widths, start, rest, end, ...drawn }) => {
      const states = widths.map((columns) => [Math.min(columns, widest)]);
      // The mean of no numbers is none.
      const losses = drawn.time === 0 ? [0, 0, 0] : plan.losses;
      return { ...plan, ...drawn, states, losses, instructions: [start, ...rest, end] };
    });
}

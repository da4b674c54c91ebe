/**
 * @file Plans of random cells whose carries are affine, or maxima of sums, by construction: whatever the analysis of a
 * loop's carries says of them, they can be computed in parallel over time. And plans with one flaw, which cannot.
 */
import fc from "fast-check";
import { type AffineGroup, type Flaw, flaws } from "./affine-step.ts";
import { type CellPlan, cellPlans, rules } from "./cell-plan.ts";
import { composedForAllSteps } from "./composed-rules.ts";
import { elementwiseRules } from "./elementwise-rules.ts";
import type { Instruction } from "./instructions.ts";
import { structuralForAllSteps } from "./structural-rules.ts";

const size = (max: number) => fc.integer({ min: 1, max });
const index = fc.nat({ max: 99 });

/** Rules whose values follow for all steps at once: there is no loop, table or scatter inside the step. */
const kinds = [...elementwiseRules, ...structuralForAllSteps, ...composedForAllSteps].map((rule) =>
  rules.indexOf(rule),
);

const instruction: fc.Arbitrary<Instruction> = fc.record({
  ...{ kind: fc.constantFrom(...kinds), a: index, b: index, c: index },
  n: fc.nat({ max: 41 }),
});

const step: fc.Arbitrary<Instruction> = fc.record({ kind: index, a: index, b: index, c: index, n: index });

const groupOf = (shape: fc.Arbitrary<readonly number[]>): fc.Arbitrary<AffineGroup> =>
  fc.record({
    kind: fc.constantFrom("sum", "sum", "sum", "max", "min"),
    shape,
    states: fc.constantFrom(1, 1, 2, 3),
    gates: fc.array(instruction, { maxLength: 4, size: "max" }),
    next: fc.array(step, { minLength: 1, maxLength: 7, size: "max" }),
  });

const shapes: fc.Arbitrary<readonly number[]> = fc.oneof(fc.tuple(size(6)), fc.tuple(size(3), size(2)));

const plansOf = (
  group: fc.Arbitrary<AffineGroup>,
  mostGroups: number,
  flaw: fc.Arbitrary<Flaw | undefined>,
): fc.Arbitrary<CellPlan> =>
  fc
    .record({
      plan: cellPlans,
      // Mostly one chunk of time, or several and a part of one.
      time: fc.oneof(size(6), fc.integer({ min: 7, max: 20 })),
      groups: fc.array(group, { minLength: 1, maxLength: mostGroups }),
      instructions: fc.array(instruction, { minLength: 1, maxLength: 5, size: "max" }),
      flaw,
    })
    .map(({ plan, time, groups, instructions, flaw }) => ({
      ...{ ...plan, time, instructions, leaky: false },
      states: groups.flatMap(({ states, shape }) => Array.from({ length: states }, () => shape)),
      affine: { groups, ...(flaw !== undefined && { flaw }) },
    }));

/** Cells of up to two groups. */
export const affinePlans = plansOf(groupOf(shapes), 2, fc.constant(undefined));

/** Cells of one group of two units or more, of which one state is spoiled. */
export const flawedPlans = plansOf(
  groupOf(fc.tuple(fc.integer({ min: 2, max: 5 }))).map((group) => ({ ...group, kind: "sum" })),
  1,
  fc.constantFrom(...flaws),
);

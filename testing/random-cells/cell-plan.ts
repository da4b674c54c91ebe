/** @file The plan of a random cell, as plain data that fast-check generates and shrinks. */
import fc from "fast-check";
import type { AffinePlan } from "./affine-step.ts";
import { composedRules } from "./composed-rules.ts";
import { elementwiseRules } from "./elementwise-rules.ts";
import type { Instruction } from "./instructions.ts";
import { structuralRules } from "./structural-rules.ts";

export const rules = [...elementwiseRules, ...structuralRules, ...composedRules];

export interface CellPlan {
  readonly batch: number;
  readonly time: number;
  readonly features: number;
  /** Whether batch and time are symbols in the graph. */
  readonly symbolicBatch: boolean;
  readonly symbolicTime: boolean;
  /** Shapes of the states, without the batch axis. */
  readonly states: readonly (readonly number[])[];
  /** Whether half of each state is carried over, so that gradients flow through all time steps. */
  readonly leaky: boolean;
  /** Whether a state counts the steps, for the dropout masks. */
  readonly counts: boolean;
  readonly reverse: boolean;
  readonly mask: boolean;
  /** Whether embedded tokens are concatenated to the features. */
  readonly tokens: boolean;
  /** Inputs are uniform in ±scale. */
  readonly scale: number;
  readonly instructions: readonly Instruction[];
  /** Which values of the step are its output and its next states. */
  readonly output: number;
  readonly next: readonly number[];
  /** Elements of a value, and columns of a product, at most; few by default. */
  readonly widest?: number;
  /** States whose next values are affine by construction: then `instructions` compute the output alone. */
  readonly affine?: AffinePlan;
  /** How each result enters the loss. */
  readonly losses: readonly number[];
  /** Seed of the numbers. */
  readonly seed: number;
}

const size = (max: number) => fc.integer({ min: 1, max });
const index = fc.nat({ max: 99 });

const instruction: fc.Arbitrary<Instruction> = fc.record({
  // Without the last rule, which only recurrent-plans.ts draws: seeds of tests mean the same cells as ever.
  kind: fc.nat({ max: rules.length - 2 }),
  a: index,
  b: index,
  c: index,
  n: fc.nat({ max: 41 }),
});

export const cellPlans: fc.Arbitrary<CellPlan> = fc.record({
  batch: size(4),
  time: size(6),
  features: size(7),
  symbolicBatch: fc.boolean(),
  symbolicTime: fc.boolean(),
  states: fc.array(fc.oneof(fc.tuple(size(7)), fc.tuple(size(3), size(3))), { minLength: 1, maxLength: 2 }),
  leaky: fc.integer({ min: 0, max: 3 }).map((n) => n > 0),
  counts: fc.boolean(),
  reverse: fc.boolean(),
  mask: fc.boolean(),
  tokens: fc.boolean(),
  scale: fc.constantFrom(1, 1, 4, 30),
  instructions: fc.array(instruction, { minLength: 2, maxLength: 14, size: "max" }),
  output: index,
  next: fc.tuple(index, index),
  losses: fc.tuple(index, index, index),
  seed: fc.nat(),
});

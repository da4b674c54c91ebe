/** @file Random cells for fast-check: whole recurrent networks that shrink and print as source. */
import fc from "fast-check";
import { cellPlans } from "./cell-plan.ts";
import { buildCell, type RandomCell } from "./random-cell.ts";

/**
 * A random cell over a sequence, with shapes, initial state and loss: states of random shapes, a step of random
 * instructions whose operands are taken modulo the number of available values, so that every list is valid and a failure
 * shrinks by deletion. A counterexample prints as a complete program: the loss, the numbers and `checkLoss`, ready to paste
 * into a module and run. It checks everything that `checkRandomCell` does, except the split sequence.
 */
export function arbitraryCell(): fc.Arbitrary<RandomCell> {
  return cellPlans.map((plan) => Object.assign(buildCell(plan), { [fc.toStringMethod]: () => buildCell(plan).text }));
}

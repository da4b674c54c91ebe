/** @file Random cells for fast-check: whole random recurrent networks, which shrink and print as source. */
import fc from "fast-check";
import { cellPlans } from "./cell-plan.ts";
import { buildCell, type RandomCell } from "./random-cell.ts";

/**
 * A random cell over a sequence, with shapes, first state and loss: states of random shapes, a step of random
 * instructions whose operands are taken modulo the values available, so that every list is valid and a failure shrinks
 * by deletion. A counterexample prints as a whole program: the loss, the numbers and `checkLoss`, to be pasted into a
 * module and run. It checks all that `checkRandomCell` does but the sequence cut in two.
 */
export function arbitraryCell(): fc.Arbitrary<RandomCell> {
  return cellPlans.map((plan) => Object.assign(buildCell(plan), { [fc.toStringMethod]: () => buildCell(plan).text }));
}

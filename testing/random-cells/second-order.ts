/**
 * @file Checks second derivatives of a random cell: the derivative of its gradient along a direction, by reverse over
 * reverse mode, by forward over reverse mode, after the passes, and on every executor.
 */

import { verify } from "../../compiler/ops/verify.ts";
import { passes } from "../../compiler/plan-program.ts";
import { interpret, type NdArray } from "../../index.ts";
import type { Executor } from "../executor.ts";
import { isFiniteArray, jittered, norm, relativeError } from "../numbers/compare.ts";
import { direction, expectBelow, type Prepared } from "./cell-checks.ts";
import { roundingExecutor } from "./node-values.ts";

/** Throws if two of them differ. Returns whether f32 determines the product well enough for executors to be checked. */
export async function secondOrderAgrees(cell: Prepared, executors: readonly Executor[]): Promise<boolean> {
  const { reverse, forward } = cell.second();
  const along = direction(cell, 4);
  const given = [...cell.inputs, ...along];
  const expected = interpret(reverse, given);
  const moved = [...jittered(cell.inputs, cell.moving, cell.seed), ...along];
  // If the loss is nearly linear, its second derivatives are dominated by rounding of the first.
  const scale = Math.max(norm(expected), relativeError(interpret(reverse, moved), expected, 1), 1e-4 * cell.scale);
  if (!expected.every(isFiniteArray)) throw new Error("the second order is not finite");
  if (!Number.isFinite(scale)) return false;
  const error = (got: readonly NdArray[]) => relativeError(got, expected, scale);
  expectBelow(error(interpret(forward, given)), 1e-10, "second order: reverse against forward over reverse");
  let graph = reverse;
  for (const pass of passes) {
    graph = verify(pass.run(graph));
    expectBelow(error(interpret(graph, given)), 1e-11, `second order after the pass ${pass.name}`);
  }
  if (error(await roundingExecutor.execute(reverse, given)) > roundingExecutor.tolerance / 10) return false;
  for (const { name, execute, tolerance } of executors) {
    expectBelow(error(await execute(reverse, given)), tolerance, `second order on the ${name}`);
  }
  return true;
}

/**
 * @file All checks of a random cell in one call: those of its loss, that a sequence split in two equals the whole, and that
 * masked values have no effect.
 */
import { checkedOptions } from "../../compiler/graph/options.ts";
import type { Executor } from "../executor.ts";
import { type Prepared, paddingIsHidden, prepare, splitIsWhole } from "./cell-checks.ts";
import { lossGraphs, lossOfCell } from "./cell-graphs.ts";
import { type CheckOptions, type CheckOutcome, checkPrepared, ofCheck } from "./check-loss.ts";
import { buildCell, type RandomCell } from "./random-cell.ts";

/** The compared graphs, numbers, value and gradients of the cell. */
export interface RandomCellOutcome extends Prepared, CheckOutcome {}

/** Checks a random cell. Throws an error that says which property is violated, and by how much. */
export async function checkRandomCell(
  { plan }: RandomCell,
  executors: readonly Executor[] = [],
  options: CheckOptions = {},
): Promise<RandomCellOutcome> {
  checkedOptions("checkRandomCell", options, ofCheck);
  const cell = buildCell(plan);
  const prepared = prepare(lossGraphs(lossOfCell(cell)));
  const outcome = await checkPrepared(prepared, executors, options);
  if (outcome.unsuitable === undefined) {
    splitIsWhole(cell, prepared);
    paddingIsHidden(cell, prepared);
  }
  return { ...prepared, ...outcome };
}

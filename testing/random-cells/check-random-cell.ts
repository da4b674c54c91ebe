/**
 * @file All that must hold for a random cell, in one call: what must hold for its loss, that a sequence cut in two equals
 * the whole, and that nothing shows of what a mask hides.
 */
import { checkedOptions } from "../../compiler/graph/options.ts";
import type { Executor } from "../executor.ts";
import { type Prepared, paddingIsHidden, prepare, splitIsWhole } from "./cell-checks.ts";
import { lossGraphs, lossOfCell } from "./cell-graphs.ts";
import { type CheckOptions, type CheckOutcome, checkPrepared, ofCheck } from "./check-loss.ts";
import { buildCell, type RandomCell } from "./random-cell.ts";

/** What was compared: graphs, numbers, value and gradients of the cell. */
export interface RandomCellOutcome extends Prepared, CheckOutcome {}

/** Throws an error that says which of them does not hold, and by how much. */
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

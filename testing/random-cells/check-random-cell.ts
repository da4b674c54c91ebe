/**
 * @file All that must hold for a random cell, in one call: reverse mode equals difference quotients and forward mode, a
 * scan equals its unrolled copies, the passes keep values, a sequence cut in two equals the whole, and every executor
 * agrees with the interpreter; where it is asked for, the same for the derivative of the gradient.
 */
import type { Executor } from "../executor.ts";
import { jittered, relativeError } from "../numbers/compare.ts";
import {
  gradientIsDifferenceQuotient,
  type Prepared,
  passesKeepValues,
  prepare,
  programsAreValid,
  reverseIsForward,
  sameOn,
  splitIsWhole,
  unrolledIsScan,
} from "./cell-checks.ts";
import { cellGraphs } from "./cell-graphs.ts";
import { leastMargin, marginOf } from "./margins.ts";
import { nodeValues, roundingExecutor, stoppedValues } from "./node-values.ts";
import type { RandomCell } from "./random-cell.ts";
import { secondOrderAgrees } from "./second-order.ts";

/** What was compared: graphs, numbers, value and gradients of the cell. */
export interface RandomCellOutcome extends Prepared {
  /** Why nothing was compared: the cell sits where derivatives or decisions jump, or f32 numbers do not determine it. */
  readonly unsuitable?: string;
  /** Of order 2: whether f32 numbers determine the second order, so that executors were asked for it. */
  readonly isSecondDetermined?: boolean;
}

/** What is checked beside what always is. */
export interface RandomCellOptions {
  /** 2 for the derivative of the gradient too, on every executor; it costs about as much as all the rest. 1 by default. */
  readonly order?: 1 | 2;
}

/** Throws an error that says which of them does not hold, and by how much. */
export async function checkRandomCell(
  { plan }: RandomCell,
  executors: readonly Executor[] = [],
  { order = 1 }: RandomCellOptions = {},
): Promise<RandomCellOutcome> {
  const cell = prepare(cellGraphs(plan));
  if (!cell.gradients.every(({ data }) => data.every(Number.isFinite))) throw new Error("the gradient is not finite");
  const unsuitable = await reasonNotTo(cell);
  if (unsuitable !== undefined) return { ...cell, unsuitable };
  gradientIsDifferenceQuotient(cell);
  reverseIsForward(cell);
  unrolledIsScan(cell);
  passesKeepValues(cell);
  programsAreValid(cell);
  splitIsWhole(cell);
  for (const executor of [roundingExecutor, ...executors]) await sameOn(executor, cell);
  if (order === 1) return cell;
  return { ...cell, isSecondDetermined: await secondOrderAgrees(cell, executors) };
}

async function reasonNotTo(cell: Prepared): Promise<string | undefined> {
  const { straightLoss: graph, inputs, moving } = cell;
  const values = nodeValues(graph, inputs);
  const nearby = jittered(inputs, moving, cell.cell.plan.seed);
  const moved = [nodeValues(graph, nearby), stoppedValues(graph, nearby, values)];
  if (marginOf(graph, moving, values, moved) < leastMargin) return "near a kink or a comparison's edge";
  const [, ...rounded] = await roundingExecutor.execute(cell.gradient, inputs);
  const lost = relativeError(rounded, cell.gradients, cell.scale);
  return lost > roundingExecutor.tolerance / 10 ? "determined badly by f32 numbers" : undefined;
}

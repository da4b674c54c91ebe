/**
 * @file Random cells: hundreds of small recurrent networks that nobody wrote, with states of random shapes and steps
 * of random instructions. For each: reverse mode equals difference quotients and forward mode, a scan equals its unrolled
 * copies, the passes keep values, a sequence cut in two equals the whole, and every executor agrees with the interpreter.
 *
 * CELLGRAD_SEED draws other cells; CELLGRAD_CELLS sets how many.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { jittered, relativeError } from "../../testing/numbers/compare.ts";
import {
  gradientIsDifferenceQuotient,
  type Prepared,
  passesKeepValues,
  prepare,
  reverseIsForward,
  sameOn,
  splitIsWhole,
  unrolledIsScan,
} from "../../testing/random-cells/cell-checks.ts";
import { cellGraphs } from "../../testing/random-cells/cell-graphs.ts";
import { type CellPlan, cellPlans } from "../../testing/random-cells/cell-plan.ts";
import { leastMargin, marginOf } from "../../testing/random-cells/margins.ts";
import { nodeValues, roundingExecutor, stoppedValues } from "../../testing/random-cells/node-values.ts";
import { buildCell } from "../../testing/random-cells/random-cell.ts";
import { Coverage } from "../support/coverage.ts";
import { executors, interpreter, smallTileExecutors } from "../support/executors.ts";

const seed = Number(process.env.CELLGRAD_SEED ?? 1997);
const cells = Number(process.env.CELLGRAD_CELLS ?? 200);
/** CELLGRAD_SHRINK=0 shows the first failing cell as it was drawn, at once. */
const shrink = process.env.CELLGRAD_SHRINK !== "0";
const devices = [roundingExecutor, ...smallTileExecutors];
/** Tiles of full size run on every so many-th cell: their kernels take long to compile on a software adapter. */
const fullTiles = executors.filter((executor) => executor !== interpreter);
const fullTilesEvery = 5;

/** Why a cell is drawn again, if it is. */
async function unsuitable(cell: Prepared): Promise<string | undefined> {
  const { straightLoss: graph, inputs, moving } = cell;
  const values = nodeValues(graph, inputs);
  const nearby = jittered(inputs, moving, cell.cell.plan.seed);
  const moved = [nodeValues(graph, nearby), stoppedValues(graph, nearby, values)];
  if (marginOf(graph, moving, values, moved) < leastMargin) return "near a kink or a comparison's edge";
  const [, ...rounded] = await roundingExecutor.execute(cell.gradient, inputs);
  const lost = relativeError(rounded, cell.gradients, cell.scale);
  return lost > roundingExecutor.tolerance / 10 ? "determined badly by f32 numbers" : undefined;
}

function describe(plan: CellPlan, error: unknown): string {
  return `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n\n${buildCell(plan).text}\n\n${JSON.stringify(plan)}`;
}

test(`${cells} random cells`, { timeout: 600_000 }, async () => {
  const coverage = new Coverage();
  let checked = 0;
  const redrawn = new Map<string, number>();
  const property = fc.asyncProperty(cellPlans, async (plan) => {
    const cell = prepare(cellGraphs(plan));
    expect(
      cell.gradients.every(({ data }) => data.every(Number.isFinite)),
      "the gradient is finite",
    ).toBe(true);
    const reason = await unsuitable(cell);
    if (reason !== undefined) redrawn.set(reason, (redrawn.get(reason) ?? 0) + 1);
    fc.pre(reason === undefined);
    gradientIsDifferenceQuotient(cell);
    reverseIsForward(cell);
    unrolledIsScan(cell);
    passesKeepValues(cell);
    splitIsWhole(cell);
    const full = checked % fullTilesEvery === 0 ? fullTiles : [];
    checked += 1;
    for (const device of [...devices, ...full]) await sameOn(device, cell);
    coverage.note({ ...cell, functions: cell.cell.functions });
  });
  const details = await fc.check(property, { seed, numRuns: cells, endOnFailure: !shrink });
  if (details.failed) {
    const [plan] = details.counterexample ?? [];
    const place = `CELLGRAD_SEED=${details.seed}, path ${details.counterexamplePath}, after ${details.numShrinks} shrinks`;
    throw new Error(
      `${place}\n${plan === undefined ? "too many cells were drawn again" : describe(plan, details.errorInstance)}`,
    );
  }
  const drawn = [...redrawn].map(([reason, count]) => `${count} ${reason}`).join(", ");
  console.log(`${coverage.table}\n\n${details.numRuns} cells; drawn again: ${drawn || "none"}`);
  expect(details.numSkips).toBeLessThan((details.numRuns + details.numSkips) / 10);
  // Fewer cells than by default miss some op or other.
  if (cells >= 200) expect(coverage.missed).toEqual([]);
});

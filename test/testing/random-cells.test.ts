/**
 * @file Random cells: hundreds of small random recurrent networks, with states of random shapes and steps of random
 * instructions. For each: reverse mode equals difference quotients and forward mode, a scan equals its unrolled form,
 * passes preserve values, a sequence split in two equals the whole, and the CPU in both schedules agrees with the
 * interpreter; WebGPU runs some of them.
 *
 * CELLGRAD_SEED selects other cells; CELLGRAD_CELLS sets how many, of which `npm run test:slow` checks an eighth.
 *
 * @module-tag slow
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type CellPlan, cellPlans } from "../../testing/random-cells/cell-plan.ts";
import { checkRandomCell } from "../../testing/random-cells/check-random-cell.ts";
import { buildCell } from "../../testing/random-cells/random-cell.ts";
import { Coverage } from "../support/coverage.ts";
import { cpuExecutors, smallTileCpuExecutors } from "../support/cpu-executors.ts";
import { executors, interpreter, smallTileExecutors } from "../support/executors.ts";
import { long } from "../support/some-of.ts";

const seed = Number(process.env.CELLGRAD_SEED ?? 1997);
const cells = Number(process.env.CELLGRAD_CELLS ?? 100);
/** CELLGRAD_SHRINK=0 prints the first failing cell without shrinking. */
const shrink = process.env.CELLGRAD_SHRINK !== "0";
/** Each executor runs one in this many cells: WebGPU kernels compile slowly on a software adapter, large tiles slowest. */
const turns = [
  { every: 1, executors: smallTileCpuExecutors },
  { every: 5, executors: cpuExecutors },
  { every: 10, executors: smallTileExecutors },
  { every: 40, executors },
];

function describe(plan: CellPlan, error: unknown): string {
  return `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n\n${buildCell(plan).text}\n\n${JSON.stringify(plan)}`;
}

test("a few random cells", () => check(Math.ceil(cells / 8), seed + 1));
test(`${cells} random cells`, long, () => check(cells, seed));

async function check(cells: number, seed: number) {
  const coverage = new Coverage();
  let checked = 0;
  const redrawn = new Map<string, number>();
  const property = fc.asyncProperty(cellPlans, async (plan) => {
    const cell = buildCell(plan);
    const all = turns.flatMap(({ every, executors }) => (checked % every === 0 ? executors : []));
    const outcome = await checkRandomCell(
      cell,
      all.filter((executor) => executor !== interpreter),
    );
    const { unsuitable } = outcome;
    if (unsuitable !== undefined) redrawn.set(unsuitable, (redrawn.get(unsuitable) ?? 0) + 1);
    fc.pre(unsuitable === undefined);
    checked += 1;
    coverage.note({ ...outcome, functions: cell.functions });
  });
  const details = await fc.check(property, { seed, numRuns: cells, endOnFailure: !shrink });
  if (details.failed) {
    const [plan] = details.counterexample ?? [];
    const place = `CELLGRAD_SEED=${details.seed}, path ${details.counterexamplePath}, after ${details.numShrinks} shrinks`;
    throw new Error(
      `${place}\n${plan === undefined ? "too many cells were discarded" : describe(plan, details.errorInstance)}`,
    );
  }
  const drawn = [...redrawn].map(([reason, count]) => `${count} ${reason}`).join(", ");
  console.log(`${coverage.table}\n\n${details.numRuns} cells; discarded: ${drawn || "none"}`);
  // Fewer cells than by default miss some op or other, and by chance more than a tenth of them is discarded: three
  // deviations more are allowed there.
  const isWhole = cells >= 100;
  const tenth = (details.numRuns + details.numSkips) / 10;
  expect(details.numSkips).toBeLessThan(isWhole ? tenth : tenth + 3 * Math.sqrt(tenth));
  if (isWhole) expect(coverage.missed).toEqual([]);
}

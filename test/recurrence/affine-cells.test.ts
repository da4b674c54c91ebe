/**
 * @file Random cells whose carries are affine by construction, and random cells with one flaw: the analysis takes all of
 * the former and none of the latter, and what it takes means the same in parallel over time, to second order, in the
 * interpreter and on a CPU in chunks. CELLGRAD_SEED selects others, CELLGRAD_CELLS how many; `npm run fuzz -- --schedule
 * parallel` checks more, on any device.
 */
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { optimize } from "../../compiler/optimize.ts";
import { carryForms } from "../../compiler/recurrence/carry-forms.ts";
import { reasonAgainstParallel } from "../../compiler/recurrence/parallel-scan.ts";
import { openCpuDevice } from "../../devices/cpu.ts";
import { traceGraph } from "../../index.ts";
import { affinePlans, flawedPlans } from "../../testing/random-cells/affine-plans.ts";
import { flaws } from "../../testing/random-cells/affine-step.ts";
import { buildCell } from "../../testing/random-cells/random-cell.ts";
import { executorsOn } from "../fuzz/affine.ts";
import { fewOf, long, slow } from "../support/some-of.ts";
import { checkAffine, loopsOf } from "./check-affine.ts";

const seed = Number(process.env.CELLGRAD_SEED ?? 1);
const cells = Number(process.env.CELLGRAD_CELLS ?? 24);

const device = await openCpuDevice({ threads: 1 });
afterAll(() => device.destroy());

test("a few cells of maps that compose run in parallel over time", slow, () => check(Math.ceil(cells / 4), seed + 1));
test(`${cells} cells of maps that compose run in parallel over time`, long, () => check(cells, seed));

async function check(cells: number, seed: number) {
  const executors = executorsOn(device);
  const plans = fc.sample(affinePlans, { seed, numRuns: cells });
  const outcomes = [];
  for (const [i, plan] of plans.entries())
    outcomes.push(await checkAffine(plan, 1 + (i % 5), executors, i % 4 === 0 ? 2 : 1));
  const checked = outcomes.filter(({ isDiscarded }) => !isDiscarded);
  expect(checked.length).toBeGreaterThan(cells / 2);
  // A loop forward and one backward at the least.
  const loops = checked.reduce((sum, outcome) => sum + outcome.loops, 0);
  expect(loops).toBeGreaterThanOrEqual(2 * checked.length);
  expect(checked.flatMap(({ refused }) => refused)).toEqual([]);
}

describe("a state with one flaw is not taken", () => {
  const plans = fc.sample(flawedPlans, { seed, numRuns: 7 * cells });

  fewOf(flaws, (_, i) => i < 2)("%s", (flaw) => {
    const spoiled = plans.filter(({ affine }) => affine?.flaw === flaw);
    expect(spoiled.length).toBeGreaterThan(cells / 4);
    for (const plan of spoiled) {
      const cell = buildCell(plan);
      const forward = optimize(
        traceGraph("forward", cell.inputs, (tensors) => {
          const { outputs, states } = cell.run(tensors);
          return [outputs, ...states];
        }),
      );
      const loops = loopsOf(forward);
      const reasons = loops.map((attrs) => reasonAgainstParallel(attrs)).filter((reason) => reason !== undefined);
      expect(reasons, cell.text).toHaveLength(1);
      const groups = loops.flatMap((attrs) => carryForms(attrs)).filter(({ cause }) => cause !== undefined);
      expect(groups.map(({ cause }) => cause?.op)).toEqual([flaw]);
      // Whatever mixes positions is dense.
      expect(groups[0]?.form).toBe(flaw === "slice" || flaw === "sum" ? "dense" : "diagonal");
    }
  });
});

/**
 * @file Random cells, forward and backward, for many models at once: each has the bits that it has alone. CELLGRAD_SEED
 * selects others, CELLGRAD_CELLS how many.
 *
 * @module-tag slow
 */
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import type { Executor } from "../../testing/executor.ts";
import { cellPlans } from "../../testing/random-cells/cell-plan.ts";
import { checkRandomCell } from "../../testing/random-cells/check-random-cell.ts";
import { buildCell } from "../../testing/random-cells/random-cell.ts";
import { cpu } from "../support/cpu-executors.ts";
import { populationExecutor } from "../support/population.ts";
import { openWebgpu } from "../support/webgpu.ts";

const webgpu = await openWebgpu();
afterAll(() => webgpu.destroy());

const seed = Number(process.env.CELLGRAD_SEED ?? 2029);
const numRuns = Number(process.env.CELLGRAD_CELLS ?? 6);

test("random cells", async () => {
  const executors: readonly Executor[] = [
    populationExecutor(cpu),
    populationExecutor(cpu, { schedule: "stepwise" }, true),
    populationExecutor(webgpu, { maxRows: 2, chunkSteps: 2 }),
    populationExecutor(webgpu, { maxRows: 2, schedule: "stepwise" }, true),
  ];
  const plans = fc.sample(cellPlans, { seed, numRuns });
  for (const plan of plans) await checkRandomCell(buildCell(plan), executors);
  expect(plans).toHaveLength(numRuns);
});

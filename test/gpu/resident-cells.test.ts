/**
 * @file Random cells with weights that stay in registers where their equations allow it: forward and backward, in chunks,
 * with sums in subgroups of four lanes and through workgroup memory. CELLGRAD_SEED selects others, CELLGRAD_CELLS how many.
 *
 * @module-tag slow
 */
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { planProgram } from "../../compiler/plan-program.ts";
import type { Executor } from "../../testing/executor.ts";
import { cellPlans } from "../../testing/random-cells/cell-plan.ts";
import { checkRandomCell } from "../../testing/random-cells/check-random-cell.ts";
import { buildCell } from "../../testing/random-cells/random-cell.ts";
import { ProgramRunner } from "../support/programs.ts";
import { long } from "../support/some-of.ts";

const runner = await ProgramRunner.open();
afterAll(() => runner.destroy());

let resident: number;

/** Kernels as for a GPU with registers enough for any weights. */
const asGpu = (name: string, neighbours: number, chunkSteps: number): Executor => ({
  ...{ name, tolerance: 1e-4 },
  execute: async (graph, inputs) => {
    const registers = { total: 1e6, most: 300, reserved: 0 };
    const options = { target: "gpu", maxInvocations: 256, registers, neighbours, chunkSteps } as const;
    const { schedules } = planProgram(graph, options);
    resident += schedules.filter(({ schedule }) => schedule === "resident").length;
    return runner.run(graph, inputs, options);
  },
});

const seed = Number(process.env.CELLGRAD_SEED ?? 1991);
const cells = Number(process.env.CELLGRAD_CELLS ?? 8);

test("a few random cells", () => check(Math.ceil(cells / 4), 0));
test("random cells", long, () => check(cells, 2));

/** Some of their loops must have weights that stay: more than a number. */
async function check(numRuns: number, least: number) {
  resident = 0;
  const executors = [asGpu("weights stay, subgroups of 4", 4, 2), asGpu("weights stay, through memory", 1, 100)];
  for (const plan of fc.sample(cellPlans, { seed, numRuns })) await checkRandomCell(buildCell(plan), executors);
  expect(resident).toBeGreaterThan(least);
}

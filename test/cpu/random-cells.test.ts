/**
 * @file Random cells on one, two and three threads: the same bits, whichever thread computes which part. CELLGRAD_SEED
 * selects others.
 *
 * @module-tag slow
 */
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import type { CompileOptions } from "../../devices/device.ts";
import { CpuContext } from "../../runtime/cpu/context.ts";
import type { Executor } from "../../testing/executor.ts";
import { cellPlans } from "../../testing/random-cells/cell-plan.ts";
import { checkRandomCell } from "../../testing/random-cells/check-random-cell.ts";
import { buildCell } from "../../testing/random-cells/random-cell.ts";
import { bitsOf, runShared } from "./programs.ts";

const contexts = await Promise.all([1, 2, 3].map((threads) => CpuContext.open({ threads })));
afterAll(() => {
  for (const context of contexts) context.destroy();
});

let compared = 0;

/** Runs on all contexts, and returns the result of one thread. */
const together = (name: string, options: CompileOptions): Executor => ({
  ...{ name, tolerance: 1e-4 },
  execute: async (graph, inputs) => {
    const all = await Promise.all(contexts.map((context) => runShared(context, graph, inputs, options)));
    for (const results of all.slice(1)) expect(bitsOf(results)).toEqual(bitsOf(at(all, 0)));
    compared++;
    return at(all, 0);
  },
});

test("random cells", async () => {
  const executors = [
    together("in chunks of 2 steps", { chunkSteps: 2 }),
    together("stepwise", { schedule: "stepwise" }),
  ];
  const seed = Number(process.env.CELLGRAD_SEED ?? 1997);
  for (const plan of fc.sample(cellPlans, { seed, numRuns: 8 })) await checkRandomCell(buildCell(plan), executors);
  expect(compared).toBeGreaterThan(8);
});

/** @file A random cell prints as a program that, run unchanged, has the cell's loss and gradient bit for bit. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, expect, test, vi } from "vitest";
import type { LossOutcome } from "../../entries/testing.ts";
import { prepare } from "../../testing/random-cells/cell-checks.ts";
import { lossGraphs, lossOfCell } from "../../testing/random-cells/cell-graphs.ts";
import { type CellPlan, cellPlans } from "../../testing/random-cells/cell-plan.ts";
import { buildCell } from "../../testing/random-cells/random-cell.ts";
import { corpus } from "../fuzz/corpus.ts";
import { someOf } from "../support/some-of.ts";

// Beside the tests, where modules find the package by its name as those of the tests do.
const folder = mkdtempSync(fileURLToPath(new URL("printed-", import.meta.url)));
afterAll(() => rmSync(folder, { recursive: true }));

const kept = Object.values(corpus()).flatMap(({ kind, plan }) => (kind === "cell" ? [plan as CellPlan] : []));
const drawn = fc.sample(cellPlans, { numRuns: 6, seed: 18 });
const plans = [...kept, ...drawn];

test("the plans have nested loops, tokens, masks, both directions, both kinds of size, and counters", () => {
  const texts = plans.map((plan) => buildCell(plan).text).join("\n");
  const parts = ["scanTensors(", "tokens, ", "mask }", "reverse: true", "shapes:", "randomBits(", "count }"];
  expect(parts.filter((part) => !texts.includes(part))).toEqual([]);
  expect(new Set(plans.map(({ reverse }) => reverse)).size).toBe(2);
  expect(new Set(plans.map(({ symbolicTime }) => symbolicTime)).size).toBe(2);
});

someOf(
  plans.map((plan, i) => [i, plan] as const),
  ([i]) => i % 4 === 0,
  ([i]) => i === 0,
)("plan %i, pasted and run", async (i, plan) => {
  const cell = buildCell(plan);
  const { value, gradients, moving, avals } = prepare(lossGraphs(lossOfCell(cell)));
  const file = join(folder, `counterexample-${i}.mjs`);
  writeFileSync(file, cell.text);
  const printed = vi.spyOn(console, "log").mockImplementation(() => {});
  const { outcome } = (await import(/* @vite-ignore */ file)) as { readonly outcome: LossOutcome };
  expect(printed).toHaveBeenCalledWith(outcome);
  printed.mockRestore();
  expect(outcome.loss).toBe(value.data[0]);
  const names = avals.filter((_, k) => moving[k]).map(({ name }) => name);
  expect(Object.keys(outcome.gradients)).toEqual(names);
  expect(Object.values(outcome.gradients)).toEqual(gradients);
});

test("is short for a small cell", () => {
  // The groups of an affine plan have the shapes of its states.
  const ordinary = plans.filter(({ affine }) => affine === undefined);
  const small = ordinary.map((plan) => ({ ...plan, batch: 1, time: 1, features: 1, instructions: [], tokens: false }));
  for (const plan of small) expect(buildCell({ ...plan, states: [[1]] }).text.split("\n").length).toBeLessThan(50);
});

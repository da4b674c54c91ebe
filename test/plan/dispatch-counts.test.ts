/** @file How many dispatches a training step takes where weights stay: as many at any length of the sequence. */
import { expect, test } from "vitest";
import { gru, lstm } from "../../cells/index.ts";
import type { CellDefinition } from "../../compiler/dsl/cell.ts";
import { bucketOf, evaluateDim } from "../../compiler/graph/dim.ts";
import type { Step } from "../../compiler/plan/program.ts";
import { planProgram } from "../../compiler/plan-program.ts";
import minimalGatedUnit from "../../examples/minimal-gated-unit.ts";
import { languageModel } from "../../train/networks.ts";
import { adam } from "../../train/optimizers/gradient-descent.ts";
import { trainingStep } from "../../train/training-step.ts";

/** Dispatches of steps at a size; a loop inside a kernel counts once, however it is cut for the watchdog. */
function dispatchesOf(steps: readonly Step[], sizes: { readonly B: number; readonly T: number }): number {
  return steps.reduce((sum, step) => {
    if (step.kind === "dispatch") return sum + 1;
    if (step.kind === "loop") return sum + evaluateDim(step.length, sizes) * dispatchesOf(step.body, sizes);
    if (step.kind !== "choose") return sum;
    return sum + dispatchesOf(bucketOf(step.branches, evaluateDim(step.dim, sizes))?.steps ?? [], sizes);
  }, 0);
}

const amd = { total: 131072, most: 256, reserved: 64 };

test.each([
  ["lstm", lstm as CellDefinition],
  ["gru", gru as CellDefinition],
  ["a custom cell", minimalGatedUnit as CellDefinition],
])("a training step of %s with head, loss, clipping and Adam", (_, cell) => {
  const network = languageModel({ cell, units: 128, vocabulary: 64, embed: 64 });
  const { graph, donate } = trainingStep(network, { optimizer: adam(), clipNorm: 1 });
  const options = { target: "gpu", donate, maxInvocations: 1024, registers: amd, neighbours: 32 } as const;
  const program = planProgram(graph, options);
  expect(program.schedules.map(({ schedule }) => schedule)).toEqual(["resident", "resident"]);
  for (const B of [1, 16, 256]) {
    const [few = 0, many = 0] = [10, 1000].map((T) => dispatchesOf(program.steps, { B, T }));
    expect(many).toBeLessThanOrEqual(few);
    expect(few).toBeLessThanOrEqual(21);
  }
});

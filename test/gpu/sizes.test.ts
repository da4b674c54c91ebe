/**
 * @file The sizes that kernels read: the sizes of one kernel never overlap those of the next, however many it reads.
 */
import { afterAll, expect, test } from "vitest";
import { zoo } from "../../cells/zoo.ts";
import { at } from "../../compiler/graph/errors.ts";
import { sgd } from "../../index.ts";
import { instantiate } from "../../runtime/instance.ts";
import { evaluateSize } from "../../runtime/walk.ts";
import { objectiveOf } from "../../testing/random-training/random-objective.ts";
import type { TrainingPlan } from "../../testing/random-training/training-plan.ts";
import { trainingStep } from "../../train/training-step.ts";
import { corpus } from "../fuzz/corpus.ts";
import { openWebgpu } from "../support/webgpu.ts";

const device = await openWebgpu();
afterAll(() => device.destroy());

test("a kernel reads its own sizes, also if they need more than one aligned block", () => {
  const { plan } = at(
    [corpus()["training-many-sizes.json"]].filter((entry) => entry !== undefined),
    0,
  );
  const random = (plan as TrainingPlan).objective;
  const { objective } = objectiveOf(
    random,
    at(
      [zoo[random.cell]].filter((cell) => cell !== undefined),
      0,
    ),
  );
  const program = device.lower?.(trainingStep(objective, { optimizer: sgd() }).graph);
  const kernels = program?.kernels ?? [];
  expect(Math.max(...kernels.map(({ uniforms }) => uniforms.length))).toBeGreaterThan(64);
  if (program === undefined || "module" in program) return;
  const sizes = { B: 3, T: 5 };
  const { sizeTable, sizeOffsets } = instantiate(program, sizes);
  for (const [i, { uniforms }] of kernels.entries()) {
    const first = at(sizeOffsets, i);
    expect(first % 256).toBe(0);
    const read = sizeTable.slice(first / 4, first / 4 + uniforms.length);
    expect([...read]).toEqual(uniforms.map(({ value }) => evaluateSize(value, sizes)));
  }
});

/**
 * @file Kernels as for a GPU, for many models at once: weights that stay in registers or pass by in vectors, products in
 * blocks, long sums in two kernels. Each model has the bits that it has alone.
 *
 * @module-tag slow
 */
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { graphVjp } from "../../compiler/autodiff/reverse.ts";
import { at } from "../../compiler/graph/errors.ts";
import { planProgram } from "../../compiler/plan-program.ts";
import { type CellDefinition, dot, gru, type Tensor, traceGraph } from "../../index.ts";
import { generator, randomFloats } from "../../testing/numbers/random-data.ts";
import { cellPlans } from "../../testing/random-cells/cell-plan.ts";
import { checkRandomCell } from "../../testing/random-cells/check-random-cell.ts";
import { buildCell } from "../../testing/random-cells/random-cell.ts";
import { languageModel } from "../../train/networks.ts";
import { adam, sgd } from "../../train/optimizers/gradient-descent.ts";
import { trainingStep } from "../../train/training-step.ts";
import { inputsOf } from "../kernels/inputs.ts";
import { executorOfModels } from "../support/population.ts";
import { ProgramRunner } from "../support/programs.ts";
import { long, someOf } from "../support/some-of.ts";

const runner = await ProgramRunner.open();
afterAll(() => runner.destroy());

const registers = { total: 1e6, most: 300, reserved: 0 };
const asGpu = { target: "gpu", maxInvocations: 256, registers } as const;
const executor = (more: object) =>
  executorOfModels("as a GPU", (graph, inputs, options) =>
    runner.run(graph, inputs, { ...asGpu, ...more, ...options }),
  );

test("random cells whose weights stay", long, async () => {
  const executors = [executor({ neighbours: 4, chunkSteps: 2 }), executor({ schedule: "stepwise" })];
  for (const plan of fc.sample(cellPlans, { seed: 77, numRuns: 2 })) await checkRandomCell(buildCell(plan), executors);
});

test("weights that pass by in vectors", async () => {
  const network = languageModel({ cell: gru as CellDefinition, units: 9, vocabulary: 5, embed: 3 });
  const { graph } = trainingStep(network, { optimizer: sgd() });
  const options = { schedule: "persistent" } as const;
  const { kernels } = planProgram(graph, { ...asGpu, ...options, population: { models: 3 } });
  expect(kernels.some(({ code }) => code.buffers.some(({ array }) => array.element === "f32x4"))).toBe(true);
  await executor(options).execute(graph, inputsOf(graph, false, { B: 3, T: 3 }));
});

const sharing = ["every other input is shared", "no input is shared"] as const;
someOf(sharing, (_, i) => i === 0)("products in blocks, and their gradients: %s", async (which) => {
  const shapes = [
    [70, 40],
    [40, 66],
  ] as const;
  const avals = shapes.map((shape, i) => ({ name: `x${i}`, dtype: "f32" as const, shape }));
  const product = traceGraph("product", avals, ([a, b]) => [dot(a as Tensor<"f32">, b as Tensor<"f32">)]);
  const graph = traceGraph("gradient", avals, (tensors) => {
    const { outputs, pullback } = graphVjp(product, tensors, [true, true]);
    return [at(outputs, 0), ...pullback([at(outputs, 0) as Tensor<"f32">])].flatMap((each) => each ?? []);
  });
  const random = generator(5);
  const inputs = shapes.map((shape) => randomFloats(random, shape));
  const each = executorOfModels(
    "as a GPU",
    (g, x, options) => runner.run(g, x, { ...asGpu, ...options }),
    which === sharing[0],
  );
  expect(await each.execute(graph, inputs)).toHaveLength(3);
});

test("a training step on a GPU takes as many dispatches for many models as for one, also with weights that pass by", () => {
  for (const units of [16, 256, 520]) {
    const network = languageModel({ cell: gru as CellDefinition, units, layers: 1, vocabulary: 33, embed: 17 });
    const { graph, donate } = trainingStep(network, { optimizer: adam() });
    const options = { donate, target: "gpu", maxInvocations: 1024, maxWorkgroupBytes: 32768 } as const;
    const alone = planProgram(graph, options);
    const together = planProgram(graph, { ...options, population: { models: 7, shared: ["x", "targets"] } });
    expect(together.steps).toEqual(alone.steps);
    expect(together.kernels.map(({ code: { parts } }) => parts.length)).toEqual(
      alone.kernels.map(({ code: { parts } }) => parts.length),
    );
  }
});

/**
 * @file Training steps whose matrix memories run in chunks: on devices the gradient is that of the interpreter, which goes
 * one step after another, and the planner's bytes are a small part of what the memory of every step would take.
 */
import { afterAll, describe, expect, test } from "vitest";
import { gatedDeltaNet, gatedLinearAttention, mlstm } from "../../cells/zoo.ts";
import { evaluateDim } from "../../compiler/graph/dim.ts";
import type { Graph } from "../../compiler/graph/graph.ts";
import { planProgram } from "../../compiler/plan-program.ts";
import { type ChunkChoice, chunkwise, memoryLine, memoryReports } from "../../compiler/recurrence/chunkwise.ts";
import { openCpuDevice } from "../../devices/cpu.ts";
import type { Device } from "../../devices/device.ts";
import { languageModel } from "../../entries/networks.ts";
import { type CellDefinition, createTrainer, interpret, ndarray, sgd, trainingStep } from "../../index.ts";
import { gradientStep } from "../../train/training-step.ts";
import { farthest, inputsOf, named } from "../kernels/inputs.ts";
import { long, slow, someOf } from "../support/some-of.ts";
import { openWebgpu } from "../support/webgpu.ts";

const networkOf = (cell: CellDefinition, units: number) =>
  languageModel({ cell, units, layers: 1, vocabulary: 5, embed: 3 });

const inChunks = (choice: ChunkChoice) => (loss: Graph) => chunkwise(loss, choice);

describe("bytes of a step of an mLSTM, 16 rows of 1,000 steps", () => {
  const sizes = { B: 16, T: 1000 };
  const bytesOf = (units: number, target: "cpu" | "gpu", segments?: { length: number; steps: number }): number => {
    const network = languageModel({ cell: mlstm(), units, layers: 1, vocabulary: 64, embed: 32 });
    const { graph, donate } = trainingStep(network, { optimizer: sgd() }, segments, inChunks("auto"));
    const { buffers } = planProgram(graph, { donate, target });
    return buffers.flatMap(({ size }) => size).reduce<number>((total, dim) => total + 4 * evaluateDim(dim, sizes), 0);
  };
  /** What the memory takes that is kept at every step. */
  const kept = (units: number) => 4 * sizes.B * sizes.T * units * units;

  test.each(["cpu", "gpu"] as const)(
    "512 units on a %s: less than a 16th of the memory of every step",
    slow,
    (target) => {
      expect(kept(512) / bytesOf(512, target)).toBeGreaterThan(16);
    },
  );

  test("128 units, in segments of 128 steps: the same", slow, () => {
    expect(kept(128) / bytesOf(128, "cpu", { length: 1000, steps: 128 })).toBeGreaterThan(16);
  });
});

const devices: readonly (readonly [string, Device])[] = [
  ["WebGPU", await openWebgpu()],
  ["a CPU", await openCpuDevice({ threads: 2 })],
];
afterAll(() => {
  for (const [, device] of devices) device.destroy();
});

describe.each(devices)("on %s", (_, device) => {
  const cells: readonly [string, CellDefinition][] = [
    ["mlstm", mlstm() as CellDefinition],
    ["gated linear attention", gatedLinearAttention({ heads: 2 }) as CellDefinition],
    ["gated DeltaNet", gatedDeltaNet({ heads: 2 }) as CellDefinition],
  ];
  someOf(
    cells,
    ([name]) => device.kind === "cpu" || name === "gated linear attention",
    ([name]) => device.kind === "cpu" && name === "gated linear attention",
  )("the gradient of %s is the interpreter's, at every length", async (name, cell) => {
    const network = networkOf(cell, 16);
    const exact = gradientStep(network).graph;
    const { graph } = gradientStep(network, "f32", undefined, inChunks(8));
    const executable = await device.compile(graph);
    for (const T of [20, 8, 1, 0]) {
      const inputs = inputsOf(exact, false, { B: 2, T });
      const results = await Promise.all(executable.run(named(graph, inputs)).map((output) => output.read()));
      if (T > 0) expect(farthest(results, interpret(exact, inputs)), `${name}, ${T} steps`).toBeLessThan(1e-4);
    }
  });
});

test("the gradient of an mLSTM over 1,000 steps is the interpreter's", long, async () => {
  const [, device] = devices[1] ?? [];
  const network = networkOf(mlstm() as CellDefinition, 8);
  const exact = gradientStep(network).graph;
  const { graph } = gradientStep(network, "f32", undefined, inChunks(16));
  const inputs = inputsOf(exact, false, { B: 1, T: 1000 });
  const executable = await device?.compile(graph);
  const results = await Promise.all((executable?.run(named(graph, inputs)) ?? []).map((output) => output.read()));
  expect(farthest(results, interpret(exact, inputs))).toBeLessThan(1e-4);
});

test("memories of 32 keys and values or more run in chunks by themselves", () => {
  const linesOf = (units: number) => {
    let lines: readonly string[] = [];
    trainingStep(networkOf(mlstm() as CellDefinition, units), { optimizer: sgd() }, undefined, (loss) => {
      lines = memoryReports(loss).map(memoryLine);
      return chunkwise(loss);
    });
    return lines;
  };
  gradientStep(networkOf(mlstm() as CellDefinition, 64), "f32", undefined, (loss) => {
    expect(chunkwise(loss)).not.toBe(loss);
    expect(chunkwise(loss, "never")).toBe(loss);
    return loss;
  });
  expect(linesOf(128)).toEqual(["mlstm: state/layers/0/C in chunks of 64 steps"]);
  expect(linesOf(32)).toEqual(["mlstm: state/layers/0/C in chunks of 16 steps"]);
  expect(linesOf(16)).toEqual([
    "mlstm: state/layers/0/C at every step, since it has 16 x 16 numbers, hardly more than a step of a chunk",
  ]);
});

test("a trainer takes a number of steps, or none", slow, async () => {
  const [[, device] = []] = devices.slice(1);
  if (device === undefined) throw new Error("no device");
  const network = networkOf(mlstm() as CellDefinition, 16);
  const tokens = ndarray([6, 2], [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1], "i32");
  const batch = { x: tokens, targets: tokens };
  const gradients = await Promise.all(
    (["never", 4] as const).map(async (chunks) => {
      const trainer = await createTrainer(device, network, { optimizer: sgd(), chunks, seed: 3 });
      await trainer.step(batch);
      return trainer.gradients(batch);
    }),
  );
  const [a, b] = gradients.map((one) => Object.values(one));
  expect(farthest(a ?? [], b ?? [])).toBeLessThan(1e-5);
  await expect(createTrainer(device, network, { chunks: 12 })).rejects.toThrow(
    'createTrainer: chunks is 12; expected "auto", "never" or a power of two from 2 on',
  );
});

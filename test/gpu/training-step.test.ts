/**
 * @file One compiled training step on a device: it serves every batch and length without recompiling, returns the same
 * bits in every run, and agrees with the interpreter in both schedules.
 */
import { afterAll, describe, expect, test, vi } from "vitest";
import { gru, lstm } from "../../cells/index.ts";
import type { CellDefinition } from "../../compiler/dsl/cell.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { openInterpreter } from "../../devices/interpreter.ts";
import { languageModel } from "../../train/networks.ts";
import { adam } from "../../train/optimizers/gradient-descent.ts";
import { createTrainer } from "../../train/trainer.ts";
import { slow } from "../support/some-of.ts";
import { openWebgpu } from "../support/webgpu.ts";

const device = await openWebgpu();
afterAll(() => device.destroy());

const vocabulary = 11;
const network = (cell: CellDefinition) => languageModel({ cell, units: 12, layers: 2, vocabulary, embed: 5 });
const options = { seed: 3, optimizer: adam(), learningRate: 0.01, clipNorm: 1 };

function tokens(time: number, batch: number, shift: number): NdArray {
  const data = Float64Array.from({ length: time * batch }, (_, i) => (i * i + 3 * i + shift) % vocabulary);
  return { dtype: "i32", shape: [time, batch], data };
}

const batchOf = (time: number, batch: number, shift: number) => ({
  x: tokens(time, batch, shift),
  targets: tokens(time, batch, shift + 1),
});

test("two batch sizes and three lengths compile nothing new", slow, async () => {
  const created = vi.spyOn(GPUDevice.prototype, "createComputePipelineAsync");
  const modules = vi.spyOn(GPUDevice.prototype, "createShaderModule");
  const trainer = await createTrainer(device, network(lstm as CellDefinition), options);
  const before = [created.mock.calls.length, modules.mock.calls.length];
  expect(before[0]).toBeGreaterThan(0);
  for (const batch of [4, 7]) {
    for (const time of [3, 8, 5]) {
      const { loss } = await trainer.step({ ...batchOf(time, batch, time), fresh: true });
      expect(loss).toBeGreaterThan(0);
    }
  }
  expect([created.mock.calls.length, modules.mock.calls.length]).toEqual(before);
  vi.restoreAllMocks();
  trainer.destroy();
});

test("the same seed returns the same bits after 50 steps", slow, async () => {
  const run = async () => {
    const trainer = await createTrainer(device, network(gru as CellDefinition), options);
    for (let step = 0; step < 50; step++) await trainer.step(batchOf(6, 5, step));
    const parameters = await trainer.parameters();
    trainer.destroy();
    return parameters;
  };
  const [first, second] = [await run(), await run()];
  for (const [path, { data }] of Object.entries(first)) {
    expect(new Uint8Array(Float32Array.from(data).buffer), path).toEqual(
      new Uint8Array(Float32Array.from(second[path]?.data ?? []).buffer),
    );
  }
});

describe.each([
  { schedule: "persistent", cell: lstm as CellDefinition },
  { schedule: "stepwise", cell: gru as CellDefinition },
] as const)("schedule $schedule", ({ schedule, cell }) => {
  test(`${cell.cellName} trains as in the interpreter`, slow, async () => {
    const forced = {
      ...device,
      compile: (graph: Parameters<typeof device.compile>[0], given = {}) =>
        device.compile(graph, { ...given, schedule }),
    };
    const [gpu, exact] = [
      await createTrainer(forced, network(cell), options),
      await createTrainer(openInterpreter(), network(cell), options),
    ];
    for (let step = 0; step < 8; step++) {
      const [a, b] = [await gpu.step(batchOf(6, 5, step)), await exact.step(batchOf(6, 5, step))];
      expect(Math.abs(a.loss - b.loss) / b.loss).toBeLessThan(1e-4);
      expect(Math.abs(a.gradientNorm - b.gradientNorm) / b.gradientNorm).toBeLessThan(1e-3);
    }
    gpu.destroy();
  });
});

/** @file Values in several buffers, where a device bounds the size of one: training is the same as with one buffer. */
import { afterAll, describe, expect, test } from "vitest";
import { cells } from "../../cells/index.ts";
import { gru } from "../../cells/gru.ts";
import { lstm } from "../../cells/lstm.ts";
import type { CellDefinition } from "../../compiler/dsl/cell.ts";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import { specialize } from "../../compiler/passes/specialize.ts";
import type { Device } from "../../devices/device.ts";
import { deviceOn } from "../../devices/webgpu.ts";
import { GpuContext } from "../../runtime/context.ts";
import { evaluateSize } from "../../runtime/walk.ts";
import { partsOf } from "../../train/arena.ts";
import { languageModel } from "../../train/networks.ts";
import { adagrad, lion, rmsProp } from "../../train/optimizers/adaptive.ts";
import { adam, adamW, momentum, sgd } from "../../train/optimizers/gradient-descent.ts";
import { withAverage } from "../../train/optimizers/weight-average.ts";
import { matrices, withWeightDecay } from "../../train/optimizers/weight-decay.ts";
import { createPredictor } from "../../train/predictor.ts";
import { createTrainer, type TrainerOptions } from "../../train/trainer.ts";
import { trainingStep } from "../../train/training-step.ts";

const context = await GpuContext.open("software");
afterAll(() => context.destroy());
/** Bytes of a buffer: less than two of the larger parameters. */
const most = 4096;
const [one, paged] = [deviceOn(context), deviceOn(context, most)];
/** The program for all sizes adds up sums in another order than one for known sizes. */
const whole: Device = { ...one, compile: (graph, options) => one.compile(specialize(graph, { B: 2, T: 3 }), options) };

const vocabulary = 60;
const model = (cell: CellDefinition = lstm as CellDefinition, units = 8) =>
  languageModel({ cell, units, layers: 1, vocabulary, embed: 8 });

function batchOf(n: number, time = 3, batch = 2) {
  const of = (shift: number) =>
    ndarray([time, batch], Array.from({ length: time * batch }, (_, i) => (i * i + 7 * n + shift) % vocabulary), "i32");
  return { x: of(0), targets: of(1) };
}

async function trained(options: TrainerOptions, make = model, steps = 3) {
  const runs = [whole, paged].map(async (device) => {
    const trainer = await createTrainer(device, make(), { seed: 1, learningRate: 0.05, ...options });
    const losses: number[] = [];
    for (let n = 0; n < steps; n++) losses.push((await trainer.step(batchOf(n))).loss);
    const parameters = await trainer.parameters();
    trainer.destroy();
    return { losses, parameters };
  });
  return Promise.all(runs);
}

test("small", async () => {
  const [a, b] = await trained({});
  expect(b?.losses).toEqual(a?.losses);
  expect(b?.parameters).toEqual(a?.parameters);
});
for (const [name, options] of Object.entries({
  clip: { clipNorm: 0.1 }, clipv: { clipValue: 0.001 }, accumulate: { accumulate: 2 },
  adamW: {optimizer: adamW()}, avg: { optimizer: withAverage(adam()) }, decay: { optimizer: withWeightDecay(sgd(), {rate: 0.01, decays: matrices}) },
  rms: { optimizer: rmsProp() }, all: {optimizer: withAverage(adamW()), accumulate: 2, clipNorm: 0.5, precision: "mixed"}
} as Record<string, TrainerOptions>))
  test(name, async () => {
    const [a, b] = await trained(options);
    expect(b?.losses).toEqual(a?.losses);
    expect(b?.parameters).toEqual(a?.parameters);
  });

/** @file Values in several buffers, where a device bounds the size of one: training is what it is with one buffer. */
import { afterAll, describe, expect, test } from "vitest";
import { gru, lstm } from "../../cells/index.ts";
import type { CellDefinition } from "../../compiler/dsl/cell.ts";
import { type NdArray, ndarray } from "../../compiler/graph/ndarray.ts";
import { dot } from "../../compiler/ops/contractions.ts";
import { traceGraph } from "../../compiler/ops/trace.ts";
import { tanh } from "../../compiler/ops/transcendental.ts";
import { transpose } from "../../compiler/ops/views.ts";
import { specialize } from "../../compiler/passes/specialize.ts";
import type { Device } from "../../devices/device.ts";
import { deviceOn } from "../../devices/webgpu.ts";
import { GpuContext } from "../../runtime/context.ts";
import { languageModel } from "../../train/networks.ts";
import { lion, rmsProp } from "../../train/optimizers/adaptive.ts";
import { adamW, sgd } from "../../train/optimizers/gradient-descent.ts";
import { withAverage } from "../../train/optimizers/weight-average.ts";
import { matrices, withWeightDecay } from "../../train/optimizers/weight-decay.ts";
import { createPredictor } from "../../train/predictor.ts";
import { createTrainer, type TrainerOptions } from "../../train/trainer.ts";
import { long, slow } from "../support/some-of.ts";
import { difference } from "../train/devices.ts";

const context = await GpuContext.open("software");
afterAll(() => context.destroy());

const [batch, time] = [2, 3];
/** Buffers of 4 KiB hold any parameter of these models, and not all of them. */
const [one, paged] = [deviceOn(context), deviceOn(context, 4096)];
/** A program for all sizes adds up some sums in another order than one for known sizes. */
const whole: Device = {
  ...one,
  compile: (graph, options) => one.compile(specialize(graph, { B: batch, T: time }), options),
};

const model = (cell: CellDefinition = lstm, vocabulary = 60) =>
  languageModel({ cell, units: 8, layers: 1, vocabulary, embed: 8 });

function batchOf(n: number, steps = time) {
  const of = (shift: number): NdArray =>
    ndarray(
      [steps, batch],
      Array.from({ length: steps * batch }, (_, i) => (i * i + 7 * n + shift) % 60),
      "i32",
    );
  return { x: of(0), targets: of(1), fresh: n === 0 };
}

async function trained(device: Device, options: TrainerOptions, network = model()) {
  const trainer = await createTrainer(device, network, { seed: 1, learningRate: 0.05, ...options });
  const losses: number[] = [];
  for (let n = 0; n < 3; n++) losses.push((await trainer.step(batchOf(n))).loss);
  const checkpoint = await trainer.checkpoint();
  trainer.destroy();
  return { losses, checkpoint };
}

describe("a trainer with small buffers", () => {
  const cases: Readonly<Record<string, TrainerOptions>> = {
    "weight decay": { optimizer: withWeightDecay(sgd(), { rate: 0.01, decays: matrices }) },
    "clipped values": { optimizer: rmsProp(), clipValue: 0.001 },
    lion: { optimizer: lion() },
    "an average, several batches": { optimizer: withAverage(adamW()), accumulate: 2 },
  };
  const tierOf = (name: string) => (/^(weight|an average)/.test(name) ? slow : long);
  for (const [name, options] of Object.entries(cases))
    test(`has the bits of one with large ones: ${name}`, tierOf(name), async () => {
      expect(await trained(paged, options, model(gru))).toEqual(await trained(whole, options, model(gru)));
    });

  test("clips by the norm of all pages, in mixed precision", slow, async () => {
    const options = { clipNorm: 0.1, precision: "mixed" } as const;
    const [a, b] = [await trained(whole, options), await trained(paged, options)];
    expect(difference(b.losses, a.losses)).toBeLessThan(1e-6);
    for (const [name, { data }] of Object.entries(a.checkpoint))
      expect(difference(b.checkpoint[name]?.data ?? [], data)).toBeLessThan(1e-4);
  });

  test("cuts tables that are larger than a buffer between their rows", slow, async () => {
    const make = () => model(lstm, 300);
    const [a, b] = [
      await trained(whole, { optimizer: sgd() }, make()),
      await trained(paged, { optimizer: sgd() }, make()),
    ];
    expect(difference(b.losses, a.losses)).toBeLessThan(1e-6);
    expect(difference(b.checkpoint.parameters?.data ?? [], a.checkpoint.parameters?.data ?? [])).toBeLessThan(1e-5);
  });

  test("saves, goes on, evaluates, predicts and profiles as one with large ones", slow, async () => {
    const trainer = await createTrainer(paged, model(), { seed: 1 });
    await trainer.step(batchOf(0));
    const kept = await trainer.checkpoint();
    expect(kept.parameters?.shape).toEqual([kept.parameters?.data.length]);
    const other = await createTrainer(one, model(), { seed: 2 });
    other.restore(kept);
    const [a, b] = [await other.step(batchOf(1)), await trainer.step(batchOf(1))];
    expect(difference([b.loss, b.gradientNorm], [a.loss, a.gradientNorm])).toBeLessThan(1e-5);
    expect(difference([await trainer.evaluate([batchOf(2)])], [await other.evaluate([batchOf(2)])])).toBeLessThan(1e-5);
    const [some, others] = [await other.gradients(batchOf(2)), await trainer.gradients(batchOf(2))];
    for (const [path, { data }] of Object.entries(some))
      expect(difference(others[path]?.data ?? [], data)).toBeLessThan(1e-4);
    const weights = await other.parameters();
    expect(await trainer.evaluate([batchOf(2)], { parameters: weights })).toBeGreaterThan(0);
    const predictor = await createPredictor(paged, model(), weights);
    const found = await predictor.predict({ x: batchOf(0).x });
    const expected = await other.predict({ x: batchOf(0).x });
    const names = Object.keys(expected.outputs);
    expect(names.length).toBeGreaterThan(0);
    for (const name of names)
      expect(difference(found.outputs[name]?.data ?? [], expected.outputs[name]?.data ?? [])).toBeLessThan(1e-5);
    predictor.destroy();
    for (const each of [trainer, other]) each.destroy();
  });
});

describe("an executable", () => {
  const graph = traceGraph("product", [{ name: "x", dtype: "f32", shape: ["B", 8] }], ([x]) => [
    tanh(dot(transpose(x as never), x as never)),
    tanh(x as never),
  ]);
  const inputOf = (rows: number) =>
    ndarray(
      [rows, 8],
      Array.from({ length: 8 * rows }, (_, i) => Math.sin(i)),
    );

  test("runs at sizes that need several buffers, and at others", async () => {
    const executable = await deviceOn(context, 2048).compile(graph);
    const reference = await one.compile(graph);
    for (const rows of [3, 100, 5, 100]) {
      const [found, expected] = [executable, reference].map((each) => each.run({ x: inputOf(rows) }));
      for (const [i, output] of (found ?? []).entries()) {
        const [mine, other] = [await output.read(), await (expected?.[i] ?? output).read()];
        expect(mine.shape).toEqual(other.shape);
        expect(difference(mine.data, other.data)).toBeLessThan(1e-6);
      }
    }
    for (const each of [executable, reference]) each.destroy();
  });

  test("takes an array that was uploaded in the same pages, and no other", async () => {
    const small = deviceOn(context, 2048);
    const fixed = specialize(graph, { B: 100 });
    const executable = await small.compile(fixed);
    const given = small.upload(inputOf(100));
    const [, output] = executable.run({ x: given });
    const { data } = inputOf(100);
    expect(difference((await output?.read())?.data ?? [], data.map(Math.tanh))).toBeLessThan(1e-5);
    const others = small.upload(
      inputOf(100),
      [
        [10, 8],
        [90, 8],
      ].map(([a, b]) => [a ?? 0, b ?? 0]),
    );
    expect(() => executable.run({ x: others })).toThrow(
      "product: input x is on the device in other pages than the program reads; upload it with the parts that it was compiled with",
    );
    expect(() => executable.run({})).toThrow("product: input x is missing");
    expect(() => executable.run({ x: inputOf(3) })).toThrow(/^product: input x: /);
    executable.destroy();
  });

  test("says what does not fit", async () => {
    const turned = traceGraph("turned", [{ name: "x", dtype: "f32", shape: ["B", 8] }], ([x]) => [
      tanh(transpose(dot(x as never, transpose(x as never)))),
    ]);
    const executable = await deviceOn(context, 2048).compile(turned);
    expect((await executable.run({ x: inputOf(4) })[0]?.read())?.shape).toEqual([4, 4]);
    expect(() => executable.run({ x: inputOf(100) })).toThrow(
      /^a kernel of turned reads and writes \d+ buffers, since values are larger than one may be, and this adapter binds \d+: lower/,
    );
    executable.destroy();
  });
});

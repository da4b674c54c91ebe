/** @file Training end to end: learns text and a series, stops at numbers that are not finite, and is reproducible by seed. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gru } from "../../cells/gru.ts";
import { lstm } from "../../cells/lstm.ts";
import { rnn } from "../../cells/rnn.ts";
import { type NdArray, ndarray, scalar, zeros } from "../../compiler/graph/ndarray.ts";
import { add, mul } from "../../compiler/ops/elementwise.ts";
import type { Device } from "../../devices/device.ts";
import type { Batch } from "../../train/data/batches.ts";
import { seriesBatches } from "../../train/data/series.ts";
import { textBatches, vocabularyOf } from "../../train/data/text.ts";
import { initialize } from "../../train/initialize.ts";
import { languageModel, seriesModel } from "../../train/networks.ts";
import { momentum, sgd } from "../../train/optimizers/gradient-descent.ts";
import { createStream, forecast, sampleText } from "../../train/stream.ts";
import { createTrainer, type Trainer, type TrainingStepResult } from "../../train/trainer.ts";
import { devices } from "./devices.ts";

async function train(trainer: Trainer, training: Iterable<Batch>, epochs: number): Promise<TrainingStepResult[]> {
  const results: Promise<TrainingStepResult>[] = [];
  for (let epoch = 0; epoch < epochs; epoch++) for (const batch of training) results.push(trainer.step(batch));
  return Promise.all(results);
}

const lossesOf = (results: readonly TrainingStepResult[]) => results.map(({ loss }) => loss);
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

const text = "abcd dcba ".repeat(30);
const vocabulary = vocabularyOf(text);
const textData = textBatches(vocabulary.encode(text), { batch: 3, time: 8 });
const textNetwork = () =>
  languageModel({ cell: lstm, units: 10, layers: 1, vocabulary: vocabulary.characters.length, embed: 4 });

const wave = Array.from({ length: 120 }, (_, i) => [20 + 5 * Math.sin((2 * Math.PI * i) / 12)]);
const series = { columns: ["wave"], values: Float64Array.from(wave.flat()), length: wave.length };
const seriesData = seriesBatches(series, { batch: 2, time: 10 });

const tiny = () => seriesModel({ cell: rnn, units: 3, layers: 1, features: 1 });

function batch(rows: number, options: { fresh?: boolean; bad?: number } = {}): Batch {
  const numbers = Array.from({ length: 2 * rows }, (_, i) => Math.sin(i));
  const targets = numbers.map((x, i) => (i === 1 && options.bad !== undefined ? options.bad : x / 2));
  return { x: ndarray([2, rows, 1], numbers), targets: ndarray([2, rows, 1], targets), fresh: options.fresh ?? false };
}

for (const { name, open } of devices) {
  describe(name, () => {
    let device: Device;
    beforeAll(async () => {
      device = await open();
    });
    afterAll(() => device.destroy());

    test("another trainer resumes from a checkpoint without any difference", async () => {
      const options = { learningRate: 0.05, seed: 4 };
      // Only the first is fresh: what follows goes on from the state that the checkpoint carries.
      const batches = Array.from({ length: 5 }, (_, i) => batch(2, { fresh: i === 0 }));
      const whole = await createTrainer(device, tiny(), options);
      const losses = lossesOf(await train(whole, batches.slice(0, 3), 1));
      const checkpoint = await whole.checkpoint();
      losses.push(...lossesOf(await train(whole, batches.slice(3), 1)));
      const other = await createTrainer(device, tiny(), { ...options, seed: 9 });
      other.restore(checkpoint);
      expect(lossesOf(await train(other, batches.slice(3), 1))).toEqual(losses.slice(3));
      expect(await other.parameters()).toEqual(await whole.parameters());
      const wider = await createTrainer(device, seriesModel({ cell: rnn, units: 4, layers: 1, features: 1 }), options);
      expect(() => wider.restore(checkpoint)).toThrow(
        "the checkpoint belongs to another network or optimizer: parameters is missing or has another shape",
      );
      const cut = Object.fromEntries(
        Object.entries(checkpoint).map(([name, array]) => [name, name.startsWith("state/") ? zeros([2, 9]) : array]),
      );
      expect(() => other.restore(cut)).toThrow(
        "the checkpoint belongs to another network or optimizer: its state is missing or has another shape",
      );
      for (const trainer of [whole, other, wider]) trainer.destroy();
    });

    test("destroyed trainers leave nothing on the device after trim", async () => {
      const after: number[] = [];
      for (const units of [3, 5, 3]) {
        const network = seriesModel({ cell: rnn, units, layers: 1, features: 1 });
        const trainer = await createTrainer(device, network, {});
        await train(trainer, [batch(2), batch(2)], 1);
        await trainer.evaluate([batch(2)]);
        trainer.destroy();
        await new Promise((resolve) => setTimeout(resolve, 0));
        device.trim();
        after.push(device.memory().buffers);
      }
      expect(after).toEqual([after[0], after[0], after[0]]);
    });

    test("one seed gives one run, bit for bit, and another seed another", async () => {
      const runOf = async (seed: number) => {
        const trainer = await createTrainer(device, tiny(), { seed, optimizer: momentum(), clipNorm: 0.5 });
        const results = await train(trainer, seriesData.training, 1);
        const parameters = await trainer.parameters();
        trainer.destroy();
        return { losses: lossesOf(results), parameters };
      };
      expect(await runOf(4)).toEqual(await runOf(4));
      expect((await runOf(4)).losses).not.toEqual((await runOf(5)).losses);
    });

    test("steps may be enqueued ahead: results and weights are those of steps one by one", async () => {
      const ahead = await createTrainer(device, tiny());
      const alone = await createTrainer(device, tiny());
      const enqueued = await train(ahead, seriesData.training, 1);
      const awaited: TrainingStepResult[] = [];
      for (const batch of seriesData.training) awaited.push(await alone.step(batch));
      expect(enqueued).toEqual(awaited);
      expect(await ahead.parameters()).toEqual(await alone.parameters());
      ahead.destroy();
      alone.destroy();
    });

    test("a step that is not finite stops training, says where, and leaves the last good weights", async () => {
      const trainer = await createTrainer(device, tiny(), { seed: 2 });
      const good = await trainer.step(batch(2, { fresh: true }));
      const parameters = await trainer.parameters();
      const after = [trainer.step(batch(2, { bad: Number.NaN })), trainer.step(batch(2)), trainer.step(batch(2))];
      const results = await Promise.all(after);
      expect(good).toMatchObject({ step: 1, finite: true });
      expect(good.firstBad).toBeUndefined();
      expect(Number.isFinite(results[0]?.loss)).toBe(false);
      for (const [i, result] of results.entries())
        expect(result).toMatchObject({ step: 2 + i, finite: false, firstBad: "loss", firstBadStep: 2 });
      expect(await trainer.parameters()).toEqual(parameters);

      trainer.setParameters(parameters);
      const resumed = await trainer.step(batch(2));
      expect(resumed.finite).toBe(true);
      expect(await trainer.parameters()).not.toEqual(parameters);
      trainer.destroy();
    });

    test("an update that would make weights infinite is not applied, and stops training", async () => {
      const trainer = await createTrainer(device, tiny(), {
        ...{ seed: 2, learningRate: 1e38 },
        optimizer: {
          ...sgd(),
          update: ({ parameter, learningRate }) => ({ parameter: add(parameter, mul(learningRate, 10)), slots: {} }),
        },
      });
      const parameters = await trainer.parameters();
      const results = [await trainer.step(batch(2, { fresh: true })), await trainer.step(batch(2))];
      for (const result of results)
        expect(result).toMatchObject({ finite: false, firstBad: "update", firstBadStep: 1 });
      for (const { loss, gradientNorm } of results) expect([loss, gradientNorm].every(Number.isFinite)).toBe(true);
      expect(await trainer.parameters()).toEqual(parameters);
      trainer.destroy();
    });

    test("the state is carried from batch to batch, and starts anew where a batch is fresh", async () => {
      // Weights that do not move: the loss then tells of the state alone.
      const trainer = await createTrainer(device, tiny(), {
        optimizer: { ...sgd(), update: ({ parameter }) => ({ parameter, slots: {} }) },
      });
      const losses = [];
      for (const fresh of [false, false, true, false]) losses.push((await trainer.step(batch(2, { fresh }))).loss);
      const [first, carried, again, carriedAgain] = losses;
      expect(again).toBe(first);
      expect(carriedAgain).toBe(carried);
      expect(carried).not.toBe(first);
      expect(await trainer.evaluate([batch(2, { fresh: true }), batch(2)])).toBeCloseTo(
        ((first ?? 0) + (carried ?? 0)) / 2,
        6,
      );
      trainer.destroy();
    });

    test("another number of rows needs a fresh state, but no new trainer", async () => {
      const trainer = await createTrainer(device, tiny());
      await trainer.step(batch(2));
      expect(() => trainer.step(batch(3))).toThrow(
        "a batch of 3 rows follows one of 2, whose state has another number of rows; set fresh: true on it",
      );
      expect((await trainer.step(batch(3, { fresh: true }))).finite).toBe(true);
      trainer.destroy();
    });

    test("evaluation weights batches by their targets, trains nothing, and leaves the carried state", async () => {
      const [a, b] = [await createTrainer(device, tiny()), await createTrainer(device, tiny())];
      await a.step(batch(2));
      await b.step(batch(2));
      const [small, large] = [batch(1, { fresh: true }), batch(4, { fresh: true })];
      const parts = [await a.evaluate([small]), await a.evaluate([large])] as const;
      expect(await a.evaluate([small, large])).toBeCloseTo((parts[0] + 4 * parts[1]) / 5, 6);
      expect(await a.step(batch(2))).toEqual(await b.step(batch(2)));
      await expect(a.evaluate([])).rejects.toThrow("evaluate: got no batches; hold out more data");
      a.destroy();
      b.destroy();
    });

    test("training starts from given weights, and wrong shapes are errors", async () => {
      const network = tiny();
      const given = initialize(network.specs, 4);
      const [a, b] = [
        await createTrainer(device, network, { parameters: given }),
        await createTrainer(device, network, { seed: 4 }),
      ];
      expect(await a.parameters()).toEqual(given);
      for (const trainer of [a, b]) await trainer.step(batch(2));
      expect(await a.parameters()).toEqual(await b.parameters());
      const [path = "", array] = Object.entries(given)[0] ?? [];
      const { [path]: _, ...others } = given;
      for (const [parameters, message] of [
        [others, `parameter ${path} is missing`],
        [{ ...given, extra: scalar(1) }, 'the model has no parameter "extra"'],
        [{ ...given, [path]: scalar(1) }, `parameter ${path} is []; the model expects [`],
        [{ ...given, [path]: { ...array, dtype: "i32" } as NdArray }, `parameter ${path} is i32; expected f32`],
      ] as const) {
        await expect(createTrainer(device, network, { parameters })).rejects.toThrow(message);
      }
      for (const trainer of [a, b]) trainer.destroy();
    });

    test("parameters go in and come out by path, and the seed is where they start", async () => {
      const network = tiny();
      const trainer = await createTrainer(device, network, { seed: 9 });
      expect(await trainer.parameters()).toEqual(initialize(network.specs, 9));
      const others = initialize(network.specs, 10);
      trainer.setParameters(others);
      expect(await trainer.parameters()).toEqual(others);
      expect(() => trainer.setParameters({})).toThrow("parameter layers/0/rnn/hidden/kernel is missing");
      trainer.destroy();
    });

    test("the learning rate can be changed during training", async () => {
      const changeAt = async (rate: number) => {
        const trainer = await createTrainer(device, tiny(), { optimizer: sgd(), learningRate: 0.5 });
        trainer.learningRate = rate;
        const before = await trainer.parameters();
        await trainer.step(batch(2));
        const after = await trainer.parameters();
        trainer.destroy();
        return difference(before, after);
      };
      expect((await changeAt(0.2)) / (await changeAt(0.1))).toBeCloseTo(2, 3);
    });

    const difference = (a: Record<string, NdArray>, b: Record<string, NdArray>) =>
      Math.hypot(
        ...Object.entries(a).flatMap(([key, { data }]) => [...data].map((x, i) => x - (b[key]?.data[i] ?? 0))),
      );

    test("invalid batches are errors before they reach the device", async () => {
      await expect(createTrainer(device, tiny(), { learningRate: 0 })).rejects.toThrow("the learning rate is 0");
      await expect(createTrainer(device, tiny(), { learningRate: 1e39 })).rejects.toThrow("the learning rate is 1e+39");
      await expect(createTrainer(device, tiny(), { clipNorm: -1 })).rejects.toThrow("clipNorm is -1");
      await expect(createTrainer(device, tiny(), { seed: -1 })).rejects.toThrow("the seed is -1");
      const trainer = await createTrainer(device, textNetwork());
      const tokens = (token: number) => ndarray([1, 1], [token], "i32");
      expect(() => trainer.step({ x: tokens(5), targets: tokens(0) })).toThrow(
        "x holds 5 at step 0, row 0 (counted from 0); expected tokens, whole numbers from 0 to 4",
      );
      expect(() => trainer.step({ x: tokens(0), targets: tokens(-1) })).toThrow("targets holds -1 at step 0, row 0");
      expect(() => trainer.step({ x: ndarray([0, 1], [], "i32"), targets: tokens(0) })).toThrow("x is [0, 1]");
      trainer.destroy();
    });
  });
}

/** In float64 it takes the interpreter ten times as long. */
describe.each(devices.filter(({ name }) => name !== "interpreter"))("$name", ({ open }) => {
  let device: Device;
  beforeAll(async () => {
    device = await open();
  });
  afterAll(() => device.destroy());

  test("a language model learns a text and writes it on", async () => {
    const network = textNetwork();
    const trainer = await createTrainer(device, network, { learningRate: 0.03, clipNorm: 1, seed: 1 });
    const before = await trainer.evaluate(textData.validation);
    const results = await train(trainer, textData.training, 12);
    expect(Math.abs(before - Math.log(5))).toBeLessThan(0.1);
    expect(results.map(({ step }) => step)).toEqual(results.map((_, i) => i + 1));
    expect(results.every(({ finite }) => finite)).toBe(true);
    const after = await trainer.evaluate(textData.validation);
    expect(after).toBeLessThan(0.3);
    const stream = await createStream(device, network, await trainer.parameters());
    const written: string[] = [];
    for await (const character of sampleText({
      stream,
      vocabulary,
      prompt: "abcd dcba ab",
      length: 18,
      temperature: 0,
    }))
      written.push(character);
    expect(written.join("")).toBe("cd dcba abcd dcba ");
    stream.destroy();
    trainer.destroy();
  });

  test("a series model learns a wave and forecasts it in the original units", async () => {
    const network = seriesModel({ cell: gru, units: 8, layers: 1, features: 1 });
    const trainer = await createTrainer(device, network, { learningRate: 0.02, seed: 1 });
    const results = await train(trainer, seriesData.training, 25);
    expect(mean(lossesOf(results).slice(-5))).toBeLessThan(mean(lossesOf(results).slice(0, 5)) / 20);
    const stream = await createStream(device, network, await trainer.parameters());
    const known = wave.slice(0, 60);
    const { normalisation } = seriesData;
    const predicted = await forecast({ stream, values: known, horizon: 6, normalisation });
    expect(predicted).toHaveLength(6);
    const errors = predicted.map(([value = Number.NaN], i) => Math.abs(value - (wave[60 + i]?.[0] ?? 0)));
    expect(Math.max(...errors)).toBeLessThan(2);
    stream.destroy();
    trainer.destroy();
  });
});

test.each([
  [
    () => languageModel({ cell: lstm, units: 0, layers: 1, vocabulary: 3, embed: 2 }),
    /^lstm at test\/train\/trainer\.test\.ts:\d+:\d+: units must be a whole number above 0, got 0$/,
  ],
  [
    () => languageModel({ cell: lstm, units: 2, layers: 0, vocabulary: 3, embed: 2 }),
    "layers must be a whole number above 0, got 0",
  ],
  [
    () => languageModel({ cell: lstm, units: 2, layers: 1, vocabulary: 3, embed: 0.5 }),
    "embed must be a whole number above 0, got 0.5",
  ],
  [
    () => seriesModel({ cell: rnn, units: 2, layers: 1, features: 0 }),
    "features must be a whole number above 0, got 0",
  ],
])("invalid sizes are errors (%#)", (make, message) => {
  expect(make).toThrow(message);
});

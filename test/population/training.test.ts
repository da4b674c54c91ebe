/** @file Training many models at once: every cell of the zoo, optimizers, states, and what is kept. */
import { afterAll, describe, expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import type { Device } from "../../devices/device.ts";
import { createPopulation, hyperparameter, type PopulationOptions, type Rate } from "../../entries/population.ts";
import { type CellDefinition, createTrainer, gru, openDevice, type TrainerOptions } from "../../index.ts";
import { textBatches } from "../../train/data/text.ts";
import type { Network } from "../../train/networks.ts";
import { languageModel } from "../../train/networks.ts";
import { adagrad, lion, rmsProp } from "../../train/optimizers/adaptive.ts";
import { adam, adamW, momentum, sgd } from "../../train/optimizers/gradient-descent.ts";
import { cosineDecay } from "../../train/optimizers/schedules.ts";
import { withAverage } from "../../train/optimizers/weight-average.ts";
import { matrices } from "../../train/optimizers/weight-decay.ts";
import { cpu } from "../support/cpu-executors.ts";
import { firstDifference } from "../support/population.ts";
import { slow, someOf } from "../support/some-of.ts";
import { openWebgpu } from "../support/webgpu.ts";
import { forms, isOneOfItsForm } from "../zoo/forms.ts";

const webgpu = await openWebgpu();
const interpreter = await openDevice({ device: "interpreter" });
afterAll(() => webgpu.destroy());

const text = Array.from({ length: 90 }, (_, i) => (i * i + (i % 7)) % 9);
const split = textBatches(text, { batch: 2, time: 5 });
const training = [...split.training];
const validation = [...split.validation];
const [first, second, third] = [at(training, 0), at(training, 1), at(training, 2)];

const networkOf = (cell: CellDefinition, more: object = {}): Network =>
  languageModel({ cell, units: 5, layers: 1, vocabulary: 9, embed: 4, ...more });

const seeds = [3, 4, 70];
const rates = [0.01, 0.3, 0.002];

const all = [0, 1, 2];
/** Whose place and stride are not those of the first; no rule asks whether it is the third or the second. */
const last = [2];

/** Trains three models at once, and some of them alone, and expects equal bits in results and checkpoints. */
async function expectEqual(
  device: Device,
  network: Network,
  alone: readonly number[],
  options: Partial<PopulationOptions> & Omit<TrainerOptions, "seed" | "learningRate" | "parameters" | "memory"> = {},
) {
  const population = await createPopulation(device, network, { ...options, seed: seeds, learningRate: rates });
  const together = [await population.step(first), await population.step(second), await population.step(third)];
  const checkpoints = await population.checkpoints();
  const losses = await population.evaluate(validation);
  for (const model of alone) {
    const own = { seed: at(seeds, model), learningRate: at(rates, model) };
    const trainer = await createTrainer(device, network, { ...options, ...own } as never);
    const results = [await trainer.step(first), await trainer.step(second), await trainer.step(third)];
    expect(together.map((each) => each[model])).toEqual(results);
    const checkpoint = await trainer.checkpoint();
    expect(Object.keys(at(checkpoints, model))).toEqual(Object.keys(checkpoint));
    expect(firstDifference(Object.values(at(checkpoints, model)), Object.values(checkpoint))).toBeUndefined();
    expect(losses[model]).toBe(await trainer.evaluate(validation));
    trainer.destroy();
  }
  population.destroy();
}

describe("every cell of the zoo", () => {
  someOf(
    [...forms],
    ([name]) => isOneOfItsForm(name),
    ([name]) => /^(gru|indrnn)$/.test(name),
  )("%s on the CPU", async (_, { cell, units, features }) => {
    await expectEqual(cpu, networkOf(cell, { units, embed: features }), last);
  });

  someOf(
    [...forms],
    ([name]) => isOneOfItsForm(name),
    () => false,
  )("%s on WebGPU", async (_, { cell, units, features }) => {
    const network = networkOf(cell, { units, embed: features });
    await expectEqual(webgpu, network, last, { schedule: units % 2 === 0 ? "auto" : "stepwise" });
  });
});

describe("every way to train", () => {
  const dropping = networkOf(gru as CellDefinition, { dropout: 0.3, layers: 2 });
  const ways = [
    ["AdamW, clipped, with dropout", { optimizer: adamW(), clipNorm: 0.1 }],
    ["momentum", { optimizer: momentum({ nesterov: true }) }],
    ["Adagrad", { optimizer: adagrad() }],
    ["Lion, with an average of the weights", { optimizer: withAverage(lion(), { decay: 0.9 }) }],
    ["Adam with a schedule", { optimizer: adam(), rateSchedule: cosineDecay({ updates: 5 }) }],
    ["RMSprop, centred", { optimizer: rmsProp({ centred: true }) }],
    ["gradient descent over two batches", { optimizer: sgd(), accumulate: 2 }],
    ["mixed precision", { precision: "mixed" }],
    ["stepwise", { schedule: "stepwise" }],
  ] as const;
  // Optimizers are elementwise functions of the weights, one as the other.
  const isOwn = (name: string) => /^(AdamW|gradient descent|mixed)/.test(name);
  someOf(
    ways,
    ([name]) => isOwn(name),
    ([name]) => name.startsWith("AdamW"),
  )("%s, on the CPU", async (name, options) => {
    await expectEqual(cpu, dropping, name.startsWith("AdamW") ? all : last, options);
  });

  someOf(
    ways,
    ([name]) => isOwn(name),
    () => false,
  )("%s, on WebGPU and in the interpreter", async (_, options) => {
    for (const device of [webgpu, interpreter]) await expectEqual(device, dropping, last, options);
  });
});

test.each([cpu, webgpu, interpreter])(
  "$name: each model has its own dropout and decay, with the bits of a network of these",
  slow,
  async (device) => {
    const [drops, decays] = [
      [0.1, 0.5, 0],
      [0.01, 0, 0.2],
    ];
    const optimizer = (decay: Rate) => adamW({ weightDecay: decay, decays: matrices });
    const stack = { layers: 2 };
    const network = networkOf(gru as CellDefinition, { ...stack, dropout: hyperparameter("dropout", 0.3) });
    const population = await createPopulation(device, network, {
      ...{ seed: seeds, learningRate: rates, optimizer: optimizer(hyperparameter("decay", 0.1)) },
      hyperparameters: { dropout: drops, decay: decays },
    });
    const together = [await population.step(first), await population.step(second)];
    for (const model of device === cpu ? all : last) {
      const seed = at(seeds, model);
      const own = networkOf(gru as CellDefinition, { ...stack, dropout: hyperparameter("dropout", at(drops, model)) });
      const trainer = await createTrainer(device, own, {
        ...{ seed, learningRate: at(rates, model), optimizer: optimizer(hyperparameter("decay", at(decays, model))) },
      });
      const gradients = await trainer.gradients(first);
      expect(Object.keys(gradients).length).toBeGreaterThan(3);
      const alone = [await trainer.step(first), await trainer.step(second)];
      expect(together.map((results) => results[model])).toEqual(alone);
      const found = firstDifference(
        Object.values(await population.parameters(model)),
        Object.values(await trainer.parameters()),
      );
      expect(found).toBeUndefined();
      trainer.destroy();
    }
    expect(new Set(at(together, 1).map(({ loss }) => loss)).size).toBe(3);
    await population.keep([2]);
    expect(population.hyperparameters).toEqual({ dropout: [0], decay: [0.2] });
    population.destroy();
  },
);

test("a hyperparameter alone is its value, up to the rounding of a rate to f32", async () => {
  const losses = async (dropout: Rate, weightDecay: Rate) => {
    const network = networkOf(gru as CellDefinition, { dropout });
    const trainer = await createTrainer(interpreter, network, { optimizer: adamW({ weightDecay }), learningRate: 0.1 });
    await trainer.step(first);
    return (await trainer.step(second)).loss;
  };
  const fixed = await losses(0.25, 0.125);
  expect(await losses(hyperparameter("dropout", 0.25), hyperparameter("decay", 0.125))).toBeCloseTo(fixed, 10);
  expect(await losses(hyperparameter("dropout", 0.5), hyperparameter("decay", 0.125))).not.toBeCloseTo(fixed, 3);
});

test.each([cpu, webgpu])(
  "Newton over time on $name, where each model has its own number of iterations, and the sequence where they do not converge",
  slow,
  async (device) => {
    const { cell } = forms.get("indrnn") ?? { cell: gru as CellDefinition };
    await expectEqual(device, networkOf(cell), last, { schedule: "newton" });
  },
);

test("threads change no bit, whether they share models or kernels", slow, async () => {
  const run = async (threads: number) => {
    const device = await openDevice({ device: "cpu", threads });
    const population = await createPopulation(device, networkOf(gru as CellDefinition), {
      models: 3,
      learningRate: 0.1,
    });
    for (const batch of training) await population.step(batch);
    const all = (await population.checkpoints()).flatMap((checkpoint) => Object.values(checkpoint));
    device.destroy();
    return all;
  };
  const one = await run(1);
  for (const threads of [2, 3, 4]) expect(firstDifference(await run(threads), one)).toBeUndefined();
});

test("a model that diverges stops alone", async () => {
  const network = networkOf(gru as CellDefinition);
  const population = await createPopulation(cpu, network, { learningRate: [0.01, 3e38, 0.02] });
  const results: (readonly { readonly finite: boolean; readonly firstBadStep?: number }[])[] = [];
  for (const batch of [...training, ...training]) results.push(await population.step(batch));
  expect(results.at(-1)?.map(({ finite }) => finite)).toEqual([true, false, true]);
  const stopped = results.at(-1)?.[1]?.firstBadStep;
  expect(stopped).toBe(results.findIndex((each) => each[1]?.finite === false) + 1);
  await population.keep([1, 2]);
  // Like a trainer, it stays stopped at any rate.
  population.learningRates = [0.01, 0.01];
  const after = await population.step(first);
  expect(after.map(({ finite }) => finite)).toEqual([false, true]);
  expect(after[0]?.firstBadStep).toBe(stopped);
  population.destroy();
});

test("a run over batches gives the results of all models, until none is finite", async () => {
  const network = networkOf(gru as CellDefinition);
  const population = await createPopulation(cpu, network, { learningRate: [0.01, 3e38] });
  const losses: number[][] = [];
  for await (const results of population.run(training, { steps: 20 })) losses.push(results.map(({ loss }) => loss));
  expect(losses).toHaveLength(20);
  expect(losses.at(-1)?.[0]).toBeLessThan(losses[0]?.[0] ?? 0);
  await population.keep([1]);
  const rest = async () => {
    for await (const results of population.run(training)) expect(results).toHaveLength(1);
  };
  await expect(rest()).rejects.toThrow("all models have stopped at numbers that are not finite");
  const signal = AbortSignal.abort(new Error("enough"));
  await expect(population.evaluate(validation, { signal })).rejects.toThrow("enough");
  population.destroy();
});

test("models that are kept go on as alone, and a trainer goes on from a model", async () => {
  const network = networkOf(gru as CellDefinition);
  const population = await createPopulation(cpu, network, { models: 4, seed: 5, learningRate: [0.1, 0.2, 0.3, 0.4] });
  await population.step(first);
  await population.keep([2, 0]);
  expect([population.size, population.learningRates, population.seeds]).toEqual([2, [0.3, 0.1], [7, 5]]);
  const trainer = await createTrainer(cpu, network, { learningRate: 0.3, seed: 7 });
  await trainer.step(first);
  expect((await population.step(second))[0]?.loss).toBe((await trainer.step(second)).loss);
  trainer.restore(await population.checkpoint(1));
  trainer.learningRate = 0.1;
  expect((await trainer.step(third)).loss).toBe((await population.step(third))[1]?.loss);
  population.restore([await population.checkpoint(1), await trainer.checkpoint()]);
  const results = await population.step(first);
  expect(results[0]?.loss).toBe((await trainer.step(first)).loss);
  expect(await population.parameters(1)).toBeDefined();
  population.destroy();
  trainer.destroy();
});

describe("what is wrong is said in a line", () => {
  const make = (options: object, network: Network = networkOf(gru as CellDefinition)) =>
    createPopulation(cpu, network, options as PopulationOptions);

  test.each([
    [{}, "createPopulation: models is missing; give the number of models, or a list of learning rates"],
    [{ models: 2.5 }, "createPopulation: models is 2.5; expected a whole number from 1"],
    [
      { models: 2, learningRate: [1, 2, 3] },
      "createPopulation: learningRate has 3 entries; expected one for each of 2 models",
    ],
    [{ learningRate: [1, 0] }, "the learning rate is 0; expected a number above 0"],
    [{ seed: [1, -2] }, /seed/],
    [{ models: 2, memory: { bytes: 1 } }, /createPopulation: there is no option memory/],
    [
      { models: 2, hyperparameters: { decay: [1, 2] } },
      /have no hyperparameter decay; make one with hyperparameter\("decay", …\)/,
    ],
    [{ models: 2, parameters: {} }, /parameter .* is missing/],
    [{ learningRate: [] }, "createPopulation: models is 0; expected a whole number from 1"],
  ])("%o", async (options, message) => {
    await expect(make(options)).rejects.toThrow(message);
  });

  test("models that do not exist, and rates of other numbers", async () => {
    const population = await make({ models: 2 });
    await expect(population.parameters(2)).rejects.toThrow("parameters: model 2 does not exist; models are 0 to 1");
    await expect(population.keep([0, 0])).rejects.toThrow(
      "keep: its argument is a list; expected a list of different models",
    );
    expect(() => {
      population.learningRates = [1];
    }).toThrow("there are 1 learning rates for 2 models");
    expect(() => population.restore([])).toThrow("restore: its argument is");
    population.destroy();
    expect(() => population.step(first)).toThrow("the population was destroyed; make another with createPopulation");
  });

  test("rates of dropout that are none, and values that are no list", async () => {
    const network = networkOf(gru as CellDefinition, { dropout: hyperparameter("dropout", 0.2) });
    const withRates = (dropout: unknown) => make({ models: 2, hyperparameters: { dropout } }, network);
    await expect(withRates([0.5, 1])).rejects.toThrow(
      "createPopulation: hyperparameter dropout is 1 for model 1; expected a number of 0 or more, below 1",
    );
    await expect(withRates(0.5)).rejects.toThrow(
      "createPopulation: hyperparameter dropout is 0.5; expected a list of numbers, one for each model",
    );
    // A decay has no such bound.
    const optimizer = adamW({ weightDecay: hyperparameter("decay", 0) });
    (await make({ optimizer, hyperparameters: { decay: [-0, 2] } })).destroy();
  });

  test("a checkpoint of another network changes and leaks nothing", async () => {
    const population = await make({ models: 2, seed: 9 });
    await population.step(first);
    const checkpoints = await population.checkpoints();
    const bytes = cpu.memory().bytes;
    const { [`state/${Object.keys(population.network.stateShapes)[0]}`]: _, ...stateless } = at(checkpoints, 1);
    for (const [fault, wrong] of [
      ["checkpoint 1 belongs to another network or optimizer: step is missing", { ...checkpoints[1], step: undefined }],
      ["checkpoint 1 belongs to another network or optimizer: parameters is missing", null],
      ["restore: the models were at different batches; give checkpoints of the same step", stateless],
    ] as const)
      expect(() => population.restore([at(checkpoints, 0), wrong as never])).toThrow(fault);
    expect(cpu.memory().bytes).toBe(bytes);
    const alone = await createTrainer(cpu, networkOf(gru as CellDefinition), { seed: 10 });
    await alone.step(first);
    expect((await population.step(second))[1]?.loss).toBe((await alone.step(second)).loss);
    for (const each of [population, alone]) each.destroy();
  });

  test("while it is made smaller, a step and another keep are refused, and destroy frees all", async () => {
    const before = cpu.memory().bytes;
    const population = await make({ models: 3 });
    await population.step(first);
    const keeping = population.keep([2]);
    expect(() => population.step(second)).toThrow("step: the population is being made smaller; await keep first");
    await expect(population.keep([0])).rejects.toThrow("keep: the population is being made smaller already");
    await keeping;
    await population.step(second);
    const late = population.keep([0]);
    population.destroy();
    await expect(late).rejects.toThrow();
    const again = await make({ models: 3 });
    const ending = again.keep([1]);
    // The models are read, and the program for fewer is being made.
    await again.checkpoints();
    again.destroy();
    await expect(ending).rejects.toThrow("the population was destroyed");
    expect(cpu.memory().bytes).toBe(before);
  });

  test("more models than a buffer holds", async () => {
    const network = languageModel({ cell: gru as CellDefinition, units: 64, layers: 1, vocabulary: 9, embed: 4 });
    const size = network.specs.reduce((sum, { shape }) => sum + shape.reduce<number>((a, b) => a * Number(b), 1), 0);
    const most = Math.floor((webgpu.limits?.bufferBytes ?? 0) / (4 * size));
    await expect(createPopulation(webgpu, network, { models: most + 1 })).rejects.toThrow(
      `train at most ${most} models at once`,
    );
  });
});

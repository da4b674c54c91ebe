/**
 * @file Training in mixed precision: the scale of the loss, skipped steps, checkpoints, gradients, and a loss that falls as
 * in f32.
 */
import { afterAll, describe, expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import { roundToHalf } from "../../compiler/ops/half.ts";
import { languageModel } from "../../entries/networks.ts";
import * as cg from "../../index.ts";
import { generator } from "../../testing/numbers/random-data.ts";
import { cpu } from "../support/cpu-executors.ts";
import { slow } from "../support/some-of.ts";
import { openWebgpu } from "../support/webgpu.ts";

const gpu = await openWebgpu();
const interpreter = await cg.openDevice({ device: "interpreter" });
afterAll(() => gpu.destroy());

type Float = cg.Tensor<"f32">;

const network = languageModel({ cell: cg.cells.lstm as cg.CellDefinition, units: 8, embed: 4, vocabulary: 5 });

/** A text that repeats, from some place on. */
const batchFrom = (start: number) => {
  const tokens = (shift: number) =>
    cg.ndarray(
      [6, 3],
      Array.from(
        { length: 18 },
        (_, i) => [0, 1, 2, 3, 4, 2, 1][(start + shift + Math.floor(i / 3) + 2 * (i % 3)) % 7] ?? 0,
      ),
      "i32",
    );
  return { x: tokens(0), targets: tokens(1) };
};

/** The mean of what a loop makes of x, times `size`: its cotangents are as large. */
const steep = (size: number) =>
  cg.objective("steep", { x: { dtype: "f32", shape: ["T", "B", 2] } }, ({ x }) => {
    const weights = cg.parameter("w", [2], cg.onesInit);
    const { ys } = cg.scanTensors(
      ([before], [now]) => {
        const next = cg.tanh(cg.add(cg.mul(before as Float, weights), now as Float));
        return { carries: [next], ys: [next] };
      },
      [cg.zeros(["B", 2])],
      [x],
    );
    return cg.mul(cg.mean(ys[0] as Float), size);
  });

const data = () => {
  const draw = generator(3);
  const numbers = Array.from({ length: 30 }, () => Math.fround(draw() - 0.5));
  return { inputs: { x: cg.ndarray([5, 3, 2], numbers) } };
};

const slot = async (trainer: { checkpoint: () => Promise<cg.Checkpoint> }, name: string) =>
  (await trainer.checkpoint())[`slots/${name}`]?.data[0];

const mixed = { precision: "mixed", optimizer: cg.sgd(), learningRate: 1e-3 } as const;

describe.each([
  ["the interpreter", interpreter],
  ["WebGPU", gpu],
  ["the CPU", cpu],
] as const)("the scale of the loss on %s", (_, device) => {
  test("is halved until nothing overflows, and the steps that overflow change no weight", async () => {
    const trainer = await cg.createTrainer(device, steep(100), mixed);
    const results = [];
    const weights = [];
    for (let i = 0; i < 4; i++) {
      results.push(await trainer.step(data()));
      weights.push([...((await trainer.parameters()).w?.data ?? [])]);
    }
    const [first = 0] = results.flatMap(({ skipped }, i) => (skipped ? [] : [i]));
    expect(first).toBeGreaterThan(0);
    expect(results.map(({ finite, skipped = false }) => [finite, skipped])).toEqual(
      results.map((__, i) => [true, i < first]),
    );
    for (const [i, now] of weights.entries()) {
      if (i < first) expect(now).toEqual([1, 1]);
      else expect(now).not.toEqual(weights[i - 1] ?? [1, 1]);
    }
    expect(await slot(trainer, "lossScale")).toBe(2 ** (16 - first));
    expect(await slot(trainer, "stepsAtScale")).toBe(4 - first);
    expect((await trainer.checkpoint()).step?.data[0]).toBe(4 - first);
    trainer.destroy();
  });

  test("is doubled after 2,000 updates in a row, up to 2^24", async () => {
    const trainer = await cg.createTrainer(device, steep(1e-3), mixed);
    const start = await trainer.checkpoint();
    for (const [scale, steps, scaleAfter, stepsAfter] of [
      [8, 1998, 8, 1999],
      [8, 1999, 16, 0],
      [2 ** 24, 1999, 2 ** 24, 0],
    ] as const) {
      trainer.restore({
        ...start,
        "slots/lossScale": cg.ndarray([], [scale]),
        "slots/stepsAtScale": cg.ndarray([], [steps]),
      });
      await trainer.step(data());
      expect([await slot(trainer, "lossScale"), await slot(trainer, "stepsAtScale")]).toEqual([scaleAfter, stepsAfter]);
    }
    trainer.destroy();
  });

  test("does not go below 1: a gradient that overflows then ends the run", async () => {
    const trainer = await cg.createTrainer(device, steep(1e8), mixed);
    const start = await trainer.checkpoint();
    trainer.restore({ ...start, "slots/lossScale": cg.ndarray([], [2]) });
    const [skipped, ended] = [await trainer.step(data()), await trainer.step(data())];
    expect([skipped.finite, skipped.skipped, ended.finite, ended.firstBad]).toEqual([
      true,
      true,
      false,
      "gradient norm",
    ]);
    expect(await slot(trainer, "lossScale")).toBe(1);
    trainer.destroy();
  });
});

test("a loss that is not finite ends the run at once", async () => {
  const trainer = await cg.createTrainer(interpreter, steep(Number.POSITIVE_INFINITY), mixed);
  const result = await trainer.step(data());
  expect([result.finite, result.skipped, result.firstBad]).toEqual([false, undefined, "loss"]);
  expect(await slot(trainer, "lossScale")).toBe(0);
});

test("a step that is skipped carries the state on", async () => {
  const trainer = await cg.createTrainer(cpu, network, mixed);
  const start = await trainer.checkpoint();
  // Far above what the trainer would come to by itself.
  trainer.restore({ ...start, "slots/lossScale": cg.ndarray([], [2 ** 60]) });
  const result = await trainer.step({ ...batchFrom(0), fresh: true });
  const after = await trainer.checkpoint();
  expect([result.skipped, after["slots/lossScale"]?.data[0]]).toEqual([true, 2 ** 59]);
  expect(after.parameters).toEqual(start.parameters);
  expect(after["state/layers/0/h"]?.data.some((x) => x !== 0)).toBe(true);
  trainer.destroy();
});

test("gradients are those of f32 up to the digits of f16, whatever the scale", async () => {
  const [plain, half] = await Promise.all([
    cg.createTrainer(interpreter, network, { seed: 4 }),
    cg.createTrainer(interpreter, network, { seed: 4, precision: "mixed" }),
  ]);
  const [expected, got] = [await plain.gradients(batchFrom(0)), await half.gradients(batchFrom(0))];
  const distances = Object.entries(expected).map(([path, { data: numbers }]) => {
    const norm = Math.hypot(...numbers);
    const apart = Math.hypot(...numbers.map((x, i) => x - (got[path]?.data[i] ?? Number.NaN)));
    return apart / norm;
  });
  expect(Math.max(...distances)).toBeLessThan(0.01);
  expect(Math.max(...distances)).toBeGreaterThan(1e-5);
});

test("the loss and its gradient are those at the rounded weights; the weights are not rounded", async () => {
  const trainer = await cg.createTrainer(interpreter, network, { seed: 4, precision: "mixed", optimizer: cg.sgd() });
  const weights = await trainer.parameters();
  const rounded = Object.fromEntries(
    Object.entries(weights).map(([path, value]) => {
      const graph = cg.traceGraph("round", [{ name: "x", dtype: "f32", shape: value.shape }], ([x]) => [
        roundToHalf(x as Float),
      ]);
      return [path, at(cg.interpret(graph, [value]), 0)];
    }),
  );
  expect(rounded).not.toEqual(weights);
  const gradients = await trainer.gradients(batchFrom(0));
  const { loss } = await trainer.step(batchFrom(0));
  // Only the weights that the gradient moves from are different.
  const after = await trainer.parameters();
  trainer.setParameters(rounded);
  expect(await trainer.gradients({ ...batchFrom(0), fresh: true })).toEqual(gradients);
  expect((await trainer.step({ ...batchFrom(0), fresh: true })).loss).toBe(loss);
  expect(await trainer.parameters()).not.toEqual(after);
});

test("a run that is resumed is the same to the bit, and one in f32 can go on in mixed precision", slow, async () => {
  const options = { precision: "mixed", seed: 2 } as const;
  const whole = await cg.createTrainer(cpu, network, options);
  const losses = [];
  for (let i = 0; i < 6; i++) losses.push((await whole.step(batchFrom(i))).loss);
  const [half, rest] = await Promise.all([
    cg.createTrainer(cpu, network, options),
    cg.createTrainer(cpu, network, options),
  ]);
  for (let i = 0; i < 3; i++) expect((await half.step(batchFrom(i))).loss).toBe(losses[i]);
  rest.restore(await half.checkpoint());
  for (let i = 3; i < 6; i++) expect((await rest.step(batchFrom(i))).loss).toBe(losses[i]);
  const plain = await cg.createTrainer(cpu, network, { seed: 2 });
  await plain.step(batchFrom(0));
  rest.restore(await plain.checkpoint());
  expect((await rest.step(batchFrom(1))).finite).toBe(true);
  expect(await slot(rest, "lossScale")).toBe(0);
  for (const trainer of [whole, half, rest, plain]) trainer.destroy();
});

test("a loss falls as it does in f32", slow, async () => {
  const lossAfter = async (precision: "f32" | "mixed") => {
    const trainer = await cg.createTrainer(cpu, network, { precision, learningRate: 0.02, clipNorm: 1 });
    let loss = Number.NaN;
    for (let i = 0; i < 60; i++) loss = (await trainer.step(batchFrom(i))).loss;
    trainer.destroy();
    return loss;
  };
  const [plain, half] = [await lossAfter("f32"), await lossAfter("mixed")];
  expect(plain).toBeLessThan(0.5);
  expect(Math.abs(half / plain - 1)).toBeLessThan(0.1);
});

/** @file Losses with masks, label smoothing and class weights; binary and absolute losses: each against plain numbers. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { valueAndGrad } from "../../compiler/autodiff/gradient.ts";
import { type NdArray, ndarray } from "../../compiler/graph/ndarray.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import { traceGraph } from "../../compiler/ops/trace.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import type { Device } from "../../devices/device.ts";
import { binaryCrossEntropy, type CrossEntropyOptions, crossEntropy } from "../../train/losses/classification.ts";
import { huber, meanAbsoluteError, meanSquaredError } from "../../train/losses/regression.ts";
import { devices, difference } from "./devices.ts";
import { expectLoss, lossValues } from "./loss-checks.ts";
import { numbers } from "./steps.ts";

type Float = Tensor<"f32">;
type Bool = Tensor<"bool">;

const [time, batch, classes] = [3, 2, 4] as const;
const exists = [1, 1, 1, 0, 1, 0];
const mask = ndarray([time, batch], exists, "bool");
const sequence = { x: ["T", "B", classes], targets: ["T", "B"], mask: ["T", "B"] };
const targets = ndarray([time, batch], [2, 0, 3, 1, 1, 2], "i32");
const logits = numbers([time, batch, classes], "logits", 2);
const classWeights = [0.5, 2, 1.25, 0];

/** -log softmax(row)[k] */
const cost = (row: readonly number[], k: number) =>
  Math.log(row.reduce((total, z) => total + Math.exp(z), 0)) - (row[k] ?? Number.NaN);
const rowsOf = (x: readonly number[], width: number) =>
  Array.from({ length: x.length / width }, (_, i) => x.slice(i * width, (i + 1) * width));
const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);

/** PyTorch's CrossEntropyLoss with `weight` and `label_smoothing`, mean over what counts, as its documentation says. */
function plainCrossEntropy(
  x: readonly number[],
  { smoothing = 0, weights = [1, 1, 1, 1], counts = [1, 1, 1, 1, 1, 1] as readonly number[] },
): number {
  const rows = rowsOf(x, classes).map((row, i) => {
    const target = targets.data[i] ?? 0;
    const weight = (weights[target] ?? 0) * (counts[i] ?? 0);
    const all = total(weights.map((w, k) => w * cost(row, k))) * (counts[i] ?? 0);
    return { weight, cost: (1 - smoothing) * weight * cost(row, target) + (smoothing / classes) * all };
  });
  return total(rows.map((row) => row.cost)) / total(rows.map((row) => row.weight));
}

for (const { name, open, tolerance } of devices) {
  describe(name, () => {
    let device: Device;
    beforeAll(async () => {
      device = await open();
    });
    afterAll(() => device.destroy());

    const crossEntropyCase = (options: CrossEntropyOptions) => ({
      loss: (x: Float, given: Readonly<Record<string, Tensor>>) =>
        crossEntropy(
          x,
          given.targets as Tensor<"i32">,
          options.mask === undefined ? options : { ...options, mask: given.mask as Bool },
        ),
      inputs: { x: logits, targets, mask },
      shapes: sequence,
    });
    const someMask = {} as Bool;

    test.each<[string, CrossEntropyOptions, Parameters<typeof plainCrossEntropy>[1]]>([
      ["label smoothing", { smoothing: 0.2 }, { smoothing: 0.2 }],
      ["class weights", { classWeights }, { weights: classWeights }],
      ["class weights and smoothing", { classWeights, smoothing: 0.1 }, { weights: classWeights, smoothing: 0.1 }],
      ["a mask", { mask: someMask }, { counts: exists }],
      ["a mask and smoothing", { mask: someMask, smoothing: 0.3 }, { counts: exists, smoothing: 0.3 }],
      [
        "all of them",
        { mask: someMask, smoothing: 0.3, classWeights },
        { counts: exists, smoothing: 0.3, weights: classWeights },
      ],
    ])("cross-entropy with %s", async (_, options, plain) => {
      await expectLoss(device, tolerance, crossEntropyCase(options), (x) => plainCrossEntropy(x, plain));
    });

    const [predictions, wanted] = [numbers([time, batch, 2], "predictions"), numbers([time, batch, 2], "wanted")];
    const chances = { ...wanted, data: wanted.data.map((x) => 1 / (1 + Math.exp(-3 * x))).map(Math.fround) };
    const binary = (z: number, t: number) =>
      -t * Math.log(1 / (1 + Math.exp(-z))) - (1 - t) * Math.log(1 / (1 + Math.exp(z)));
    const huberOf = (delta: number) => (p: number, t: number) =>
      Math.abs(p - t) <= delta ? (p - t) ** 2 / 2 : delta * (Math.abs(p - t) - delta / 2);
    const pairwise = [
      ["binary cross-entropy", binaryCrossEntropy, chances, binary],
      ["mean squared error", meanSquaredError, wanted, (p: number, t: number) => (p - t) ** 2],
      ["mean absolute error", meanAbsoluteError, wanted, (p: number, t: number) => Math.abs(p - t)],
      ["Huber's loss", huber, wanted, huberOf(1)],
      [
        "Huber's loss with its delta",
        (a: Float, b: Float, options: object = {}) => huber(a, b, { ...options, delta: 0.4 }),
        wanted,
        huberOf(0.4),
      ],
    ] as const;
    const shapes = { x: ["T", "B", 2], targets: ["T", "B", 2], mask: ["T", "B"] };

    test.each(pairwise)("%s is the mean of its definition", async (_, loss, targets, each) => {
      await expectLoss(
        device,
        tolerance,
        { loss: (x, given) => loss(x, given.targets as Float), inputs: { x: predictions, targets }, shapes },
        (x) => total(x.map((p, i) => each(p, targets.data[i] ?? 0))) / x.length,
      );
    });

    test.each(pairwise)("%s with a mask is the mean over what counts", async (_, loss, targets, each) => {
      const counts = (i: number) => exists[Math.floor(i / 2)] ?? 0;
      await expectLoss(
        device,
        tolerance,
        {
          loss: (x, given) => loss(x, given.targets as Float, { mask: given.mask as Bool }),
          inputs: { x: predictions, targets, mask },
          shapes,
        },
        (x) => total(x.map((p, i) => counts(i) * each(p, targets.data[i] ?? 0))) / (2 * total(exists)),
      );
    });

    /** NaN where the mask is false: of what is there nothing may be seen. */
    const poisoned = (array: NdArray): NdArray => {
      const width = array.data.length / exists.length;
      return { ...array, data: array.data.map((x, i) => (exists[Math.floor(i / width)] ? x : Number.NaN)) };
    };

    test.each(pairwise)("%s: masked positions have exactly zero gradient, even of NaN", async (_, loss, targets) => {
      const given = (x: NdArray, t: NdArray) => ({
        loss: (x: Float, given: Readonly<Record<string, Tensor>>) =>
          loss(x, given.targets as Float, { mask: given.mask as Bool }),
        inputs: { x, targets: t, mask },
      });
      const clean = await lossValues(device, given(predictions, targets));
      const { loss: value, gradient } = await lossValues(device, given(poisoned(predictions), poisoned(targets)));
      expect(value).toBe(clean.loss);
      for (const [i, slope] of gradient.entries()) expect(slope === 0).toBe(exists[Math.floor(i / 2)] === 0);
      expect(gradient).toEqual(clean.gradient);
    });

    test("cross-entropy: masked positions have exactly zero gradient, even for NaN and invalid targets", async () => {
      const options = { mask: someMask, smoothing: 0.3, classWeights };
      const clean = await lossValues(device, crossEntropyCase(options));
      const strange = { ...targets, data: targets.data.map((k, i) => (exists[i] ? k : 99)) };
      const { inputs, ...rest } = crossEntropyCase(options);
      const { loss, gradient } = await lossValues(device, {
        ...rest,
        inputs: { ...inputs, x: poisoned(logits), targets: strange },
      });
      expect(loss).toBe(clean.loss);
      for (const [i, slope] of gradient.entries()) expect(slope === 0).toBe(exists[Math.floor(i / classes)] === 0);
    });

    test("if no position counts, loss and gradient are 0", async () => {
      const inputs = {
        ...crossEntropyCase({}).inputs,
        mask: ndarray(
          [time, batch],
          exists.map(() => 0),
          "bool",
        ),
      };
      for (const options of [{ mask: someMask }, { mask: someMask, classWeights }]) {
        const { loss, gradient } = await lossValues(device, { ...crossEntropyCase(options), inputs });
        expect(loss).toBe(0);
        expect(new Set(gradient.map(Math.abs))).toEqual(new Set([0]));
      }
      // Without a mask as well, where no target has a weight.
      const weightless = { ...targets, data: targets.data.map(() => classWeights.indexOf(0)) };
      const unweighted = crossEntropyCase({ classWeights });
      const { loss, gradient } = await lossValues(device, {
        ...unweighted,
        inputs: { ...unweighted.inputs, targets: weightless },
      });
      expect(loss).toBe(0);
      expect(new Set(gradient.map(Math.abs))).toEqual(new Set([0]));
    });

    test("binary cross-entropy of logits far from 0 neither overflows nor loses the loss", async () => {
      const [x, t] = [ndarray([4], [1000, -1000, 1000, -1000]), ndarray([4], [0, 1, 1, 0])];
      const given = { loss: (x: Float, { t }: Readonly<Record<string, Tensor>>) => binaryCrossEntropy(x, t as Float) };
      const { loss, gradient } = await lossValues(device, { ...given, inputs: { x, t } });
      expect(loss).toBe(500);
      expect(difference(gradient, [0.25, -0.25, 0, 0])).toBeLessThan(1e-12);
    });
  });
}

test("class weights can be a tensor", async () => {
  const inputs = [
    { name: "x", dtype: "f32", shape: [time, batch, classes] },
    { name: "i", dtype: "i32", shape: [time, batch] },
    { name: "w", dtype: "f32", shape: [classes] },
  ] as const;
  const graph = traceGraph("loss", inputs, ([x, i, w]) =>
    [classWeights, w as Float].map((weights) =>
      crossEntropy(x as Float, i as Tensor<"i32">, { classWeights: weights }),
    ),
  );
  const [byNumbers, byTensor] = interpret(graph, [logits, targets, ndarray([classes], classWeights)]);
  expect(byTensor).toEqual(byNumbers);
  expect(byTensor?.data[0]).toBeGreaterThan(0);
});

test.each([0, 0.1])("where all weights are 0, the loss and its gradient are 0, with smoothing %d", (smoothing) => {
  const inputs = [
    { name: "x", dtype: "f32", shape: [time, batch, classes] },
    { name: "i", dtype: "i32", shape: [time, batch] },
  ] as const;
  const graph = traceGraph("loss", inputs, ([x, i]) => {
    const loss = (given: Float) => crossEntropy(given, i as Tensor<"i32">, { smoothing, classWeights: [0, 0, 0, 0] });
    const { value, grad } = valueAndGrad(loss)(x as Float);
    return [value, grad];
  });
  const [loss, gradient] = interpret(graph, [logits, targets]);
  expect(loss?.data[0]).toBe(0);
  expect(new Set(gradient?.data.map(Math.abs))).toEqual(new Set([0]));
});

test.each<[(x: Float, i: Tensor<"i32">) => Tensor, string]>([
  [(x, i) => crossEntropy(x, i, { smoothing: 1 }), "crossEntropy: smoothing is 1; expected 0 or more, below 1"],
  [(x, i) => crossEntropy(x, i, { classWeights: [1, 2] }), "crossEntropy: classWeights are [2] for 3 classes"],
  [
    (x, i) => crossEntropy(x, i, { classWeights: [1, -2, 1] }),
    "crossEntropy: a class weight is -2; expected numbers of 0",
  ],
  [
    (x, i) => crossEntropy(x, i, { classWeights: [] }),
    "crossEntropy: a class weight is missing; expected numbers of 0",
  ],
  [
    (x) => crossEntropy(x, cast(x)),
    "crossEntropy: logits are [2, 3] and targets [2, 3]; expected logits with the shape of the",
  ],
  [(x, i) => crossEntropy(x, i, { mask: cast(x) }), "crossEntropy: the mask is [2, 3]; expected the first axes of [2]"],
  [
    (x, i) => binaryCrossEntropy(x, cast(i)),
    "binaryCrossEntropy: logits are [2, 3] and targets [2]; expected one shape",
  ],
  [(x) => huber(x, x, { delta: 0 }), "huber: delta is 0; expected a number above 0"],
  [(x, i) => meanAbsoluteError(x, cast(i)), "meanAbsoluteError: predictions are [2, 3] and targets [2]; expected one"],
])("invalid arguments are errors (%#)", (make, message) => {
  const inputs = [
    { name: "x", dtype: "f32", shape: [2, 3] },
    { name: "i", dtype: "i32", shape: [2] },
  ] as const;
  expect(() => traceGraph("loss", inputs, ([x, i]) => [make(x as Float, i as Tensor<"i32">)])).toThrow(message);
});

/** A tensor of the wrong shape matters here, and not its dtype. */
function cast<T extends Tensor>(x: Tensor): T {
  return x as T;
}

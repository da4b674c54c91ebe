/** @file Losses against their definitions, also where a naive formula overflows. */
import { expect, test } from "vitest";
import { valueAndGrad } from "../../compiler/autodiff/gradient.ts";
import { at } from "../../compiler/graph/errors.ts";
import { fromNested, type NdArray } from "../../compiler/graph/ndarray.ts";
import { traceGraph } from "../../compiler/ops/trace.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { crossEntropy } from "../../train/losses/classification.ts";
import { meanSquaredError, weightedSquaredError } from "../../train/losses/regression.ts";
import { devices, difference, runOnce } from "./devices.ts";

type Float = Tensor<"f32">;

const crossEntropyGraph = traceGraph(
  "loss",
  [
    { name: "logits", dtype: "f32", shape: ["T", "B", 3] },
    { name: "targets", dtype: "i32", shape: ["T", "B"] },
  ],
  ([logits, targets]) => {
    const { value, grad } = valueAndGrad((x: Float) => crossEntropy(x, targets as Tensor<"i32">))(logits as Float);
    return [value, grad];
  },
);

for (const { name, open, tolerance } of devices) {
  const run = async (logits: NdArray, targets: NdArray) => {
    const device = await open();
    const [loss, gradient] = await runOnce(device, crossEntropyGraph, { logits, targets });
    device.destroy();
    return { loss: [...(loss?.data ?? [])], gradient: [...(gradient?.data ?? [])] };
  };

  test(`${name}: cross-entropy is the mean of -log softmax, its gradient softmax minus one-hot over the count`, async () => {
    const logits = [
      [
        [0.5, -1, 2],
        [0, 0, 0],
      ],
      [
        [3, 1, -2],
        [-1, 4, 0.25],
      ],
    ];
    const targets = [
      [2, 1],
      [2, 0],
    ];
    const rows = logits.flat();
    const probabilities = rows.map((row) => {
      const powers = row.map(Math.exp);
      return powers.map((power) => power / powers.reduce((a, b) => a + b, 0));
    });
    const wanted = targets.flat();
    const loss = probabilities.reduce((total, row, i) => total - Math.log(at(row, at(wanted, i))), 0) / 4;
    const gradient = probabilities.flatMap((row, i) => row.map((p, k) => (p - Number(k === wanted[i])) / 4));
    const result = await run(fromNested(logits), fromNested(targets, "i32"));
    expect(difference(result.loss, [loss])).toBeLessThan(tolerance);
    expect(difference(result.gradient, gradient)).toBeLessThan(tolerance);
  });

  test(`${name}: logits far apart neither overflow nor lose the loss`, async () => {
    const result = await run(fromNested([[[1000, 0, -1000]]]), fromNested([[2]], "i32"));
    expect(result.loss).toEqual([2000]);
    expect(result.gradient).toEqual([1, 0, -1]);
  });

  test(`${name}: mean squared error is the mean over all elements`, async () => {
    const graph = traceGraph(
      "loss",
      [
        { name: "a", dtype: "f32", shape: ["B", 2] },
        { name: "b", dtype: "f32", shape: ["B", 2] },
      ],
      ([a, b]) => [meanSquaredError(a as Float, b as Float)],
    );
    const device = await open();
    const a = fromNested([
      [1, 2],
      [3, 4],
    ]);
    const b = fromNested([
      [1, 0],
      [0, 5],
    ]);
    const [loss] = await runOnce(device, graph, { a, b });
    device.destroy();
    expect([...(loss?.data ?? [])]).toEqual([3.5]);
  });

  test(`${name}: a weighted squared error is the mean over the rows that have weight`, async () => {
    const graph = traceGraph(
      "loss",
      [
        { name: "a", dtype: "f32", shape: ["T", "B", 2] },
        { name: "b", dtype: "f32", shape: ["T", "B", 2] },
        { name: "weights", dtype: "f32", shape: ["T", "B", 1] },
      ],
      ([a, b, weights]) => {
        const loss = (given: { a: Float; weights: Float }) => weightedSquaredError(given.a, b as Float, given.weights);
        const { value, grad } = valueAndGrad(loss)({ a: a as Float, weights: weights as Float });
        return [value, grad.a, grad.weights];
      },
    );
    const device = await open();
    // Of the rows without weight one is no number, and the other says what its weight would change.
    const a = fromNested([[[9, 9]], [[1, 2]], [[3, 4]], [[Number.NaN, Number.POSITIVE_INFINITY]]]);
    const b = fromNested([[[0, 0]], [[1, 0]], [[0, 5]], [[Number.NaN, 0]]]);
    const [loss, slope, ofWeights] = await runOnce(device, graph, {
      a,
      b,
      weights: fromNested([[[0]], [[1]], [[3]], [[0]]]),
    });
    device.destroy();
    // (2 * 1 + 5 * 3) / 4
    expect([...(loss?.data ?? [])]).toEqual([4.25]);
    expect([...(slope?.data ?? [])].map((x) => x + 0)).toEqual([0, 0, 0, 0.5, 2.25, -0.75, 0, 0]);
    expect([...(ofWeights?.data ?? [])].slice(0, 3)).toEqual([(81 - 4.25) / 4, (2 - 4.25) / 4, (5 - 4.25) / 4]);
  });
}

test("shapes that do not belong together are refused", () => {
  const trace = (f: (a: Float, b: Tensor<"i32">) => Tensor) =>
    traceGraph(
      "loss",
      [
        { name: "a", dtype: "f32", shape: [2, 3] },
        { name: "b", dtype: "i32", shape: [3] },
      ],
      ([a, b]) => [f(a as Float, b as Tensor<"i32">)],
    );
  expect(() => trace(crossEntropy)).toThrow("crossEntropy: logits are [2, 3] and targets [3]");
  expect(() => trace((a, b) => meanSquaredError(a, b as Tensor as Float))).toThrow(
    "meanSquaredError: predictions are [2, 3] and targets [3]; expected one shape",
  );
  expect(() => trace((a) => weightedSquaredError(a, a, a))).toThrow(
    "weightedSquaredError: predictions are [2, 3], targets [2, 3] and weights [2, 3]; expected one shape, and weights [2, 1]",
  );
});

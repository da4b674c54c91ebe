/** @file Accuracy, perplexity and bits per character by their definitions. */
import { expect, test } from "vitest";
import { onesInit } from "../../compiler/dsl/initializers.ts";
import { parameter } from "../../compiler/dsl/parameters.ts";
import { fromNested, type NdArray, ndarray, zeros } from "../../compiler/graph/ndarray.ts";
import { mean } from "../../compiler/ops/composed.ts";
import { mul } from "../../compiler/ops/elementwise.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import { traceGraph } from "../../compiler/ops/trace.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { initialize } from "../../train/initialize.ts";
import { crossEntropy } from "../../train/losses/classification.ts";
import { accuracy, bitsPerCharacter, perplexity } from "../../train/metrics.ts";
import { type Objective, objective } from "../../train/objective.ts";
import { createTrainer } from "../../train/trainer.ts";
import { devices, runOnce } from "./devices.ts";
import { text, tokens } from "./steps.ts";

const graph = (shape: readonly (number | string)[], masked: boolean) =>
  traceGraph(
    "accuracy",
    [
      { name: "logits", dtype: "f32", shape: [...shape, 3] },
      { name: "targets", dtype: "i32", shape },
      { name: "mask", dtype: "bool", shape },
    ],
    ([logits, targets, mask]) => [
      accuracy(logits as Tensor<"f32">, targets as Tensor<"i32">, masked ? { mask: mask as Tensor<"bool"> } : {}),
    ],
  );

const logits = fromNested([
  [1, 3, 2],
  [-1, -3, -2],
  [0, 0, 0],
  [0, 0, 0],
  [5, 5, 1],
  [1, Number.NaN, 0],
]);
const targets = ndarray([6], [1, 1, 0, 2, 1, 1], "i32");

for (const { name, open } of devices) {
  test(`${name}: accuracy is the fraction of targets with the largest logit, the first of equal ones`, async () => {
    const device = await open();
    const mask = ndarray([6], [1, 1, 1, 0, 0, 0], "bool");
    const [all] = await runOnce(device, graph(["B"], false), { logits, targets, mask });
    const [some] = await runOnce(device, graph(["B"], true), { logits, targets, mask });
    // A target that is no class is never found, whatever the logits are.
    const none = { logits, targets: ndarray([6], [3, 3, 9, 3, -1, 3], "i32"), mask };
    const [strange] = await runOnce(device, graph(["B"], false), none);
    device.destroy();
    expect(all?.data[0]).toBeCloseTo(2 / 6, 6);
    expect(some?.data[0]).toBeCloseTo(2 / 3, 6);
    expect(strange?.data[0]).toBe(0);
  });
}

for (const { name, open } of devices) {
  test(`${name}: a trainer evaluates a metric instead of the loss, with any weights`, async () => {
    const device = await open();
    const trainer = await createTrainer(device, text, { seed: 2 });
    const batches = ["a", "b"].map((part) => ({
      x: tokens([3, 2], 5, `x ${part}`),
      targets: tokens([3, 2], 5, `targets ${part}`),
      fresh: true,
    }));
    const loss = (output: Tensor<"f32">, targets: Tensor) => crossEntropy(output, targets as Tensor<"i32">);
    expect(await trainer.evaluate(batches, { metric: loss })).toBe(await trainer.evaluate(batches));

    const parameters = initialize(text.specs, 7);
    const ofTargets = (output: Tensor<"f32">, targets: Tensor) => accuracy(output, targets as Tensor<"i32">);
    const found = await trainer.evaluate(batches, { metric: ofTargets, parameters });
    const guessed = batches.map(({ x, targets }) => {
      const logits = rows(logitsOf(x, parameters), 5);
      return logits.filter((row, i) => row.indexOf(Math.max(...row)) === targets.data[i]).length;
    });
    expect(found).toBeCloseTo(((guessed[0] ?? 0) + (guessed[1] ?? 0)) / 12, 6);
    expect(found).toBeGreaterThan(0);

    const other = objective("other", { x: { dtype: "f32", shape: ["B"] } }, ({ x }) =>
      mean(mul(x, parameter("w", [], onesInit))),
    );
    const plain = await createTrainer(device, other);
    await expect(plain.evaluate([{ inputs: { x: ndarray([1], [1]) } }], { metric: loss })).rejects.toThrow(
      "evaluate: a metric needs an output and targets; this objective has no predict",
    );
    plain.destroy();
    const weighted = (x: Tensor<"f32">) => mul(x, parameter("w", [], onesInit));
    const aimless = objective("aimless", { x: { dtype: "f32", shape: ["B"] } }, ({ x }) => mean(weighted(x)), {
      predict: ({ x }) => weighted(x),
    });
    const without = await createTrainer(device, aimless);
    await expect(without.evaluate([{ inputs: { x: ndarray([1], [1]) } }], { metric: loss })).rejects.toThrow(
      "evaluate: a metric needs an output and targets; this objective has no targets in its batches",
    );
    without.destroy();

    // An objective with the same output and targets, which is no network, is measured alike.
    const { specs, batch, stateShapes, measure, prediction } = text;
    const same: Objective = { specs, batch, stateShapes, measure, prediction };
    const alike = await createTrainer(device, same, { parameters });
    const whole = batches.map(({ x, targets }) => ({ inputs: { x, targets }, fresh: true }));
    expect(await alike.evaluate(whole, { metric: ofTargets })).toBe(found);
    alike.destroy();
    trainer.destroy();
    device.destroy();
  });
}

/** The output of the text network from zero states, by the interpreter. */
function logitsOf(x: NdArray, parameters: Readonly<Record<string, NdArray>>): Float64Array {
  const states = Object.entries(text.stateShapes).map(([name, shape]) => ({ name, array: zeros([2, ...shape]) }));
  const weights = Object.entries(parameters).map(([name, array]) => ({ name, array }));
  const given = [...weights, ...states];
  const avals = given.map(({ name, array }) => ({ name, dtype: array.dtype, shape: array.shape }));
  const graph = traceGraph("output", [...avals, { name: "x", dtype: "i32", shape: x.shape }], (tensors) => {
    const named = (from: number, list: typeof given) =>
      Object.fromEntries(list.map(({ name }, i) => [name, tensors[from + i] as Tensor<"f32">]));
    const last = tensors[tensors.length - 1] as Tensor;
    return [text.model.apply(named(0, weights), last, named(weights.length, states)).output];
  });
  return interpret(graph, [...given.map(({ array }) => array), x])[0]?.data ?? new Float64Array();
}

const rows = (data: Float64Array, width: number) =>
  Array.from({ length: data.length / width }, (_, i) => [...data.subarray(i * width, (i + 1) * width)]);

test("a sure guess among n symbols has perplexity n and log2 n bits", () => {
  expect(perplexity(Math.log(57))).toBeCloseTo(57, 10);
  expect(bitsPerCharacter(Math.log(8))).toBeCloseTo(3, 12);
});

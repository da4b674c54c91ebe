/** @file Accuracy, perplexity and bits per character by their definitions. */
import { expect, test } from "vitest";
import { fromNested, ndarray } from "../../compiler/graph/ndarray.ts";
import { traceGraph } from "../../compiler/ops/trace.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { accuracy, bitsPerCharacter, perplexity } from "../../train/metrics.ts";
import { devices, runOnce } from "./devices.ts";

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

test("a sure guess among n symbols has perplexity n and log2 n bits", () => {
  expect(perplexity(Math.log(57))).toBeCloseTo(57, 10);
  expect(bitsPerCharacter(Math.log(8))).toBeCloseTo(3, 12);
});

/** @file Values of dense, layerNorm and embedding, computed by hand. */
import { expect, test } from "vitest";
import { dense, embedding, interpret, layerNorm, model, type Tensor, traceGraph } from "../../index.ts";
import { f32, i32 } from "../support/evaluate.ts";

type Float = Tensor<"f32">;

/** The rounded output of a model, for parameters and inputs in the order of creation. */
function given(
  run: (x: Float, y: Float) => Float,
  parameters: Readonly<Record<string, Parameters<typeof f32>[0]>>,
): number[] {
  const arrays = Object.values(parameters).map((value) => f32(value));
  const inputs = [f32([[1, 2]]), f32([[3]])];
  const avals = [...arrays, ...inputs].map(({ shape }, i) => ({ name: `input${i}`, dtype: "f32" as const, shape }));
  const graph = traceGraph("layer", avals, (tensors) => {
    const floats = tensors as readonly Float[];
    const named = Object.fromEntries(Object.keys(parameters).map((path, i) => [path, floats[i] as Float]));
    const [x, y] = floats.slice(arrays.length) as [Float, Float];
    return [model("layer", () => run(x, y)).apply(named)];
  });
  return [...(interpret(graph, [...arrays, ...inputs])[0]?.data ?? [])];
}

const kernel = [
  [1, 10],
  [100, 1000],
  [0.5, 0.25],
];

test("dense: the rows of its kernel are in the order of the inputs, and its bias is added", () => {
  const parameters = { "affine/kernel": kernel, "affine/bias": [7, -7] };
  expect(given((x, y) => dense("affine", [x, y], 2), parameters)).toEqual([201 + 1.5 + 7, 2010 + 0.75 - 7]);
});

test("dense without a bias creates none", () => {
  expect(given((x, y) => dense("linear", [x, y], 2, { bias: false }), { "linear/kernel": kernel })).toEqual([
    202.5, 2010.75,
  ]);
});

test("layerNorm: a gain and an offset for each entry", () => {
  const [low, high] = given((x) => layerNorm("norm", x), { "norm/gain": [2, 3], "norm/bias": [10, 20] });
  // 1 and 2 differ from their mean by 1/2, and epsilon is 1e-5 at a variance of 1/4.
  const unit = 0.5 / Math.sqrt(0.25 + 1e-5);
  expect(low).toBeCloseTo(10 - 2 * unit, 12);
  expect(high).toBeCloseTo(20 + 3 * unit, 12);
});

test("embedding returns rows of its table", () => {
  const graph = traceGraph(
    "lookup",
    [
      { name: "table", dtype: "f32", shape: [3, 2] },
      { name: "tokens", dtype: "i32", shape: [2] },
    ],
    ([table, tokens]) => [
      model("m", () => embedding("words", tokens as Tensor<"i32">, 3, 2)).apply({ "words/table": table as Float }),
    ],
  );
  expect([...(interpret(graph, [f32(kernel), i32([2, 0])])[0]?.data ?? [])]).toEqual([0.5, 0.25, 1, 10]);
});

/**
 * @file The residuals of a scan: the values of a step that its cotangents read, each stored once. Not stored are values that
 * exist anyway (xs, weights), are free (views), or can be recomputed from others (random bits, 1 - z, the derivative of
 * tanh).
 */
import { expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import { nodeAt, type ScanNode } from "../../compiler/graph/graph.ts";
import {
  add,
  exp,
  grad,
  iota,
  less,
  mul,
  ones,
  positions,
  randomBits,
  reshape,
  scanTensors,
  sigmoid,
  sub,
  sum,
  type Tensor,
  tanh,
  traceGraph,
  where,
} from "../../index.ts";

type Float = Tensor<"f32">;

/** Ops of the residuals of the first scan of a gradient. */
function storedBy(step: (h: Float, x: Float, w: Float, time: Tensor<"u32">) => Float): string[] {
  const inputs = [
    { name: "x", dtype: "f32", shape: [5, 6] },
    { name: "w", dtype: "f32", shape: [6] },
  ] as const;
  const graph = traceGraph("gradient", inputs, ([x, w]) => {
    const loss = (weights: Float) => {
      const times = iota([5], 0, "u32");
      const { carries } = scanTensors(
        ([h], [row, time]) => ({
          carries: [step(h as Float, row as Float, weights, time as Tensor<"u32">)],
          ys: [],
        }),
        [ones([6])],
        [x as Float, times],
      );
      return sum(at(carries, 0) as Float);
    };
    return [grad(loss)(w as Float)];
  });
  const { body, carries } = (graph.nodes.find(({ op }) => op === "scan") as ScanNode).attrs;
  return body.outputs.slice(carries).map((id) => nodeAt(body, id).op);
}

test("a state and a tanh, whose slope follows from it", () => {
  expect(storedBy((h, x, w) => tanh(add(mul(h, w), x)))).toEqual(["input", "tanh"]);
});

test("a gate z, but not 1 - z", () => {
  const step = (h: Float, x: Float, w: Float) => {
    const z = sigmoid(mul(x, w));
    return add(mul(z, h), mul(sub(1, z), x));
  };
  expect(storedBy(step)).toEqual(["input", "sigmoid"]);
});

test("neither x nor loop-invariant values", () => {
  expect(storedBy((h, x, w) => add(h, mul(x, exp(w))))).toEqual([]);
});

test("the operand of a view, not the view", () => {
  const turned = (h: Float, w: Float) => reshape(mul(reshape(tanh(h), [2, 3]), reshape(w, [2, 3])), [6]);
  expect(storedBy((h, _, w) => turned(h, w))).toEqual(["tanh"]);
});

test("no random bits: they are recomputed", () => {
  const step = (h: Float, x: Float, w: Float, time: Tensor<"u32">) => {
    const bits = randomBits(7, { step: time, index: positions([6]) });
    return where(less(bits, 2 ** 31), mul(w, x), h);
  };
  expect(storedBy(step)).toEqual([]);
});

/**
 * @file Dead code: which parts of a loop are dropped if they are not read, and which must stay because something else
 * reads them.
 */
import { expect, test } from "vitest";
import { removeDead } from "../../compiler/passes/dead.ts";
import { add, dot, mul, ones, scanTensors, type Tensor, tanh, traceGraph } from "../../index.ts";
import { loopOf, numbers, sameAfter } from "../support/same-after.ts";

type Float = Tensor<"f32">;

const inputs = [
  { name: "x", dtype: "f32", shape: [4, 2, 3] },
  { name: "w", dtype: "f32", shape: [3, 3] },
  { name: "u", dtype: "f32", shape: [3, 3] },
] as const;
const arrays = inputs.map(({ shape }, i) => numbers(shape, i));

test("unread results are dropped, with the weights, carries and operations that only they needed", () => {
  const graph = traceGraph("results", inputs, ([x, w, u]) => {
    const step = ([a, b]: readonly Tensor[], [row]: readonly Tensor[]) => {
      const next = tanh(add(dot(a as Float, w as Float), row as Float));
      const other = dot(b as Float, u as Float);
      return { carries: [next, add(other, next)], ys: [other, mul(next, 2), next] };
    };
    const { ys } = scanTensors(step, [ones([2, 3]), ones([2, 3])], [x as Float]);
    return [ys[1] as Float];
  });
  expect(loopOf(graph)).toMatchObject({ consts: 2, carries: 2 });
  const { body, consts, carries } = loopOf(sameAfter(graph, removeDead, arrays));
  expect([consts, carries, body.outputs.length]).toEqual([1, 1, 2]);
});

test("a duplicate y is stored once", () => {
  const graph = traceGraph("twice", inputs, ([x, w]) => {
    const step = ([h]: readonly Tensor[], [row]: readonly Tensor[]) => {
      const next = tanh(add(dot(h as Float, w as Float), row as Float));
      return { carries: [next], ys: [next, mul(next, 2), next] };
    };
    return scanTensors(step, [ones([2, 3])], [x as Float]).ys;
  });
  expect(loopOf(sameAfter(graph, removeDead, arrays)).body.outputs.length).toBe(3);
});

test("carries that reach a result through other carries stay", () => {
  const graph = traceGraph("chain", inputs, ([x]) => {
    const step = ([a, b, c, unread]: readonly Tensor[], [row]: readonly Tensor[]) => ({
      carries: [b, c, tanh(add(c as Float, row as Float)), add(unread as Float, row as Float)] as Float[],
      ys: [mul(a as Float, 2)],
    });
    return scanTensors(
      step,
      [1, 2, 3, 4].map((factor) => mul(ones([2, 3]), factor)),
      [x as Float],
    ).ys;
  });
  expect(loopOf(sameAfter(graph, removeDead, arrays)).carries).toBe(3);
});

test("in a graph without loops, nodes that no output needs are dropped", () => {
  const graph = traceGraph("straight", [{ name: "x", dtype: "f32", shape: [2] }], ([x]) => {
    tanh(x as Float);
    return [mul(x as Float, x as Float)];
  });
  expect(removeDead(graph).nodes.map(({ op }) => op)).toEqual(["input", "mul"]);
});

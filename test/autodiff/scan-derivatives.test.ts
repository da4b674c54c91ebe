/**
 * @file Derivatives through loops with several ys, states that a step reads or not, fixed initial states, weights inside and
 * outside. First and second derivatives, reverse and forward, against differences.
 */
import { expect, test } from "vitest";
import {
  add,
  constant,
  dot,
  fill,
  interpret,
  jvp,
  mul,
  ones,
  scanTensors,
  square,
  sum,
  type Tensor,
  tanh,
  traceGraph,
} from "../../index.ts";
import { derivativeErrors, type FloatFunction, f32 } from "../support/evaluate.ts";

type Float = Tensor<"f32">;

/** A sequence, a state and a matrix of weights. */
const xs = f32([[[0.4, -0.7]], [[1.1, 0.2]], [[-0.5, 0.9]]]);
const start = f32([[0.3, -0.2]]);
const weights = f32([
  [0.5, -0.4],
  [0.8, 0.3],
]);

type Step = (states: readonly Float[], x: Float, w: Float) => { carries: readonly Float[]; ys: readonly Float[] };

/** The sum of all results of a loop, each with a different weight. */
function loop(step: Step, initial: (h: Float) => readonly Float[], reverse = false): FloatFunction {
  return (x, h, w) => {
    const { carries, ys } = scanTensors(
      (states, [now]) => step(states as Float[], now as Float, w as Float),
      initial(h as Float),
      [x as Float],
      { reverse },
    );
    return [...carries, ...ys].reduce<Float>(
      (total, result, i) => add(total, mul(sum(square(result as Float)), i + 1)),
      constant(0),
    );
  };
}

const network = (h: Float, x: Float, w: Float) => tanh(add(dot(h, w), x));

test.each<[string, FloatFunction]>([
  [
    "ys of which each has a cotangent of its own",
    loop(
      ([h], x, w) => {
        const next = network(h as Float, x, w);
        return { carries: [next], ys: [mul(next, x), tanh(next), h as Float] };
      },
      (h) => [h],
    ),
  ],
  [
    "from the last step to the first",
    loop(
      ([h], x, w) => ({ carries: [network(h as Float, x, w)], ys: [mul(h as Float, x)] }),
      (h) => [h],
      true,
    ),
  ],
  [
    "a state whose start is fixed",
    loop(
      ([h], x, w) => ({ carries: [network(h as Float, x, w)], ys: [] }),
      () => [ones([1, 2])],
    ),
  ],
  [
    "a state that no step reads, and one that starts as a weight",
    loop(
      ([h, , g], x, w) => {
        const next = network(h as Float, x, w);
        return { carries: [next, mul(x, x), add(mul(g as Float, 0.5), next)], ys: [g as Float] };
      },
      (h) => [h, h, mul(h, 2)],
    ),
  ],
  [
    "states that change places",
    loop(
      ([a, b], x, w) => ({ carries: [b as Float, network(a as Float, x, w)], ys: [mul(a as Float, b as Float)] }),
      (h) => [h, tanh(h)],
    ),
  ],
  [
    "a loop in a loop with the same weights",
    loop(
      ([h], x, w) => {
        const inner = scanTensors(
          ([g], [row]) => ({ carries: [network(g as Float, mul(x, sum(row as Float)), w)], ys: [g as Float] }),
          [h as Float],
          [w],
        );
        return { carries: [inner.carries[0] as Float], ys: [sum(inner.ys[0] as Float, 0)] };
      },
      (h) => [h],
    ),
  ],
])("%s", (_, f) => {
  const { reverse, forward, second } = derivativeErrors(f, [xs, start, weights]);
  expect(reverse).toBeLessThan(1e-8);
  expect(forward).toBeLessThan(1e-12);
  expect(second).toBeLessThan(1e-7);
});

test("constants have tangent 0, and add nothing next to a varying number", () => {
  const graph = traceGraph("moved", [{ name: "x", dtype: "f32", shape: [2] }], ([x]) => {
    const f = (v: Float) => ({ moved: mul(v, 3), still: fill([2], 5), both: add(v, fill([2], 5)) });
    const { moved, still, both } = jvp(f)([x as Float], [ones([2])]).tangent;
    return [moved, still, both];
  });
  expect(interpret(graph, [f32([1, 2])]).map(({ data }) => [...data])).toEqual([
    [3, 3],
    [0, 0],
    [1, 1],
  ]);
});

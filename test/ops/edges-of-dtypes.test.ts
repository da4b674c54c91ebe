/** @file Integers, booleans, vectors and empty axes instead of f32 matrices: values, derivatives, loops. */
import { describe, expect, test } from "vitest";
import { bernoulli, randomness } from "../../compiler/dsl/randomness.ts";
import { recurrence } from "../../compiler/dsl/recurrence.ts";
import { at } from "../../compiler/graph/errors.ts";
import {
  add,
  broadcast,
  cast,
  concat,
  dimSize,
  div,
  equal,
  fill,
  grad,
  interpret,
  iota,
  jvp,
  less,
  matmul,
  mul,
  reduceMax,
  scanTensors,
  square,
  sub,
  sum,
  type Tensor,
  tanh,
  traceGraph,
  transpose,
  where,
} from "../../index.ts";
import { bool, derivativeErrors, evaluate, evaluateAll, f32, i32 } from "../support/evaluate.ts";
import { lineOf } from "../support/refused.ts";

type Float = Tensor<"f32">;

const [vector, matrix] = [
  f32([1, -2]),
  f32([
    [1, 2, 3],
    [4, 5, 6],
  ]),
];
const numbersOf = (array: { readonly data: Float64Array }) => [...array.data];

describe("a vector", () => {
  test("times a matrix is a vector", () => {
    const product = evaluate((a: Float, b: Float) => matmul(a, b), [vector, matrix]);
    expect([product.shape, numbersOf(product)]).toEqual([[3], [-7, -8, -9]]);
    const { reverse, forward, second } = derivativeErrors((a, b) => square(matmul(a, b)), [vector, matrix]);
    expect(Math.max(reverse, forward, second)).toBeLessThan(1e-9);
  });

  test("times a stack of matrices is an error", () => {
    const stacked = (a: Float, b: Float) => matmul(a, broadcast(b, [2, 2, 3]));
    expect(lineOf(() => evaluate(stacked, [vector, matrix]))).toBe(
      "matmul at …: expected a vector times a matrix, or matrices times matrices; got [2] and [2, 2, 3]",
    );
  });

  test.each<[string, (x: Float) => Tensor]>([
    ["turned around", (x) => transpose(x)],
    ["summed over no axis", (x) => sum(x, [])],
    ["whose maximum is taken over no axis", (x) => reduceMax(x, [])],
    ["joined to nothing", (x) => concat([x])],
    ["cast to what it is", (x) => cast(x, "f32")],
  ])("%s returns its operand without a new node", (_, f) => {
    const graph = traceGraph("f", [{ name: "x", dtype: "f32", shape: [2] }], ([x]) => [f(x as Float)]);
    expect([graph.nodes.length, graph.outputs]).toEqual([1, graph.inputs]);
  });
});

describe("integers and booleans in a loop", () => {
  /** h goes through tanh at even steps and grows by what w times the number of the step is at odd ones. */
  const loop = (h: Float, w: Float) => {
    const isOdd = (n: Tensor<"i32">) => equal(sub(n, mul(cast(mul(cast(n, "f32"), 0.5), "i32"), 2)), 1);
    const { carries, ys } = scanTensors(
      ([state, count, fixed]) => {
        const [before, n] = [state as Float, count as Tensor<"i32">];
        const next = where(isOdd(n), add(before, mul(w, cast(n, "f32"))), tanh(mul(before, fixed as Float)));
        return { carries: [next, add(n, 1), fixed as Float], ys: [n, isOdd(n), square(next)] };
      },
      [h, fill([], 0, "i32"), fill([2], 1.5)],
      [],
      { length: 5 },
    );
    return {
      last: at(carries, 0) as Float,
      count: at(carries, 1),
      steps: at(ys, 0),
      odd: at(ys, 1),
      squares: at(ys, 2) as Float,
    };
  };
  const [h, w] = [f32([0.3, -0.7]), f32([0.2, -0.1])];

  /** The same with numbers. */
  function byHand(start: number, weight: number): number[] {
    const squares: number[] = [];
    for (let n = 0, state = start; n < 5; n++) {
      state = n % 2 === 1 ? state + weight * n : Math.tanh(state * 1.5);
      squares.push(state * state);
    }
    return squares;
  }

  test("count steps next to other results", () => {
    const [count, steps, odd, squares] = evaluateAll(
      (a: Float, b: Float) => {
        const result = loop(a, b);
        return [result.count, result.steps, result.odd, result.squares];
      },
      [h, w],
    ).map(numbersOf);
    expect([count, steps, odd]).toEqual([[5], [0, 1, 2, 3, 4], [0, 1, 0, 1, 0]]);
    const [left, right] = [byHand(0.3, 0.2), byHand(-0.7, -0.1)];
    for (const [i, value] of (squares ?? []).entries())
      expect(value).toBeCloseTo(at(i % 2 === 0 ? left : right, Math.floor(i / 2)), 14);
  });

  test("keep its derivatives correct, in both modes and to second order", () => {
    const { reverse, forward, second } = derivativeErrors(
      (a, b) => add(sum(loop(a, b).squares), sum(loop(a, b).last)),
      [h, w],
    );
    expect(Math.max(reverse, forward, second)).toBeLessThan(1e-8);
  });

  test("have no derivative: zeros of their own dtype", () => {
    const [moved, still, flag] = evaluateAll(
      (a: Float, b: Float) => {
        const { tangent } = jvp((x: Float) => {
          const { last, steps, odd } = loop(x, b);
          return [last, steps, odd];
        })([a], [fill([2], 1)]);
        return tangent;
      },
      [h, w],
    );
    expect(numbersOf(at([moved], 0) as typeof h).every((slope) => slope > 0)).toBe(true);
    expect([still?.dtype, still && numbersOf(still), flag?.dtype, flag && numbersOf(flag)]).toEqual([
      "i32",
      [0, 0, 0, 0, 0],
      "bool",
      [0, 0, 0, 0, 0],
    ]);
  });
});

describe("derivatives skip integers", () => {
  test("an integer argument has a tangent of its dtype without effect", () => {
    const f = (x: Float, n: Tensor<"i32">) => mul(x, cast(n, "f32"));
    const tangent = evaluate(
      (x: Float, t: Float, n: Tensor<"i32">) => jvp(f)([x, n], [t, n]).tangent,
      [vector, f32([10, 1]), i32([3, 4])],
    );
    expect(numbersOf(tangent)).toEqual([30, 4]);
    const gradient = evaluateAll(
      (x: Float, n: Tensor<"i32">) =>
        Object.values(grad((p: { x: Float; n: Tensor<"i32"> }) => sum(f(p.x, p.n)))({ x, n })),
      [vector, i32([3, 4])],
    );
    expect(gradient.map(({ dtype, data }) => [dtype, ...data])).toEqual([
      ["i32", 0, 0],
      ["f32", 3, 4],
    ]);
  });

  test("a number that is rounded to an integer is a constant to them", () => {
    const f = (x: Float) => sum(mul(x, cast(cast(x, "i32"), "f32")));
    expect(numbersOf(evaluate((x: Float) => grad(f)(x), [f32([2.5, -3.75])]))).toEqual([2, -3]);
    const along = evaluate((x: Float) => jvp(f)([x], [fill([2], 1)]).tangent, [f32([2.5, -3.75])]);
    expect(numbersOf(along)).toEqual([-1]);
  });

  test("a boolean is 1 or 0 as a number", () => {
    expect(numbersOf(evaluate((m: Tensor<"bool">) => cast(m, "f32"), [bool([1, 0])]))).toEqual([1, 0]);
    expect(numbersOf(evaluate((x: Float) => cast(x, "bool"), [f32([0, -0.5])]))).toEqual([0, 1]);
  });
});

test("probabilities 0 and 1 need no random bits", () => {
  for (const probability of [0, 1]) {
    const graph = traceGraph("f", [], () => [bernoulli(randomness(7), probability, [3])]);
    expect(graph.nodes.some(({ op }) => op === "randomBits")).toBe(false);
    expect(numbersOf(evaluate(() => bernoulli(randomness(7), probability, [3]), []))).toEqual(
      Array(3).fill(probability),
    );
  }
});

test("counters and sizes from outside are recreated within a loop, not passed as inputs", () => {
  const graph = traceGraph("f", [{ name: "xs", dtype: "f32", shape: ["T", 3] }], ([xs]) => {
    const [numbers, size] = [iota([3], 0, "f32"), dimSize("T")];
    const whole = fill([3], 2);
    const { carries } = scanTensors(
      ([h], [x]) => ({
        carries: [add(h as Float, div(mul(mul(x as Float, numbers), whole), broadcast(size, [3])))],
        ys: [],
      }),
      [fill([3], 0)],
      [xs as Float],
    );
    return carries;
  });
  expect(graph.nodes.flatMap((node) => (node.op === "scan" ? [node.attrs.consts] : []))).toEqual([0]);
  const rows = [
    [1, 2, 3],
    [5, 6, 7],
  ];
  expect(interpret(graph, [f32(rows)]).map(numbersOf)).toEqual([[0, 8, 20]]);
});

test("a loop without inputs runs for the given length", () => {
  const doubled = (x: Float) =>
    recurrence((state: Float) => ({ state: add(state, state), output: less(state, 8) }), x, [], { length: 5 });
  const [state, outputs] = evaluateAll((x: Float) => [doubled(x).state, doubled(x).outputs], [f32([1, 3])]);
  expect([state, outputs].map((array) => array && numbersOf(array))).toEqual([
    [32, 96],
    [1, 1, 1, 1, 1, 0, 0, 0, 0, 0],
  ]);
});

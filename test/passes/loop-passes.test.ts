/**
 * @file What may leave a loop, and what may not although it looks similar: each case runs before and after the pass,
 * and the ops left inside are counted. Time, batch and width are equal, so that shapes do not reveal a mistake.
 */
import { describe, expect, test } from "vitest";
import { hoist } from "../../compiler/passes/hoist.ts";
import { invariantCarries } from "../../compiler/passes/invariant-carries.ts";
import { sink } from "../../compiler/passes/sink.ts";
import {
  add,
  cast,
  concat,
  div,
  dot,
  equal,
  exp,
  finite,
  less,
  mul,
  not,
  or,
  pad,
  reshape,
  scanTensors,
  scatterAdd,
  slice,
  sub,
  sum,
  type Tensor,
  tanh,
  traceGraph,
  transpose,
  where,
  zeros,
} from "../../index.ts";
import { count, loopOf, numbers, sameAfter } from "../support/same-after.ts";

type Float = Tensor<"f32">;

const side = 3;
/** Two sequences of matrices, and two matrices that are the same in every step. */
const inputs = [
  { name: "x", dtype: "f32", shape: [side, side, side] },
  { name: "y", dtype: "f32", shape: [side, side, side] },
  { name: "u", dtype: "f32", shape: [side, side] },
  { name: "v", dtype: "f32", shape: [side, side] },
] as const;
const arrays = inputs.map(({ shape }, i) => numbers(shape, i));

type Given = Readonly<Record<"x" | "y" | "u" | "v", Float>>;

describe("before a loop:", () => {
  /** h = tanh(h + what is computed from x, y and weights), 3 times. */
  const looped = (f: (given: Given) => Float) =>
    traceGraph("loop", inputs, ([xs, ys, u, v]) => {
      const step = ([h]: readonly Tensor[], [x, y]: readonly Tensor[]) => ({
        carries: [tanh(add(h as Float, f({ x, y, u, v } as Given)))],
        ys: [],
      });
      return scanTensors(step, [zeros([side, side])], [xs, ys] as Tensor[]).carries;
    });
  const stack = (x: Float) => reshape(x, [1, side, side]);

  test.each<[string, (given: Given) => Float]>([
    ["a product with weights", ({ x, u }) => dot(x, u)],
    ["of a function of several xs", ({ x, y, u }) => dot(tanh(mul(x, y)), u)],
    ["of columns", ({ x, u }) => dot(slice(x, 1, 1, 2), slice(u, 0, 0, 2))],
    ["of rows", ({ x, u }) => dot(pad(slice(x, 0, 1, 2), 0, 0, side), u)],
    ["of concatenations", ({ x, y, u, v }) => dot(concat([x, y], 1), concat([u, v], 0))],
    ["of concatenated rows", ({ x, y, u }) => dot(concat([slice(x, 0, 0, 1), slice(y, 0, 1, 2)], 0), u)],
    ["of a transpose", ({ x, u }) => dot(transpose(x), u)],
    ["of stacks", ({ x, u }) => reshape(dot(stack(x), stack(u)), [side, side])],
  ])("%s leaves it", (_, f) => {
    const after = sameAfter(looped(f), hoist, arrays);
    expect([count(after, "dot"), count(loopOf(after).body, "dot")]).toEqual([1, 0]);
  });

  test.each<[string, (given: Given) => Float]>([
    ["with a matrix that changes in every step", ({ x, y }) => dot(x, y)],
    ["with transposeA", ({ x, u }) => dot(x, u, { transposeA: true })],
  ])("a product %s stays", (_, f) => {
    const after = sameAfter(looped(f), hoist, arrays);
    expect(count(loopOf(after).body, "dot")).toBe(1);
  });

  test("a loop-invariant value is computed once", () => {
    const after = sameAfter(
      looped(({ x, u }) => mul(x, exp(u))),
      hoist,
      arrays,
    );
    expect([count(after, "exp"), count(loopOf(after).body, "exp")]).toEqual([1, 0]);
  });
});

describe("states", () => {
  /** The results of three states: the first is passed on unchanged, `step` computes the others. */
  const states = (step: (b: Float, c: Float, x: Float) => readonly [Float, Float]) =>
    traceGraph("loop", inputs, ([xs, , u, v]) => {
      const run = ([a, b, c]: readonly Tensor[], [x]: readonly Tensor[]) => ({
        carries: [a as Float, ...step(b as Float, c as Float, x as Float)],
        ys: [mul(a as Float, x as Float)],
      });
      const { carries, ys } = scanTensors(run, [u, v, mul(v as Float, 2)] as Tensor[], [xs as Float]);
      return [...carries, ...ys];
    });

  test("that are passed on unchanged become consts, and the later ones keep their order", () => {
    const after = sameAfter(
      states((b, c, x) => [tanh(add(b, x)), mul(c, x)]),
      invariantCarries,
      arrays,
    );
    expect(loopOf(after)).toMatchObject({ consts: 1, carries: 2 });
  });

  test("that swap are not consts", () => {
    const after = sameAfter(
      states((b, c) => [c, b]),
      invariantCarries,
      arrays,
    );
    expect(loopOf(after)).toMatchObject({ consts: 1, carries: 2 });
  });
});

describe("after a loop:", () => {
  /** A carry that starts at zero, [3, 3] by default, updated by `f`. */
  const accumulated = (f: (total: Float, given: Given) => { next: Float; y?: Float }, shape = [side, side]) =>
    traceGraph("loop", inputs, ([xs, ys, u, v]) => {
      const step = ([total]: readonly Tensor[], [x, y]: readonly Tensor[]) => {
        const { next, y: out } = f(total as Float, { x, y, u, v } as Given);
        return { carries: [next], ys: out === undefined ? [] : [out] };
      };
      const results = scanTensors(step, [zeros(shape)], [xs, ys] as Tensor[]);
      return [...results.carries, ...results.ys];
    });
  const overTime = (x: Float, y: Float) => dot(x, y, { transposeA: true });
  const rows = (x: Float) => sum(tanh(x), [0]);

  test("a product that only a y reads leaves it", () => {
    const graph = accumulated((h, { x, u }) => {
      const next = tanh(add(h, x));
      return { next, y: add(dot(next, u), x) };
    });
    const after = sameAfter(graph, sink, arrays);
    expect([count(after, "dot"), count(loopOf(after).body, "dot")]).toEqual([1, 0]);
  });

  test("a masked product leaves it with its mask", () => {
    const after = sameAfter(
      accumulated((h, { x, y, u }) => {
        const next = tanh(add(h, x));
        return { next, y: where(less(0, y), dot(next, u), mul(x, 2)) };
      }),
      sink,
      arrays,
    );
    expect(["dot", "where"].map((op) => [count(after, op as "dot"), count(loopOf(after).body, op as "dot")])).toEqual([
      [1, 0],
      [1, 0],
    ]);
  });

  test.each<[string, (h: Float, given: Given) => Float]>([
    ["under a condition on a state", (h, { x, u }) => where(less(0, h), dot(h, u), x)],
    ["replaced by a state where a mask is false", (h, { x, u }) => where(less(0, x), dot(h, u), h)],
    ["replaced by an expensive value where a mask is false", (h, { x, u }) => where(less(0, x), dot(h, u), tanh(x))],
  ])("a product %s stays", (_, f) => {
    const after = sameAfter(
      accumulated((h, given) => ({ next: tanh(add(h, given.x)), y: f(h, given) })),
      sink,
      arrays,
    );
    expect(count(loopOf(after).body, "dot")).toBe(1);
  });

  test("cheap functions of xs are computed outside for a product there", () => {
    const after = sameAfter(
      accumulated((total, { x, y }) => ({ next: add(total, overTime(where(less(0, y), x, 0), y)) })),
      sink,
      arrays,
    );
    expect(after.nodes.some(({ op }) => op === "scan")).toBe(true);
    expect(loopOf(after).body.outputs).toEqual([]);
  });

  test.each<[string, (total: Float, given: Given) => Float]>([
    ["of products", (total, { x, y }) => add(total, overTime(x, y))],
    ["of products, with the carry as second operand", (total, { x, y }) => add(overTime(x, y), total)],
    ["of a difference of products", (total, { x, y }) => add(total, add(overTime(x, y), overTime(y, x)))],
    ["of products times an invariant", (total, { x, y, u }) => add(total, mul(overTime(x, y), u))],
    [
      "of products times an invariant that stops at 0",
      (total, { x, y, u }) => {
        const product = mul(overTime(x, y), cast(less(0, u), "f32"));
        return add(total, mul(product, where(or(finite(exp(u)), not(equal(product, 0))), exp(u), 0)));
      },
    ],
    ["of products divided by an invariant", (total, { x, y, u }) => add(total, div(overTime(x, y), u))],
    ["of xs", (total, { x }) => add(total, x)],
    ["of xs times an invariant", (total, { x, y, u }) => add(total, sub(mul(x, u), y))],
    ["of scattered rows", (total, { x, y }) => add(total, scatterAdd(cast(mul(y, 2), "i32"), mul(x, y), side))],
  ])("a sum %s leaves it", (_, next) => {
    const after = sameAfter(
      accumulated((total, given) => ({ next: next(total, given) })),
      sink,
      arrays,
    );
    expect(loopOf(after).carries).toBe(0);
  });

  test("sums of values that the loop returns anyway leave it, in any order", () => {
    const graph = traceGraph("loop", inputs, ([xs, ys]) => {
      const step = ([first, second, third]: readonly Tensor[], [x, y]: readonly Tensor[]) => {
        const [kept, given] = [tanh(x as Float), exp(y as Float)];
        const carries = [add(first as Float, kept), add(second as Float, overTime(kept, x as Float))];
        return { carries: [...carries, add(third as Float, given)], ys: [given] };
      };
      const zero = zeros([side, side]);
      const results = scanTensors(step, [zero, zero, zero], [xs, ys] as Tensor[]);
      return [...results.carries, ...results.ys];
    });
    expect(loopOf(sameAfter(graph, sink, arrays)).carries).toBe(0);
  });

  test.each<[string, readonly number[], (total: Float, given: Given) => { next: Float; y?: Float }]>([
    ["of values that would have to be stored", [side, side], (total, { x }) => ({ next: add(total, tanh(x)) })],
    ["whose running total is a y", [side, side], (total, { x }) => ({ next: add(total, x), y: add(total, x) })],
    ["whose carry is read by a y", [side, side], (total, { x, y }) => ({ next: add(total, overTime(x, y)), y: total })],
    ["of products times an x", [side, side], (total, { x, y }) => ({ next: add(total, mul(overTime(x, y), x)) })],
    [
      "of products times an x that stops at 0",
      [side, side],
      (total, { x, y }) => {
        const product = overTime(x, y);
        return { next: add(total, mul(product, where(or(finite(x), not(equal(product, 0))), x, 0))) };
      },
    ],
    [
      "of products times a factor that stops where they are 1",
      [side, side],
      (total, { x, y, u }) => {
        const product = overTime(x, y);
        return { next: add(total, mul(product, where(or(less(u, 0), not(equal(product, 1))), u, 0))) };
      },
    ],
    [
      "of products times a factor that stops where another value is 0",
      [side, side],
      (total, { x, y, u }) => {
        return { next: add(total, mul(overTime(x, y), where(or(less(u, 0), not(equal(x, 0))), u, 0))) };
      },
    ],
    ["of sums times each other", [side], (total, { x, y }) => ({ next: add(total, mul(rows(x), rows(y))) })],
    [
      "of quotients by a sum plus a number",
      [side],
      (total, { x, u }) => ({ next: add(total, div(rows(u), add(rows(x), 9))) }),
    ],
    ["of quotients by a sum", [side], (total, { x, u }) => ({ next: add(total, div(rows(u), rows(x))) })],
    ["of products without transposeA", [side, side], (total, { x, y }) => ({ next: add(total, dot(x, y)) })],
    [
      "of products transposed on both sides",
      [side, side],
      (total, { x, y }) => ({ next: add(total, dot(x, y, { transposeA: true, transposeB: true })) }),
    ],
  ])("a sum %s stays", (_, shape, f) => {
    expect(loopOf(sameAfter(accumulated(f, [...shape]), sink, arrays)).carries).toBe(1);
  });

  test("a state that is overwritten in every step is not a sum", () => {
    const graph = traceGraph("loop", inputs, ([xs, ys]) => {
      const step = ([h, last]: readonly Tensor[], [x, y]: readonly Tensor[]) => {
        const [before, now, other] = [h, x, y] as Float[] as [Float, Float, Float];
        return {
          carries: [tanh(add(before, last as Float)), add(overTime(now, other), overTime(other, now))],
          ys: [],
        };
      };
      return scanTensors(step, [zeros([side, side]), zeros([side, side])], [xs, ys] as Tensor[]).carries;
    });
    expect(loopOf(sameAfter(graph, sink, arrays)).carries).toBe(2);
  });
});

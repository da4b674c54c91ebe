/** @file Passes where a mistake would change values: what they must leave alone, next to what they change. */
import { describe, expect, test, vi } from "vitest";
import { compileProgram } from "../../compiler/compile.ts";
import { at } from "../../compiler/graph/errors.ts";
import type { Graph, Node } from "../../compiler/graph/graph.ts";
import { removeDead } from "../../compiler/passes/dead.ts";
import { hoist } from "../../compiler/passes/hoist.ts";
import { invariantCarries } from "../../compiler/passes/invariant-carries.ts";
import { simplify } from "../../compiler/passes/simplify.ts";
import { sink } from "../../compiler/passes/sink.ts";
import { passes } from "../../compiler/plan-program.ts";
import {
  add,
  constant,
  div,
  dot,
  mul,
  neg,
  ones,
  pad,
  scanTensors,
  sub,
  sum,
  type Tensor,
  tanh,
  traceGraph,
  zeros,
} from "../../index.ts";
import { count, numbers, sameAfter } from "../support/same-after.ts";

type Float = Tensor<"f32">;

const unchanged = (graph: Graph, pass: (graph: Graph) => Graph, shapes: readonly (readonly number[])[]) =>
  sameAfter(
    graph,
    pass,
    shapes.map((shape, i) => numbers(shape, i + 1)),
  );

describe("simplify", () => {
  const simplified = (graph: Graph) => removeDead(simplify(graph));
  const of = (f: (x: Float) => Float) =>
    traceGraph("f", [{ name: "x", dtype: "f32", shape: [3] }], ([x]) => [f(x as Float)]);

  test.each<[string, (x: Float) => Float, Node["op"]]>([
    ["x + 0", (x) => add(x, 0), "add"],
    ["0 + x", (x) => add(constant(0), x), "add"],
    ["x - 0", (x) => sub(x, 0), "sub"],
    ["1 · x", (x) => mul(constant(1), x), "mul"],
    ["x / 1", (x) => div(x, 1), "div"],
    ["- - x", (x) => neg(neg(x)), "neg"],
  ])("%s is x", (_, f, op) => {
    expect(count(unchanged(of(f), simplified, [[3]]), op)).toBe(0);
  });

  test.each<[string, (x: Float) => Float]>([
    ["0 - x", (x) => sub(constant(0), x)],
    ["1 / x", (x) => div(constant(1), x)],
    ["- x", (x) => neg(x)],
    ["x · 0", (x) => mul(x, 0)],
    ["0 · x", (x) => mul(constant(0), x)],
    ["x times a 1 among zeros", (x) => mul(x, pad(ones([1]), 0, 1, 3))],
  ])("%s is not x", (_, f) => {
    unchanged(of(f), simplified, [[3]]);
  });
});

describe("loop-invariant carries", () => {
  const shapes = [
    [2, 3],
    [3, 3],
    [2, 3],
    [4, 2, 3],
  ];
  /** The middle one of three carries is passed on unchanged, and every step also returns it. */
  const graph = traceGraph(
    "loop",
    shapes.map((shape, i) => ({ name: `input${i}`, dtype: "f32", shape })),
    ([h, w, c, x]) => {
      const step = ([before, weight, sum]: readonly Tensor[], [row]: readonly Tensor[]) => {
        const [kernel, total] = [weight as Float, sum as Float];
        const now = tanh(add(dot(row as Float, kernel), before as Float));
        return { carries: [now, kernel, add(total, now)], ys: [kernel, total] };
      };
      const { carries, ys } = scanTensors(step, [h as Float, w as Float, c as Float], [x as Float]);
      return [...carries, ...ys];
    },
  );
  const loopOf = ({ nodes }: Graph) => nodes.flatMap((node) => (node.op === "scan" ? [node.attrs] : []));

  test("become consts of their loop, and the others keep their order", () => {
    expect(loopOf(graph)).toMatchObject([{ consts: 0, carries: 3 }]);
    expect(loopOf(unchanged(graph, invariantCarries, shapes))).toMatchObject([{ consts: 1, carries: 2 }]);
  });

  test("let their products leave the loop", () => {
    const [before, after] = [hoist(graph), hoist(invariantCarries(graph))];
    expect(count(before, "dot")).toBe(0);
    expect(count(after, "dot")).toBe(1);
  });
});

describe("sums over time", () => {
  /** A carry with an initial value that adds a product in every step. */
  const accumulated = (start: () => Float) =>
    traceGraph(
      "accumulated",
      [
        { name: "a", dtype: "f32", shape: [4, 2, 3] },
        { name: "b", dtype: "f32", shape: [4, 2, 5] },
      ],
      ([a, b]) => {
        const step = ([total]: readonly Tensor[], [x, y]: readonly Tensor[]) => {
          const product = dot(x as Float, y as Float, { transposeA: true });
          return { carries: [add(total as Float, product)], ys: [] };
        };
        return scanTensors(step, [start()], [a as Float, b as Float]).carries;
      },
    );
  const shapes = [
    [4, 2, 3],
    [4, 2, 5],
  ];

  test("that start at 0 become one product after the loop", () => {
    const after = unchanged(
      accumulated(() => zeros([3, 5])),
      sink,
      shapes,
    );
    expect(after.nodes.find(({ op }) => op === "dot")?.aval.shape).toEqual([3, 5]);
  });

  test("that start at another value keep it", () => {
    unchanged(
      accumulated(() => ones([3, 5])),
      sink,
      shapes,
    );
  });

  test("of values that are also summed over the batch", () => {
    const graph = traceGraph("summed", [{ name: "x", dtype: "f32", shape: [4, 2, 3] }], ([x]) => {
      const step = ([total]: readonly Tensor[], [row]: readonly Tensor[]) => ({
        carries: [add(total as Float, sum(tanh(row as Float), [0]))],
        ys: [],
      });
      return scanTensors(step, [zeros([3])], [x as Float]).carries;
    });
    unchanged(graph, sink, [[4, 2, 3]]);
  });
});

test("several products that leave a loop keep their order", () => {
  const graph = traceGraph(
    "gates",
    [
      { name: "x", dtype: "f32", shape: [4, 2, 3] },
      { name: "u", dtype: "f32", shape: [3, 5] },
      { name: "v", dtype: "f32", shape: [3, 5] },
    ],
    ([x, u, v]) => {
      const step = ([h]: readonly Tensor[], [row]: readonly Tensor[]) => {
        const gate = tanh(dot(row as Float, u as Float));
        return { carries: [add(mul(gate, h as Float), dot(row as Float, v as Float))], ys: [] };
      };
      return scanTensors(step, [ones([2, 5])], [x as Float]).carries;
    },
  );
  const after = unchanged(graph, hoist, [
    [4, 2, 3],
    [3, 5],
    [3, 5],
  ]);
  expect(count(after, "dot")).toBe(2);
});

test("the passes run once per graph, for any number of programs", () => {
  const traced = () =>
    traceGraph("sums", [{ name: "x", dtype: "f32", shape: ["N", 4] }], ([x]) => [sum(tanh(x as Tensor<"f32">), 1)]);
  const graph = traced();
  const run = vi.spyOn(at(passes, 0), "run");
  const programs = ([1, 2] as const).map((maxRows) => compileProgram(graph, { maxRows }));
  expect(run).toHaveBeenCalledTimes(1);
  expect(programs).toEqual(([1, 2] as const).map((maxRows) => compileProgram(traced(), { maxRows })));
  const reported: string[] = [];
  compileProgram(graph, { onPass: ({ pass }) => reported.push(pass) });
  expect(reported).toEqual(["traced", ...passes.map(({ name }) => name)]);
  run.mockRestore();
});

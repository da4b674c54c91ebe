/**
 * @file Stacks of products, in every orientation: the values stay, and what the pass removes is gone. All sizes differ, so
 * that a wrong axis does not fit.
 */
import { describe, expect, test } from "vitest";
import { type Graph, nodeAt } from "../../compiler/graph/graph.ts";
import { broadcastAxes } from "../../compiler/ops/views.ts";
import { batchInFront } from "../../compiler/passes/batch-in-front.ts";
import { hoist } from "../../compiler/passes/hoist.ts";
import { simplify } from "../../compiler/passes/simplify.ts";
import { sink } from "../../compiler/passes/sink.ts";
import { stacks } from "../../compiler/passes/stacks.ts";
import { add, dot, interpret, scanTensors, sum, type Tensor, tanh, traceGraph, transpose, zeros } from "../../index.ts";
import { generator, randomFloats } from "../../testing/numbers/random-data.ts";

type Float = Tensor<"f32">;

const shapes = { x: [2, 3, 4, 5], y: [2, 3, 5, 6], w: [3, 5, 6], v: [3, 7, 4] } as const;
type Case = (inputs: Readonly<Record<keyof typeof shapes, Float>>) => Float;
const inputs = Object.values(shapes).map((shape, seed) => randomFloats(generator(seed), shape));

function traced(f: Case): Graph {
  const avals = Object.entries(shapes).map(([name, shape]) => ({ name, dtype: "f32" as const, shape }));
  return traceGraph("f", avals, (tensors) => [
    f(Object.fromEntries(avals.map(({ name }, i) => [name, tensors[i]])) as Parameters<Case>[0]),
  ]);
}

function expectSame(before: Graph, after: Graph, given = inputs): void {
  const [expected, now] = [before, after].map((graph) => interpret(graph, given).flatMap(({ data }) => [...data]));
  expect(now?.length).toBe(expected?.length);
  for (const [i, value] of (expected ?? []).entries()) expect(now?.[i]).toBeCloseTo(value, 12);
}

/** The ops of a graph after the pass, and those of the operands of its product. */
function after(f: Case) {
  const graph = traced(f);
  const now = stacks(graph);
  expectSame(graph, now);
  const product = now.nodes.find(({ op }) => op === "dot");
  const beneath = (id: number): string => {
    const { op, operands } = nodeAt(now, id);
    return op === "reshape" ? beneath(operands[0] ?? 0) : op;
  };
  return { ops: now.nodes.map(({ op }) => op), of: (product?.operands ?? []).map(beneath), product };
}

const swapped = (x: Float) => transpose(x, [...x.shape.slice(0, -2).keys(), x.shape.length - 1, x.shape.length - 2]);

test.each<[string, Case]>([
  ["left", ({ x, y }) => dot(swapped(swapped(x)), swapped(y), { transposeB: true })],
  ["right", ({ x, y }) => dot(x, swapped(y), { transposeB: true })],
  ["left, with a flag", ({ x, y }) => dot(swapped(x), y, { transposeA: true })],
  ["both", ({ x, y }) => dot(swapped(x), swapped(y), { transposeA: true, transposeB: true })],
])("a transposed operand is read as it is stored: %s", (_, f) => {
  expect(simplify(stacks(traced(f))).nodes.map(({ op }) => op)).not.toContain("transpose");
  after(f);
});

test("a transposition that keeps the last axis last stays", () => {
  const { ops } = after(({ x, w }) => dot(transpose(x, [1, 0, 2, 3]), broadcastAxes(w, [3, 2, 5, 6], [0, 2, 3])));
  expect(ops).toContain("transpose");
});

const forRows = (w: Float) => broadcastAxes(w, [2, ...w.shape], [1, 2, 3]);

test.each<[string, Case, readonly number[]]>([
  ["right matrices", ({ x, w }) => dot(x, forRows(w)), [3, 8, 6]],
  ["right matrices, transposed", ({ x, w }) => dot(x, forRows(swapped(w)), { transposeB: true }), [3, 8, 6]],
  ["right matrices, for columns", ({ x, w }) => dot(swapped(x), forRows(w), { transposeA: true }), [3, 8, 6]],
  ["left matrices", ({ x, v }) => dot(forRows(v), x), [3, 7, 10]],
  ["left matrices, transposed", ({ x, v }) => dot(forRows(swapped(v)), x, { transposeA: true }), [3, 7, 10]],
  ["left matrices, for rows", ({ x, v }) => dot(forRows(v), swapped(x), { transposeB: true }), [3, 7, 10]],
])("a matrix is not repeated: %s", (_, f, shape) => {
  const { of, product } = after(f);
  expect(of).not.toContain("broadcast");
  expect(product?.aval.shape).toEqual(shape);
});

test.each<[string, Case, readonly number[]]>([
  ["one axis", ({ x, y }) => sum(dot(x, y), [0]), [3, 4, 6]],
  ["the other", ({ x, y }) => sum(dot(x, y), [1]), [2, 4, 6]],
  ["all", ({ x, y }) => sum(dot(x, y), [0, 1]), [4, 6]],
  [
    "transposed",
    ({ x, y }) => sum(dot(swapped(x), swapped(y), { transposeA: true, transposeB: true }), [0]),
    [3, 4, 6],
  ],
])("a sum over a stack is one product: %s", (_, f, shape) => {
  const { ops, product } = after(f);
  expect(ops).not.toContain("sum");
  expect(product?.aval.shape).toEqual(shape);
});

test.each<[string, Case]>([
  ["over rows", ({ x, y }) => sum(dot(x, y), [0, 2])],
  ["of products that are read", ({ x, y }) => add(sum(dot(x, y), [0, 1]), sum(tanh(dot(x, y)), [0, 1]))],
])("a sum %s stays", (_, f) => {
  const { ops } = after(f);
  expect(ops).toContain("sum");
  expect(ops.filter((op) => op === "dot")).toHaveLength(1);
});

describe("loops", () => {
  const [time, batch] = [3, 4];
  const given = [
    [time, batch, 2, 5],
    [2, 5, 5],
  ].map((shape, seed) => randomFloats(generator(seed), shape));

  /** A loop with rows B and states [B, 2, 5]; `step` has the state, an x, and a stack of matrices [2, 5, 5]. */
  const looped = (step: (h: Float, x: Float, w: Float, total: Float) => { h: Float; total?: Float; y?: Float }) =>
    traceGraph(
      "loop",
      [
        { name: "xs", dtype: "f32", shape: ["T", "B", 2, 5] },
        { name: "w", dtype: "f32", shape: [2, 5, 5] },
      ],
      ([xs, w]) => {
        const run = ([h, total]: readonly Tensor[], [x]: readonly Tensor[]) => {
          const next = step(h as Float, x as Float, w as Float, total as Float);
          return { carries: [next.h, next.total ?? (total as Float)], ys: [next.y ?? next.h] };
        };
        const { carries, ys } = scanTensors(run, [zeros(["B", 2, 5]), zeros([2, 5, 5])], [xs as Float]);
        return [...carries, ...ys];
      },
    );
  const bodyOf = (graph: Graph) => {
    const scan = graph.nodes.find(({ op }) => op === "scan");
    if (scan?.op !== "scan") throw new Error("no loop");
    return scan.attrs.body;
  };
  const products = (graph: Graph) => graph.nodes.filter(({ op }) => op === "dot").length;
  const front = (x: Float) => transpose(x, [1, 0, 2]);

  test("a stack of products of xs leaves a loop", () => {
    const graph = looped((h, x, w) => ({ h: tanh(add(h, front(dot(front(x), w)))) }));
    const now = hoist(graph);
    expectSame(graph, now, given);
    expect([products(now), products(bodyOf(now))]).toEqual([1, 0]);
  });

  test("a stack of products that is summed over time is one stack after the loop", () => {
    const graph = looped((h, x, __, total) => {
      const next = tanh(add(h, x));
      return { h: next, total: add(total, dot(front(x), front(next), { transposeA: true })) };
    });
    const now = sink(graph);
    expectSame(graph, now, given);
    expect([products(now), products(bodyOf(now))]).toEqual([1, 0]);
    expect(
      nodeAt(
        now,
        now.nodes.findIndex(({ op }) => op === "dot"),
      ).aval.shape,
    ).toEqual([2, 5, 5]);
  });

  test("ys and xs have the batch in front", () => {
    const inner = looped((h, x) => ({ h: tanh(add(h, x)), y: front(h) }));
    const now = batchInFront(inner);
    expectSame(inner, now, given);
    expect(bodyOf(now).outputs.map((id) => nodeAt(bodyOf(now), id).aval.shape[0])).toEqual(["B", 2, "B"]);
    const reader = traceGraph("reader", [{ name: "xs", dtype: "f32", shape: ["T", 2, "B", 5] }], ([xs]) => {
      const step = ([h]: readonly Tensor[], [x]: readonly Tensor[]) => ({
        carries: [add(h as Float, front(x as Float))],
        ys: [],
      });
      return scanTensors(step, [zeros(["B", 2, 5])], [xs as Float]).carries;
    });
    const read = batchInFront(reader);
    expectSame(reader, read, [randomFloats(generator(1), [time, 2, batch, 5])]);
    expect(bodyOf(read).inputs.map((id) => nodeAt(bodyOf(read), id).aval.shape[0])).toEqual(["B", "B"]);
  });
});

/**
 * @file Products of concatenated operands: for every axis and orientation of a concatenation or slice, the parts have
 * the same values as the whole, and the whole is gone. Sizes are chosen so that a wrong axis or start would fit as
 * well.
 */
import { describe, expect, test } from "vitest";
import { type Graph, nodeAt } from "../../compiler/graph/graph.ts";
import { splitProducts } from "../../compiler/passes/split-products.ts";
import { add, concat, dot, interpret, reshape, slice, type Tensor, traceGraph } from "../../index.ts";
import { generator, randomFloats } from "../../testing/numbers/random-data.ts";

type Float = Tensor<"f32">;

const shapes = { a: [4, 4], b: [4, 4], u: [4, 4], v: [4, 4], tall: [8, 4], wide: [4, 8] } as const;
type Case = (inputs: Readonly<Record<keyof typeof shapes, Float>>) => Float;

const inputs = Object.values(shapes).map((shape, seed) => randomFloats(generator(seed), shape));

function traced(f: Case): Graph {
  const avals = Object.entries(shapes).map(([name, shape]) => ({ name, dtype: "f32" as const, shape }));
  return traceGraph("f", avals, (tensors) => [
    f(Object.fromEntries(avals.map(({ name }, i) => [name, tensors[i]])) as Parameters<Case>[0]),
  ]);
}

/** Pairs of a node's op and an operand's op after the pass, such as "dot of slice"; values must not change. */
function pairsAfter(f: Case): string[] {
  const graph = traced(f);
  const after = splitProducts(graph);
  const [before, now] = [graph, after].map((each) => [...(interpret(each, inputs)[0]?.data ?? [])]);
  expect(now?.length).toBe(before?.length);
  for (const [i, value] of (before ?? []).entries()) expect(now?.[i]).toBeCloseTo(value, 12);
  return after.nodes.flatMap(({ op, operands }) => operands.map((operand) => `${op} of ${opBeneath(after, operand)}`));
}

/** The op beneath reshapes. */
function opBeneath(graph: Graph, id: number): string {
  const { op, operands } = nodeAt(graph, id);
  return op === "reshape" ? opBeneath(graph, operands[0] ?? 0) : op;
}

const stacked = (a: Float, b: Float) => concat([a, b], 0);
const beside = (a: Float, b: Float) => concat([a, b], 1);
const halves = (x: Float) => reshape(x, [2, 2, 4]);

test.each<[string, Case]>([
  ["along the depth, on both sides", ({ a, b, u, v }) => dot(beside(a, b), stacked(u, v))],
  ["along the depth, on the left", ({ a, b, tall }) => dot(beside(a, b), tall)],
  ["along the depth, on the left, transposed", ({ a, b, tall }) => dot(stacked(a, b), tall, { transposeA: true })],
  ["along the depth, on the right", ({ wide, u, v }) => dot(wide, stacked(u, v))],
  ["along the depth, on the right, transposed", ({ wide, u, v }) => dot(wide, beside(u, v), { transposeB: true })],
  ["along the rows", ({ a, b, u }) => dot(stacked(a, b), u)],
  ["along the rows, transposed", ({ a, b, u }) => dot(beside(a, b), u, { transposeA: true })],
  ["along the columns", ({ a, u, v }) => dot(a, beside(u, v))],
  ["along the columns, transposed", ({ a, u, v }) => dot(a, stacked(u, v), { transposeB: true })],
  [
    "along the depth, beneath a reshape of the rows",
    ({ a, b, tall }) => dot(reshape(concat([halves(a), halves(b)]), [4, 8]), tall),
  ],
])("a concatenation %s is multiplied part by part", (_, f) => {
  expect(pairsAfter(f)).not.toContain("dot of concat");
});

test("a concatenation that a reshape cuts elsewhere stays whole", () => {
  expect(pairsAfter(({ a, b, u }) => dot(reshape(beside(a, b), [8, 4]), u))).toContain("dot of concat");
});

describe("only the slice of a product that is read is computed:", () => {
  test.each<[string, Case]>([
    ["columns", ({ a, u }) => slice(dot(a, u), 1, 2, 2)],
    ["columns, the right operand transposed", ({ a, u }) => slice(dot(a, u, { transposeB: true }), 1, 1, 2)],
    ["rows", ({ a, u }) => slice(dot(a, u), 0, 1, 2)],
    ["rows, the left operand transposed", ({ a, u }) => slice(dot(a, u, { transposeA: true }), 0, 2, 2)],
    ["of a sum of products", ({ a, b, u, v }) => slice(add(dot(a, u), dot(b, v)), 1, 1, 3)],
  ])("%s", (_, f) => {
    const pairs = pairsAfter(f);
    expect(pairs).toContain("dot of slice");
    expect(pairs.filter((pair) => pair === "slice of dot" || pair === "slice of add")).toEqual([]);
  });
});

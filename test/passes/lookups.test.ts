/** @file Products of looked-up rows: moved into the table if that is less work, with the same values and gradients. */
import { describe, expect, test } from "vitest";
import { valueAndGrad } from "../../compiler/autodiff/gradient.ts";
import type { Dim } from "../../compiler/graph/dim.ts";
import { at } from "../../compiler/graph/errors.ts";
import { type Graph, nodeAt } from "../../compiler/graph/graph.ts";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import { square } from "../../compiler/ops/composed.ts";
import { dot, gather, matmul, scatterAdd } from "../../compiler/ops/contractions.ts";
import { add, less } from "../../compiler/ops/elementwise.ts";
import { where } from "../../compiler/ops/logic.ts";
import { slice } from "../../compiler/ops/pieces.ts";
import { iota } from "../../compiler/ops/sources.ts";
import { traceGraph } from "../../compiler/ops/trace.ts";
import { reshape, sum, transpose } from "../../compiler/ops/views.ts";
import { removeDead } from "../../compiler/passes/dead.ts";
import { lookupsOfProducts } from "../../compiler/passes/lookups.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { numbers, sameAfter } from "../support/same-after.ts";

type Float = Tensor<"f32">;

/**
 * Loss and gradient of (E[i]·U)² + (E[i]·V)², for a table with `tableRows` rows and indices of a shape. With a mask,
 * rows are 0 where the index is 0, and 1 is added to their products.
 */
function embedded(tableRows: number, shape: readonly Dim[], isMasked = false): Graph {
  const inputs = [
    { name: "table", dtype: "f32" as const, shape: [tableRows, 3] },
    { name: "u", dtype: "f32" as const, shape: [3, 4] },
    { name: "v", dtype: "f32" as const, shape: [3, 2] },
    { name: "i", dtype: "i32" as const, shape },
  ];
  return traceGraph("embedded", inputs, ([table, u, v, i]) => {
    const loss = ({ table, u, v }: { table: Float; u: Float; v: Float }) => {
      const found = gather(table, i as Tensor<"i32">);
      const exists = less(0, reshape(i as Tensor<"i32">, [...shape, 1]));
      const rows = isMasked ? where(exists, found, 0) : found;
      if (isMasked) return sum(square(add(matmul(rows, matmul(u, matmul(transpose(u), v))), 1)));
      return add(sum(square(matmul(rows, u))), sum(square(matmul(rows, v))));
    };
    const { value, grad } = valueAndGrad(loss)({ table: table as Float, u: u as Float, v: v as Float });
    return [value, grad.table, grad.u, grad.v];
  });
}

const moved = (graph: Graph) => removeDead(lookupsOfProducts(graph));

/** Rows of the left operand of every product, or its depth if it is transposed. */
function lengths(graph: Graph): Dim[] {
  return graph.nodes.flatMap((node) =>
    node.op === "dot" ? [at(nodeAt(graph, at(node.operands, 0)).aval.shape, 0)] : [],
  );
}

test.each([false, true])(
  "values and gradients do not change, also for indices past the end of the table; masked: %s",
  (masked) => {
    const graph = embedded(5, ["T", "B"], masked);
    const indices = {
      ...ndarray(
        [7, 3],
        Array.from({ length: 21 }, (_, i) => (i * 5) % 8),
      ),
      dtype: "i32" as const,
    };
    const given = [numbers([5, 3], 1), numbers([3, 4], 2), numbers([3, 2], 3), indices];
    sameAfter(graph, lookupsOfProducts, given);
  },
);

describe("similar graphs do not change:", () => {
  const [rows, lookups] = [4, 6];
  const inputs = [
    { name: "table", dtype: "f32", shape: [rows, 4] },
    { name: "matrices", dtype: "f32", shape: [rows, 4, 4] },
    { name: "u", dtype: "f32", shape: [4, 4] },
    { name: "g", dtype: "f32", shape: [lookups, lookups] },
    { name: "i", dtype: "i32", shape: [lookups] },
  ] as const;
  const given = inputs.map(({ dtype, shape }, seed) =>
    dtype === "i32" ? { ...ndarray(shape, [0, 3, 2, 3, 1, 0]), dtype } : numbers(shape, seed),
  );
  type Tensors = Readonly<Record<"table" | "matrices" | "u" | "g", Float>> & { readonly i: Tensor<"i32"> };

  test.each<[string, (tensors: Tensors) => Float]>([
    ["a product of split rows", ({ table, u, i }) => matmul(reshape(gather(table, i), [12, 2]), slice(u, 0, 0, 2))],
    ["a product of looked-up matrices", ({ matrices, u, i }) => matmul(reshape(gather(matrices, i), [24, 4]), u)],
    [
      "a product transposed on both sides",
      ({ table, g, i }) => dot(gather(table, i), g, { transposeA: true, transposeB: true }),
    ],
    [
      "updates that join rows of products",
      ({ g, u, i }) =>
        scatterAdd(i, reshape(dot(reshape(slice(g, 0, 0, 4), [12, 2]), slice(u, 0, 0, 2)), [6, 8]), rows),
    ],
    [
      "updates that are products of columns",
      ({ g, u, i }) => scatterAdd(i, dot(slice(g, 0, 0, 4), u, { transposeA: true }), rows),
    ],
    [
      "a product of rows that a mask sets to 1",
      ({ table, u, i }) => matmul(where(less(0, reshape(i, [6, 1])), gather(table, i), 1), u),
    ],
    [
      "a product of rows with masked columns",
      ({ table, u, i }) => matmul(where(less(iota([4], 0), 2), gather(table, i), 0), u),
    ],
  ])("%s", (_, f) => {
    const graph = traceGraph("alike", inputs, (tensors) => [
      f(Object.fromEntries(inputs.map(({ name }, k) => [name, tensors[k]])) as Tensors),
    ]);
    expect(lengths(sameAfter(graph, lookupsOfProducts, given))).toEqual(lengths(graph));
  });
});

describe("which products move", () => {
  test("all products over a sequence and a batch: the table is multiplied, forward and backward", () => {
    expect(lengths(embedded(64, ["T", "B"]))).toContain("B*T");
    expect(new Set(lengths(moved(embedded(64, ["T", "B"]))))).toEqual(new Set([64]));
  });

  test("products of looked-up rows under a mask", () => {
    const graph = embedded(64, ["T", "B"], true);
    expect(lengths(graph)).toContain("B*T");
    expect(lengths(moved(graph))).not.toContain("B*T");
  });

  test.each<[string, number, readonly Dim[]]>([
    ["a table larger than an alphabet", 257, ["T", "B"]],
    ["one step of a batch", 64, ["B"]],
    ["fewer rows than the table has", 64, [4, 4]],
  ])("none of %s", (_, rows, shape) => {
    const graph = embedded(rows, shape);
    expect(lengths(moved(graph))).toEqual(lengths(graph));
  });

  test("products of more rows than the table has, if both are known", () => {
    expect(new Set(lengths(moved(embedded(8, [3, 4]))))).toEqual(new Set([8]));
  });
});

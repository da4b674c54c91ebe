/** @file Products of looked-up rows: moved into the table where that is less work, with values and gradients kept. */
import { describe, expect, test } from "vitest";
import { valueAndGrad } from "../../compiler/autodiff/gradient.ts";
import type { Dim } from "../../compiler/graph/dim.ts";
import { at } from "../../compiler/graph/errors.ts";
import { type Graph, nodeAt } from "../../compiler/graph/graph.ts";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import { square } from "../../compiler/ops/composed.ts";
import { gather, matmul } from "../../compiler/ops/contractions.ts";
import { add } from "../../compiler/ops/elementwise.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import { traceGraph } from "../../compiler/ops/trace.ts";
import { verify } from "../../compiler/ops/verify.ts";
import { sum } from "../../compiler/ops/views.ts";
import { removeDead } from "../../compiler/passes/dead.ts";
import { lookupsOfProducts } from "../../compiler/passes/lookups.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";

type Float = Tensor<"f32">;

/** Loss and gradient of (E[i]·U)² + (E[i]·V)², for a table of so many rows and indices of a shape. */
function embedded(tableRows: number, shape: readonly Dim[]): Graph {
  const inputs = [
    { name: "table", dtype: "f32" as const, shape: [tableRows, 3] },
    { name: "u", dtype: "f32" as const, shape: [3, 4] },
    { name: "v", dtype: "f32" as const, shape: [3, 2] },
    { name: "i", dtype: "i32" as const, shape },
  ];
  return traceGraph("embedded", inputs, ([table, u, v, i]) => {
    const loss = ({ table, u, v }: { table: Float; u: Float; v: Float }) => {
      const rows = gather(table, i as Tensor<"i32">);
      return add(sum(square(matmul(rows, u))), sum(square(matmul(rows, v))));
    };
    const { value, grad } = valueAndGrad(loss)({ table: table as Float, u: u as Float, v: v as Float });
    return [value, grad.table, grad.u, grad.v];
  });
}

const moved = (graph: Graph) => removeDead(lookupsOfProducts(graph));

/** Rows of the left operand of every product, or its depth where it is transposed. */
function lengths(graph: Graph): Dim[] {
  return graph.nodes.flatMap((node) =>
    node.op === "dot" ? [at(nodeAt(graph, at(node.operands, 0)).aval.shape, 0)] : [],
  );
}

test("values and gradients stay as they were, past the end of the table too", () => {
  const graph = embedded(5, ["T", "B"]);
  const rewritten = lookupsOfProducts(graph);
  verify(rewritten);
  const wave = (shape: readonly number[], seed: number) =>
    ndarray(
      shape,
      Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(seed + 1.3 * i)),
    );
  const indices = {
    ...ndarray(
      [7, 3],
      Array.from({ length: 21 }, (_, i) => (i * 5) % 8),
    ),
    dtype: "i32" as const,
  };
  const given = [wave([5, 3], 1), wave([3, 4], 2), wave([3, 2], 3), indices];
  const [before, after] = [interpret(graph, given), interpret(rewritten, given)];
  for (const [i, { data }] of before.entries()) {
    for (const [k, value] of data.entries()) expect(at(after, i).data[k]).toBeCloseTo(value, 12);
  }
});

describe("which products move", () => {
  test("all of a sequence of a batch: the table is multiplied, forward and backward", () => {
    expect(lengths(embedded(64, ["T", "B"]))).toContain("B*T");
    expect(new Set(lengths(moved(embedded(64, ["T", "B"]))))).toEqual(new Set([64]));
  });

  test.each<[string, number, readonly Dim[]]>([
    ["a table larger than an alphabet", 257, ["T", "B"]],
    ["one step of a batch", 64, ["B"]],
    ["fewer rows than the table has", 64, [4, 4]],
  ])("none of %s", (_, rows, shape) => {
    const graph = embedded(rows, shape);
    expect(lengths(moved(graph))).toEqual(lengths(graph));
  });

  test("more rows than the table has, where both are known", () => {
    expect(new Set(lengths(moved(embedded(8, [3, 4]))))).toEqual(new Set([8]));
  });
});

/**
 * @file What a derivative compares for equality is computed once: it is stored by a loop and by the stages of a graph, so
 * that no other computation of it, which may round otherwise, is compared with a result of the first.
 */
import { describe, expect, test } from "vitest";
import { nodeAt } from "../../compiler/graph/graph.ts";
import { comparedExactly } from "../../compiler/ops/compared-exactly.ts";
import { formStages } from "../../compiler/plan/stages/form-stages.ts";
import {
  add,
  equal,
  grad,
  mul,
  pow,
  reduceMax,
  relu,
  scanTensors,
  sigmoid,
  sum,
  type Tensor,
  traceGraph,
  where,
} from "../../index.ts";

type Float = Tensor<"f32">;

const x = { name: "x", dtype: "f32", shape: [4, 3] } as const;

describe("what is compared exactly", () => {
  const compared = (f: (a: Float) => Tensor) => {
    const graph = traceGraph("compared", [x], ([a]) => [f(a as Float)]);
    return [...comparedExactly(graph, () => true)].map((id) => nodeAt(graph, id).op);
  };

  test("a maximum and what it is the maximum of", () => {
    expect(compared((a) => grad((b: Float) => sum(reduceMax(mul(b, b), 1)))(a))).toEqual(["mul", "reduceMax"]);
  });

  test("not what is compared with a constant, or in another way", () => {
    expect(compared((a) => grad((b: Float) => sum(add(relu(b), pow(b, 3))))(a))).toEqual([]);
    expect(compared((a) => where(equal(a, 1), a, 0))).toEqual([]);
  });
});

test("a stage stores it, though it is cheap", () => {
  const graph = traceGraph("maximum", [x], ([a]) => [grad((b: Float) => sum(reduceMax(add(b, 0.5), 1)))(a as Float)]);
  const { stored } = formStages(graph, graph.outputs);
  expect([...stored].map((id) => nodeAt(graph, id).op)).toContain("add");
});

test("a loop stores it, though it is cheap arithmetic on what it stores", () => {
  const loopOf = (of: (s: Float) => Float) => {
    const graph = traceGraph("loop", [x, { name: "s", dtype: "f32", shape: [3] }], ([xs, s]) => {
      const loss = (initial: Float) => {
        const step = ([state]: readonly Tensor[], [row]: readonly Tensor[]) => {
          const next = add(mul(state as Float, 0.5), row as Float);
          return { carries: [next], ys: [of(mul(sigmoid(next), row as Float))] };
        };
        const { ys } = scanTensors(step, [initial] as Tensor[], [xs] as Tensor[]);
        return sum(ys[0] as Float);
      };
      return [grad(loss)(s as Float)];
    });
    const [forward] = graph.nodes.flatMap((node) => (node.op === "scan" ? [node.attrs] : []));
    return forward?.body.outputs.map((id) => (forward ? nodeAt(forward.body, id).op : "")) ?? [];
  };
  expect(loopOf((s) => reduceMax(s, 0)).filter((op) => op === "mul")).toHaveLength(1);
  expect(loopOf((s) => sum(relu(s))).filter((op) => op === "mul")).toHaveLength(0);
});

/** @file `specialize`: no symbol with a given size is left anywhere, and the values are the same. */
import { expect, test } from "vitest";
import { specialize } from "../../compiler/passes/specialize.ts";
import {
  add,
  dimSize,
  iota,
  mean,
  pad,
  reshape,
  scanTensors,
  slice,
  type Tensor,
  tanh,
  traceGraph,
} from "../../index.ts";
import { count, numbers, sameAfter } from "../support/same-after.ts";

type Float = Tensor<"f32">;

/** Symbols in every attribute of a node that can have them. */
const graph = traceGraph("symbols", [{ name: "x", dtype: "f32", shape: ["T", "B", 2] }], ([x]) => {
  const xs = x as Float;
  const counted = reshape(iota(["T", "B", 2], 0, "f32"), ["2*B*T"]);
  const last = pad(slice(xs, 0, -1, 1), 0, -1, "T");
  const step = ([h]: readonly Tensor[], [row]: readonly Tensor[]) => {
    const next = tanh(add(h as Float, mean(row as Float)));
    return { carries: [next], ys: [pad(slice(row as Float, 0, -1, 1), 0, -1, "B")] };
  };
  const { carries, ys } = scanTensors(step, [dimSize("B*T")], [xs]);
  return [counted, last, ...carries, ...ys];
});

test("all sizes at once", () => {
  const after = sameAfter(graph, (each) => specialize(each, { T: 3, B: 4 }), [numbers([3, 4, 2], 1)]);
  expect(JSON.stringify({ ...after, sites: [] })).not.toMatch(/"[^"]*\b[BT]\b[^"]*"/);
  expect([count(graph, "dimSize"), count(after, "dimSize")]).toEqual([1, 0]);
});

test("only one size", () => {
  const after = sameAfter(graph, (each) => specialize(each, { B: 4 }), [numbers([3, 4, 2], 1)]);
  expect(JSON.stringify({ ...after, sites: [] })).not.toMatch(/"[^"]*\bB\b[^"]*"/);
  expect(after.nodes[0]?.aval.shape).toEqual(["T", 4, 2]);
});

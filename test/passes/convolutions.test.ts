/**
 * @file A convolution in a loop is a product of windows. The product is split into a part that reads x, which leaves
 * the loop, and a part that reads the state; each is split into one product per neighbour.
 */
import { expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import type { Graph } from "../../compiler/graph/graph.ts";
import { verify } from "../../compiler/ops/verify.ts";
import { passes } from "../../compiler/plan-program.ts";
import {
  concat,
  interpret,
  matmul,
  reshape,
  scanTensors,
  sum,
  type Tensor,
  tanh,
  traceGraph,
  valueAndGrad,
  windows,
} from "../../index.ts";
import { relativeError } from "../../testing/numbers/compare.ts";
import { generator, randomFloats } from "../../testing/numbers/random-data.ts";

type Float = Tensor<"f32">;
const [positions, channels, width] = [4, 2, 3];
const rows = 2 * width * channels;

/** (x [T, B, positions * channels], h [B, positions, channels], W) -> the sum of the last state, and its gradients. */
const graph = traceGraph(
  "convolution",
  [
    { name: "x", dtype: "f32", shape: ["T", "B", positions * channels] },
    { name: "h", dtype: "f32", shape: ["B", positions, channels] },
    { name: "w", dtype: "f32", shape: [rows, channels] },
  ],
  (inputs) => {
    const last = ([x, h, w]: Float[]): Float => {
      const step = ([state]: readonly Tensor[], [now]: readonly Tensor[]) => {
        const line = reshape(now as Float, ["B", positions, channels]);
        const seen = concat([windows(line, width), windows(state as Float, width)]);
        return { carries: [tanh(matmul(seen, w as Float))], ys: [] };
      };
      return sum(at(scanTensors(step, [h as Float], [x as Float], { name: "line" }).carries, 0) as Float);
    };
    const { value, grad } = valueAndGrad(last)(inputs as Float[]);
    return [value, ...grad];
  },
);

const compiled = passes.reduce((current, { run }) => verify(run(current)), graph);

function productsIn({ nodes }: Graph): number {
  return nodes.filter(({ op }) => op === "dot").length;
}

test("only products of the state stay in the loop, forward and backward", () => {
  const bodies = compiled.nodes.flatMap((node) => (node.op === "scan" ? [node.attrs.body] : []));
  // One product per neighbour forward; backward, one product yields the cotangents of all.
  expect(bodies.map((body) => [body.name, productsIn(body)])).toEqual([
    ["line", width],
    ["line.vjp", 1],
  ]);
});

test("the values do not change", () => {
  const random = generator(9);
  const inputs = [
    [5, 3, positions * channels],
    [3, positions, channels],
    [rows, channels],
  ].map((shape) => randomFloats(random, shape));
  const expected = interpret(graph, inputs);
  for (const [i, result] of interpret(compiled, inputs).entries())
    expect(relativeError([result], [at(expected, i)])).toBeLessThan(1e-12);
});

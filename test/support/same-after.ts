/** @file A pass in a test: the graph after it gives the numbers from before. */
import { expect } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import type { Graph, Node, ScanNode } from "../../compiler/graph/graph.ts";
import { type NdArray, ndarray } from "../../compiler/graph/ndarray.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import { verify } from "../../compiler/ops/verify.ts";

/** Numbers of no pattern. */
export const numbers = (shape: readonly number[], seed: number): NdArray =>
  ndarray(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(seed + 1.3 * i)),
  );

/** The graph after a pass, whose outputs must be those from before. */
export function sameAfter(graph: Graph, pass: (graph: Graph) => Graph, inputs: readonly NdArray[]): Graph {
  const after = verify(pass(graph));
  const [before, now] = [interpret(graph, inputs), interpret(after, inputs)];
  for (const [i, { data, shape }] of before.entries()) {
    expect(at(now, i).shape).toEqual(shape);
    for (const [k, value] of data.entries()) expect(at(now, i).data[k]).toBeCloseTo(value, 12);
  }
  return after;
}

/** How many nodes of a graph, outside of its loops, are of an op. */
export const count = (graph: Graph, op: Node["op"]) => graph.nodes.filter((node) => node.op === op).length;

/** The first loop of a graph. */
export function loopOf(graph: Graph): ScanNode["attrs"] {
  const loop = graph.nodes.find((node) => node.op === "scan");
  if (loop?.op !== "scan") throw new Error(`${graph.name} has no loop`);
  return loop.attrs;
}

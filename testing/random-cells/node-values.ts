/**
 * @file The value of every node of a graph without scans, in float64 or with each result rounded to f32. The first shows
 * intermediate values (such as the margin of a comparison); the second is an executor that represents any f32 device: no
 * device can be expected to be more accurate.
 */
import { bindShape, type DimSizes } from "../../compiler/graph/dim.ts";
import { at } from "../../compiler/graph/errors.ts";
import { foldGraph } from "../../compiler/graph/fold.ts";
import { type Graph, nodeAt } from "../../compiler/graph/graph.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { evaluateNode } from "../../compiler/ops/interpret.ts";
import { specialize } from "../../compiler/passes/specialize.ts";
import { unroll } from "../../compiler/passes/unroll.ts";
import type { Executor } from "../executor.ts";

/** Sizes of the graph's symbols, from the shapes of its inputs. */
export function sizesOf(graph: Graph, inputs: readonly NdArray[]): DimSizes {
  const sizes: Record<string, number> = {};
  for (const [i, id] of graph.inputs.entries()) {
    const problem = bindShape(nodeAt(graph, id).aval.shape, at(inputs, i).shape, sizes);
    if (problem !== undefined) throw new Error(`${graph.name}: ${problem}`);
  }
  return sizes;
}

/** The graph at the sizes of its inputs, without symbols and scans. */
export function straightened(graph: Graph, inputs: readonly NdArray[]): Graph {
  return unroll(specialize(graph, sizesOf(graph, inputs)));
}

/** Values of all nodes in order; each is replaced by the result of `keep` before it is used. */
export function nodeValues(
  graph: Graph,
  inputs: readonly NdArray[],
  keep: (value: NdArray, id: number) => NdArray = (value) => value,
): NdArray[] {
  const given = graph.inputs.map((id, i) => keep(at(inputs, i), id));
  const values = foldGraph(graph, given, {
    node: (node, operands, id) => keep(evaluateNode(node, operands, {}), id),
    scan: () => {
      throw new Error(`${graph.name}: it has a loop; unroll it first`);
    },
  });
  return [...graph.nodes.keys()].map((id) => values.value(id));
}

/** As `nodeValues`, but stopGradient nodes have their values in `before`: the function that a gradient differentiates. */
export function stoppedValues(graph: Graph, inputs: readonly NdArray[], before: readonly NdArray[]): NdArray[] {
  return nodeValues(graph, inputs, (now, id) => (at(graph.nodes, id).op === "stopGradient" ? at(before, id) : now));
}

function rounded(value: NdArray): NdArray {
  return value.dtype === "f32" ? { ...value, data: value.data.map(Math.fround) } : value;
}

/** Runs the unrolled graph with each result rounded to f32. */
export const roundingExecutor: Executor = {
  name: "interpreter that rounds to f32",
  tolerance: 1e-4,
  execute: async (graph, inputs) => {
    const straight = straightened(graph, inputs);
    const values = nodeValues(straight, inputs, rounded);
    return straight.outputs.map((id) => at(values, id));
  },
};

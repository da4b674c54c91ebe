/**
 * @file Replaces every `customGradient` node by the value it passes on. Gradients have been taken by now, and without
 * the node the ops before and after it can be fused.
 */
import { at } from "../graph/errors.ts";
import type { Graph } from "../graph/graph.ts";
import { rewriteGraph } from "./rewrite.ts";

/** The graph without `customGradient` nodes; the same object if there are none. */
export function withoutCustomGradients(graph: Graph): Graph {
  if (!holdsCustomGradient(graph)) return graph;
  return rewriteGraph(graph, () => ({
    node: (node, _, rebuilt) =>
      node.op === "customGradient" ? rebuilt(at(node.operands, node.attrs.index)) : undefined,
  }));
}

/** Whether a graph, or the body of a loop in it, has a `customGradient` node. */
export function holdsCustomGradient(graph: Graph): boolean {
  return graph.nodes.some(
    (node) => node.op === "customGradient" || (node.op === "scan" && holdsCustomGradient(node.attrs.body)),
  );
}

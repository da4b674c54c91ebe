/**
 * @file A `customGradient` has done its work when gradients have been taken: the value that it gives on takes its place, so
 * that what computed it shares kernels with what reads it.
 */
import { at } from "../graph/errors.ts";
import type { Graph } from "../graph/graph.ts";
import { rewriteGraph } from "./rewrite.ts";

/** The graph without them; the same where there are none. */
export function withoutCustomGradients(graph: Graph): Graph {
  if (!holdsCustomGradient(graph)) return graph;
  return rewriteGraph(graph, () => ({
    node: (node, _, rebuilt) =>
      node.op === "customGradient" ? rebuilt(at(node.operands, node.attrs.index)) : undefined,
  }));
}

/** Whether there is one in a graph, or in the body of a loop. */
export function holdsCustomGradient(graph: Graph): boolean {
  return graph.nodes.some(
    (node) => node.op === "customGradient" || (node.op === "scan" && holdsCustomGradient(node.attrs.body)),
  );
}

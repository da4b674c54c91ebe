/** @file Algebra that changes no value: adding 0, multiplying or dividing by 1, negating twice. */
import { at } from "../graph/errors.ts";
import { type Graph, type Node, type NodeId, nodeAt } from "../graph/graph.ts";
import type { Tensor } from "../trace/tensor.ts";
import { type Rebuilt, rewriteGraph } from "./rewrite.ts";

export function simplify(graph: Graph): Graph {
  return rewriteGraph(graph, (inner) => ({ node: (node, _, rebuilt) => simpler(inner, node, rebuilt) }));
}

/** The number that a node is everywhere, if it is one. */
export function constantValue(graph: Graph, id: NodeId): number | undefined {
  const node = nodeAt(graph, id);
  if (node.op === "constant") return node.attrs.value;
  return node.op === "broadcast" || node.op === "reshape" ? constantValue(graph, at(node.operands, 0)) : undefined;
}

function simpler(graph: Graph, node: Node, rebuilt: Rebuilt): Tensor | undefined {
  const [a, b] = node.operands;
  if (a === undefined) return undefined;
  if (node.op === "neg") {
    const inner = nodeAt(graph, a);
    return inner.op === "neg" ? rebuilt(at(inner.operands, 0)) : undefined;
  }
  if (b === undefined) return undefined;
  const [left, right] = [constantValue(graph, a), constantValue(graph, b)];
  switch (node.op) {
    case "add":
      return left === 0 ? rebuilt(b) : right === 0 ? rebuilt(a) : undefined;
    case "sub":
      return right === 0 ? rebuilt(a) : undefined;
    case "mul":
      return left === 1 ? rebuilt(b) : right === 1 ? rebuilt(a) : undefined;
    case "div":
      return right === 1 ? rebuilt(a) : undefined;
    default:
      return undefined;
  }
}

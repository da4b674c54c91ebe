/** @file Algebraic identities: adding 0, multiplying or dividing by 1, negating and transposing twice. */
import { at } from "../graph/errors.ts";
import { type Graph, type NodeId, nodeAt } from "../graph/graph.ts";
import { transpose } from "../ops/views.ts";
import type { Tensor } from "../trace/tensor.ts";
import { applyRules, type LocalRules, type Match } from "./local-rules.ts";

export function simplify(graph: Graph): Graph {
  return applyRules(graph, rules);
}

const rules: LocalRules = {
  neg: ({ node, graph, rebuilt }) => {
    const inner = nodeAt(graph, at(node.operands, 0));
    return inner.op === "neg" ? rebuilt(at(inner.operands, 0)) : undefined;
  },
  transpose: ({ node, graph, rebuilt }) => {
    const inner = nodeAt(graph, at(node.operands, 0));
    if (inner.op !== "transpose") return undefined;
    const order = node.attrs.permutation.map((axis) => at(inner.attrs.permutation, axis));
    return transpose(rebuilt(at(inner.operands, 0)), order);
  },
  add: (match) => otherThan(0, match, 0) ?? otherThan(0, match, 1),
  sub: (match) => otherThan(0, match, 1),
  mul: (match) => otherThan(1, match, 0) ?? otherThan(1, match, 1),
  div: (match) => otherThan(1, match, 1),
};

/** The other of two operands, if the one at `place` is `neutral` everywhere. */
function otherThan(
  neutral: number,
  { node, graph, rebuilt }: Match<"add"> | Match<"sub"> | Match<"mul"> | Match<"div">,
  place: 0 | 1,
): Tensor | undefined {
  return constantValue(graph, at(node.operands, place)) === neutral ? rebuilt(at(node.operands, 1 - place)) : undefined;
}

/** The number that all elements of a node equal, if that is known. */
export function constantValue(graph: Graph, id: NodeId): number | undefined {
  const node = nodeAt(graph, id);
  if (node.op === "constant") return node.attrs.value;
  return node.op === "broadcast" || node.op === "reshape" ? constantValue(graph, at(node.operands, 0)) : undefined;
}

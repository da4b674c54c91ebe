/**
 * @file Numbers that an op compares for equality with others, such as a maximum with what it is the maximum of. Two
 * computations of one value can differ in the last bit: in another kernel a compiler may contract a product and a sum,
 * and a loop that is parallel over time rounds otherwise. Such values are therefore computed once, and stored.
 */
import { type Graph, type NodeId, nodeAt } from "../graph/graph.ts";
import { entryOf } from "./table.ts";

/** Nodes beneath views that an `equal` of floats reads, unless it compares them with a constant; of those in `among`. */
export function comparedExactly(graph: Graph, among: (id: NodeId) => boolean): Set<NodeId> {
  const found = new Set<NodeId>();
  for (const [id, { op, operands }] of graph.nodes.entries()) {
    if (op !== "equal" || !among(id) || operands.some((operand) => nodeAt(graph, operand).aval.dtype !== "f32"))
      continue;
    const sides = operands.map((operand) => beneathViews(graph, [operand]));
    if (sides.some((side) => [...side].every((each) => nodeAt(graph, each).op === "constant"))) continue;
    for (const side of sides) for (const each of side) found.add(each);
  }
  return found;
}

/** The nodes themselves, or for views what they are views of. */
export function beneathViews(graph: Graph, ids: readonly NodeId[]): Set<NodeId> {
  const [found, seen] = [new Set<NodeId>(), new Set<NodeId>()];
  const visit = (id: NodeId): void => {
    if (seen.has(id)) return;
    seen.add(id);
    const { op, operands } = nodeAt(graph, id);
    if (op !== "scan" && op !== "result" && entryOf(op).kind === "view") operands.forEach(visit);
    else found.add(id);
  };
  ids.forEach(visit);
  return found;
}

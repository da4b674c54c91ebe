/** @file Which nodes of a graph without scans affect its outputs, and its gradient. */
import { at } from "../../compiler/graph/errors.ts";
import type { Graph, NodeId } from "../../compiler/graph/graph.ts";

function backwards(graph: Graph, follow: (id: NodeId) => boolean): boolean[] {
  const reached = new Array<boolean>(graph.nodes.length).fill(false);
  for (const id of graph.outputs) reached[id] = true;
  for (let id = graph.nodes.length - 1; id >= 0; id--) {
    if (!reached[id] || !follow(id)) continue;
    for (const operand of at(graph.nodes, id).operands) reached[operand] = true;
  }
  return reached;
}

/** Nodes that an output reads. */
export function isLive(graph: Graph): boolean[] {
  return backwards(graph, () => true);
}

/**
 * Nodes that pass a cotangent to an operand, or stop one: they are reachable from the outputs, and an operand depends on
 * differentiated inputs. Implements the definition independently of the code it checks.
 */
export function isActive(graph: Graph, moves: readonly boolean[]): boolean[] {
  const depends = new Array<boolean>(graph.nodes.length).fill(false);
  for (const [i, id] of graph.inputs.entries()) depends[id] = at(moves, i);
  const flowsPast = (id: NodeId) => {
    const { op, aval } = at(graph.nodes, id);
    return op !== "stopGradient" && op !== "floor" && op !== "round" && aval.dtype === "f32";
  };
  const touched = graph.nodes.map(({ operands }, id) => {
    const some = operands.some((operand) => depends[operand]);
    if (some && flowsPast(id)) depends[id] = true;
    return some;
  });
  const reached = backwards(graph, flowsPast);
  return graph.nodes.map((_, id) => at(touched, id) && at(reached, id));
}

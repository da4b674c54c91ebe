/**
 * @file Finds the gates of a step in its graph: outputs of sigmoid and tanh, named by the scope of their weights. It needs
 * only the graph, so it works for every cell, and for models whose cell's source is not available.
 */
import { at } from "../compiler/graph/errors.ts";
import { checkGraph, type Graph, type NodeId, nodeAt } from "../compiler/graph/graph.ts";
import type { ModelSource } from "./stream.ts";

/** A value between 0 and 1 (or -1 and 1) that controls what a step keeps. */
export interface Gate {
  /** Such as `layers/0/gru/update`, or `tanh of c` if no weights are between it and a state. */
  readonly name: string;
  /** The function that bounds it. */
  readonly op: "sigmoid" | "tanh";
  /** The node, for `createStream`'s `watch`; its value is [B, …]. */
  readonly node: NodeId;
  /** The scope of the nearest weights; absent if no weights are between it and a state. */
  readonly scope?: string;
}

/** The gates of a streaming step, in the order in which they are computed. */
export function gatesOf(source: ModelSource): Gate[] {
  const { graph, arena } = source;
  checkGraph("gatesOf", graph);
  const pathAt = new Map(arena.entries.map(({ offset, path }) => [offset, path]));
  const parameterOf = (id: NodeId): string | undefined => {
    const node = nodeAt(graph, id);
    if (node.op !== "slice") return undefined;
    const flat = nodeAt(graph, at(node.operands, 0));
    return flat.op === "input" && flat.attrs.name === "parameters" ? pathAt.get(node.attrs.start) : undefined;
  };
  return namedGates(graph, parameterOf);
}

/** The gates of a graph; `parameterOf` returns the path of a node that is a parameter. */
export function namedGates(graph: Graph, parameterOf: (id: NodeId) => string | undefined): Gate[] {
  const taken = new Map<string, number>();
  return graph.nodes.flatMap((node, id) => {
    if ((node.op !== "sigmoid" && node.op !== "tanh") || node.aval.shape[0] !== "B" || node.aval.shape.length < 2)
      return [];
    const scope = nearestScope(graph, id, parameterOf);
    const base = scope ?? `${node.op}${ofState(graph, at(node.operands, 0))}`;
    const count = (taken.get(base) ?? 0) + 1;
    taken.set(base, count);
    return [
      { name: count === 1 ? base : `${base} ${count}`, op: node.op, node: id, ...(scope !== undefined && { scope }) },
    ];
  });
}

/** The scope of the nearest parameter before a gate; the search stops at other gates. */
function nearestScope(graph: Graph, gate: NodeId, parameterOf: (id: NodeId) => string | undefined): string | undefined {
  const seen = new Set<NodeId>([gate]);
  let front: readonly NodeId[] = [gate];
  while (front.length > 0) {
    for (const id of front) {
      const path = parameterOf(id);
      if (path !== undefined) return path.replace(/\/(kernel|bias)$/, "");
    }
    const open = front.filter((id) => {
      const { op } = nodeAt(graph, id);
      return id === gate || (op !== "sigmoid" && op !== "tanh" && op !== "scan");
    });
    front = [...new Set(open.flatMap((id) => nodeAt(graph, id).operands))].filter((id) => !seen.has(id));
    for (const id of front) seen.add(id);
  }
  return undefined;
}

/** " of c" for the next value of a state. */
function ofState(graph: Graph, id: NodeId): string {
  const states = graph.inputs.flatMap((input) => {
    const node = nodeAt(graph, input);
    return node.op === "input" && node.attrs.name.startsWith("state/") ? [node.attrs.name.slice("state/".length)] : [];
  });
  const index = graph.outputs.indexOf(id);
  const state = index < 0 ? undefined : states[index];
  return state === undefined ? "" : ` of ${state}`;
}

/**
 * @file Collects what a graph requires of its sizes at run time, from the rules of its views. Dead nodes require
 * nothing.
 */
import { type Dim, mulDims, sizeOf } from "../graph/dim.ts";
import { type Graph, nodeAt } from "../graph/graph.ts";
import { type Live, liveIn } from "../graph/live.ts";
import type { Requirement } from "../graph/requirements.ts";
import { entryOf } from "./table.ts";

const known = new WeakMap<Graph, readonly Requirement[]>();

/** The requirements of a graph, each once. */
export function requirementsOf(graph: Graph): readonly Requirement[] {
  const found = known.get(graph) ?? strongest(requirementsIn(graph, liveIn(graph), 1));
  known.set(graph, found);
  return found;
}

/** `times`: how often the graph runs as the body of loops. */
function requirementsIn(graph: Graph, { ids, bodies }: Live, times: Dim): Requirement[] {
  return [...ids]
    .sort((a, b) => a - b)
    .flatMap((id): Requirement[] => {
      const node = nodeAt(graph, id);
      if (node.op === "scan") {
        const body = bodies.get(id);
        return body === undefined ? [] : requirementsIn(node.attrs.body, body, mulDims(times, node.attrs.length));
      }
      if (node.op === "result" || node.op === "input") return [];
      const entry = entryOf(node.op);
      if (entry.kind !== "view" || entry.needs === undefined) return [];
      const need = entry.needs(
        node.operands.map((operand) => nodeAt(graph, operand).aval.shape),
        node.attrs as never,
      );
      const elements = mulDims(times, sizeOf(node.aval.shape));
      if (need === undefined || elements === 0) return [];
      return [{ op: node.op, site: graph.sites[id], ...need, elements }];
    });
}

/** For each condition, the strongest requirement. */
function strongest(all: readonly Requirement[]): Requirement[] {
  const best = new Map<string, Requirement>();
  for (const requirement of all) {
    const key = `${requirement.dim} ${requirement.elements}`;
    const other = best.get(key);
    if (other === undefined || other.atLeast < requirement.atLeast) best.set(key, requirement);
  }
  return [...best.values()];
}

/**
 * @file Parts of a stage that do not depend on each other. A stage joins whatever has one size and level, so that lanes
 * share what they load. Large products gain nothing from that: apart, they have more workgroups, with a larger tile each.
 */
import { type Graph, type NodeId, nodeAt } from "../../graph/graph.ts";
import { formOf } from "./forms.ts";
import { readsOfStage } from "./reads.ts";
import type { Stage } from "./stages.ts";

/**
 * Cuts those parts off a stage for which `runsApart` holds; the others stay together. Loops and roots are in one part if
 * one is computed from the other at the same position, or if both are computed from one of `shared`, whose memory a root
 * may overwrite. `stored` are the values that have a location in memory.
 */
export function cutStage(
  graph: Graph,
  stage: Stage,
  stored: ReadonlySet<NodeId>,
  shared: ReadonlySet<NodeId>,
  runsApart: (part: Stage) => boolean,
): readonly Stage[] {
  const parts = partsOf(graph, stage, stored, shared).map((own) => partOf(graph, stage, own, stored));
  const apart = parts.filter(runsApart);
  if (apart.length === 0 || parts.length === 1) return [stage];
  const own = new Set(apart.flatMap(({ loops, roots }) => [...loops, ...roots]));
  const rest = [...stage.loops, ...stage.roots].filter((id) => !own.has(id));
  return rest.length === 0 ? apart : [...apart, partOf(graph, stage, new Set(rest), stored)];
}

/**
 * Cuts a stage into parts that run one after another: each may load what earlier ones have stored at the same position. One
 * part if no order serves.
 */
export function cutStageInOrder(
  graph: Graph,
  stage: Stage,
  stored: ReadonlySet<NodeId>,
  shared: ReadonlySet<NodeId>,
): readonly Stage[] {
  const last = (part: ReadonlySet<NodeId>) => Math.max(...part);
  const parts = [...partsOf(graph, stage, stored, shared, stored)].sort((a, b) => last(a) - last(b));
  const done = new Set<NodeId>();
  for (const own of parts) {
    for (const id of own) done.add(id);
    const reads = readsOfStage(graph, [...own], stage.size, stored);
    if (reads.some(({ id }) => stage.roots.includes(id) && !done.has(id))) return [stage];
  }
  return parts.map((own) => partOf(graph, stage, own, stored));
}

/** The loops and roots of each part. What is `apart` can be loaded from memory, and joins nothing. */
function partsOf(
  graph: Graph,
  stage: Stage,
  stored: ReadonlySet<NodeId>,
  shared: ReadonlySet<NodeId>,
  apart: ReadonlySet<NodeId> = new Set(),
): readonly ReadonlySet<NodeId>[] {
  const own = new Set([...stage.loops, ...stage.roots]);
  /** The parts so far, by each of their members and shared values. */
  const partOf = new Map<NodeId, Set<NodeId>>([...own].map((id) => [id, new Set([id])]));
  const join = (a: NodeId, b: NodeId): void => {
    const [one, other] = [partOf.get(a) ?? new Set([a]), partOf.get(b) ?? new Set([b])];
    if (one === other) return;
    for (const id of other) one.add(id);
    for (const id of one) partOf.set(id, one);
  };
  for (const id of own) {
    const seen = new Set<NodeId>();
    const visit = (next: NodeId): void => {
      if (seen.has(next)) return;
      seen.add(next);
      const isOwn = own.has(next);
      if ((isOwn && !apart.has(next)) || shared.has(next)) join(id, next);
      const { op, operands } = nodeAt(graph, next);
      if (isOwn || stored.has(next) || op === "input" || op === "result") return;
      operands.forEach(visit);
    };
    nodeAt(graph, id).operands.forEach(visit);
  }
  return [...new Set([...own].map((id) => partOf.get(id) ?? new Set([id])))];
}

function partOf(graph: Graph, stage: Stage, own: ReadonlySet<NodeId>, stored: ReadonlySet<NodeId>): Stage {
  const [loops, roots] = [stage.loops, stage.roots].map((ids) => ids.filter((id) => own.has(id)));
  const [mine, kept] = [loops ?? [], roots ?? []];
  return {
    ...stage,
    loops: mine,
    roots: kept,
    form: formOf(graph, stage.size, mine),
    accumulators: stage.accumulators.filter((each) => each.loops.every((id) => own.has(id))),
    reads: readsOfStage(graph, [...mine, ...kept], stage.size, stored),
  };
}

/**
 * @file Transcendental functions that a stage computes at its own position, in groups of one kind that do not depend on
 * each other: four lanes that need all of them can each compute one.
 */
import { at } from "../../graph/errors.ts";
import { type Graph, type NodeId, nodeAt } from "../../graph/graph.ts";
import { entryOf, type TableOp } from "../../ops/table.ts";
import type { Stage } from "../stages/stages.ts";

/** Lanes that share functions. */
export const quad = 4;

/** Groups of one to four of them, in an order in which they can be computed. */
export function functionGroups(graph: Graph, stage: Stage, isStored: (id: NodeId) => boolean): readonly NodeId[][] {
  const { shape } = nodeAt(graph, at([...stage.loops, ...stage.roots], 0)).aval;
  const levels = new Map<NodeId, number>();
  const costly: { readonly id: NodeId; readonly level: number; readonly kind: string }[] = [];
  /** The costly functions, at most, from the stage's sums to a value. */
  const visit = (id: NodeId): number => {
    const known = levels.get(id);
    if (known !== undefined) return known;
    const node = nodeAt(graph, id);
    const isRoot = stage.roots.includes(id);
    const isOp = node.op !== "input" && node.op !== "result" && node.op !== "scan";
    const entry = isOp ? entryOf(node.op as TableOp) : undefined;
    if (entry?.kind !== "elementwise" || (isStored(id) && !isRoot)) return 0;
    const below = node.operands.reduce((most, operand) => Math.max(most, visit(operand)), 0);
    const isCostly = !entry.cheap && node.operands.length === 1 && node.aval.shape.join() === shape.join();
    const level = isCostly ? below + 1 : below;
    levels.set(id, level);
    if (isCostly)
      costly.push({ id, level, kind: `${level} ${node.op} ${JSON.stringify(node.attrs)} ${node.aval.dtype}` });
    return level;
  };
  for (const root of stage.roots) visit(root);
  return groupsBy(costly, ({ kind }) => kind)
    .sort((a, b) => at(a, 0).level - at(b, 0).level)
    .flatMap((alike) =>
      Array.from({ length: Math.ceil(alike.length / quad) }, (_, i) =>
        alike.slice(i * quad, (i + 1) * quad).map(({ id }) => id),
      ),
    );
}

/** Groups in the order of their first members. */
export function groupsBy<T>(all: readonly T[], keyOf: (each: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const each of all) {
    const key = keyOf(each);
    groups.set(key, [...(groups.get(key) ?? []), each]);
  }
  return [...groups.values()];
}

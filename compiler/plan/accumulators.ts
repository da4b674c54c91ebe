/**
 * @file Products that are only added to each other share an accumulator: the sum over gates of ct·Wᵀ, which every
 * recurrent cell's gradient ends in, is one running sum and not one for each gate.
 */
import { at } from "../graph/errors.ts";
import { countUses, type NodeId, nodeAt } from "../graph/graph.ts";
import type { Region } from "./emit-values.ts";
import { loopExtentsOf } from "./loops.ts";
import type { Stage } from "./stages.ts";

export interface Accumulator {
  /** The value that is known when the loop has run: a loop, or the sum of several products. */
  readonly result: NodeId;
  /** The loops that add to it. */
  readonly loops: readonly NodeId[];
}

export function accumulatorsOf(region: Region, stage: Stage): Accumulator[] {
  const { graph } = region;
  const uses = countUses(graph);
  const open = new Map<NodeId, readonly NodeId[]>(stage.loops.map((id) => [id, [id]]));
  const isProduct = (id: NodeId) => nodeAt(graph, id).op === "dot";
  /** The products of an operand that nobody else reads, or undefined. */
  const mergeable = (id: NodeId): readonly NodeId[] | undefined => {
    const loops = open.get(id);
    return loops?.every(isProduct) && uses[id] === 1 && !stage.roots.includes(id) ? loops : undefined;
  };
  for (const [id, node] of graph.nodes.entries()) {
    if (node.op === "reshape") {
      const from = at(node.operands, 0);
      const loops = mergeable(from);
      if (loops === undefined) continue;
      open.delete(from);
      open.set(id, loops);
    } else if (node.op === "add") {
      const [a, b] = [at(node.operands, 0), at(node.operands, 1)];
      const [left, right] = [mergeable(a), a === b ? undefined : mergeable(b)];
      if (left === undefined || right === undefined || !sameExtents(region, left, right)) continue;
      open.delete(a);
      open.delete(b);
      open.set(id, [...left, ...right]);
    }
  }
  return [...open].map(([result, loops]) => ({ result, loops }));
}

function sameExtents(region: Region, left: readonly NodeId[], right: readonly NodeId[]): boolean {
  return loopExtentsOf(region, at(left, 0)).join(",") === loopExtentsOf(region, at(right, 0)).join(",");
}

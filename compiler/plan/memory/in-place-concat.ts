/**
 * @file Packs: joined values whose parts lie one after the other in memory, so that the stage of a part writes it
 * into the whole and no copy is made. The flat gradient of all parameters is one.
 */
import { type Dim, sizeOf } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import { type Graph, type NodeId, nodeAt } from "../../graph/graph.ts";

export interface Pack {
  readonly parts: readonly {
    readonly id: NodeId;
    /** Elements before this part. */
    readonly offset: number;
    readonly size: Dim;
  }[];
}

/** Concatenations along the slowest axis, of values that are computed and stand in no other pack. */
export function findPacks(graph: Graph, live: ReadonlySet<NodeId>): Map<NodeId, Pack> {
  const packs = new Map<NodeId, Pack>();
  const taken = new Set<NodeId>();
  // Outer joins come later in the list: they are packed first, and their parts may be joins themselves.
  for (const id of [...live].sort((a, b) => b - a)) {
    const node = nodeAt(graph, id);
    if (node.op !== "concat" || !node.aval.shape.slice(0, node.attrs.axis).every((dim) => dim === 1)) continue;
    const parts = node.operands.map((operand) => beneathReshapes(graph, operand));
    const isPackable = parts.every((part) => {
      const { op, aval } = nodeAt(graph, part);
      return op !== "input" && typeof sizeOf(aval.shape) === "number" && !taken.has(part);
    });
    if (!isPackable || new Set(parts).size !== parts.length) continue;
    let offset = 0;
    const placed = parts.map((part) => {
      const size = sizeOf(nodeAt(graph, part).aval.shape);
      offset += Number(size);
      taken.add(part);
      return { id: part, offset: offset - Number(size), size };
    });
    packs.set(id, { parts: placed });
  }
  return packs;
}

function beneathReshapes(graph: Graph, id: NodeId): NodeId {
  const node = nodeAt(graph, id);
  return node.op === "reshape" ? beneathReshapes(graph, at(node.operands, 0)) : id;
}

/** For each part, the pack it lies in, and where. */
export function partsByValue(
  packs: ReadonlyMap<NodeId, Pack>,
): Map<NodeId, { readonly pack: NodeId; readonly offset: number }> {
  const places = new Map<NodeId, { pack: NodeId; offset: number }>();
  for (const [pack, { parts }] of packs) for (const { id, offset } of parts) places.set(id, { pack, offset });
  return places;
}

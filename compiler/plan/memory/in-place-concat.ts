/**
 * @file Packs: concatenations whose parts are stored one after another, so that the stage of each part writes it
 * directly into the whole, without a copy. The flat gradient of all parameters is one.
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

/**
 * Finds concatenations along the slowest axis, of computed values that are in no other pack. One of more than `most` elements is
 * left in its parts.
 */
export function findPacks(
  graph: Graph,
  live: ReadonlySet<NodeId>,
  most: number = Number.POSITIVE_INFINITY,
): Map<NodeId, Pack> {
  const packs = new Map<NodeId, Pack>();
  const taken = new Set<NodeId>();
  // Outer concatenations come later in the list: they are packed first, and their parts may be concatenations
  // themselves.
  for (const id of [...live].sort((a, b) => b - a)) {
    const node = nodeAt(graph, id);
    if (Number(sizeOf(node.aval.shape)) > most) continue;
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

/** For each part, its pack and its offset there. */
export function partsByValue(
  packs: ReadonlyMap<NodeId, Pack>,
): Map<NodeId, { readonly pack: NodeId; readonly offset: number }> {
  const places = new Map<NodeId, { pack: NodeId; offset: number }>();
  for (const [pack, { parts }] of packs) for (const { id, offset } of parts) places.set(id, { pack, offset });
  return places;
}

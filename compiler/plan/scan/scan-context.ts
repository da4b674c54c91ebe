/** @file Reads a scan's node and result locations from its context. */
import { nodeAt, type ScanNode } from "../../graph/graph.ts";
import type { ScanContext } from "../lowering.ts";
import type { Location } from "../program.ts";

export function scanOf({ outer, scan }: ScanContext): ScanNode {
  return nodeAt(outer.graph, scan) as ScanNode;
}

/** Where the results of a scan are stored, by their index; results that are not read have no entry. */
export function resultPlaces({ outer, results, resultPlace }: ScanContext): Map<number, Location> {
  const places = new Map<number, Location>();
  for (const id of results) {
    const node = nodeAt(outer.graph, id);
    const location = resultPlace(id);
    if (node.op === "result" && location !== undefined) places.set(node.attrs.index, location);
  }
  return places;
}

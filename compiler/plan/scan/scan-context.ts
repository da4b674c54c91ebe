/** @file Reads a scan's node, result locations and operands from its context. */
import { at } from "../../graph/errors.ts";
import { nodeAt, type ScanNode } from "../../graph/graph.ts";
import type { Region } from "../emit/values.ts";
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

/** The values of a loop's body before it runs: an input is the operand outside. */
export function beforeLoop({ outer, scan }: ScanContext, { attrs: { body }, operands }: ScanNode): Region {
  return {
    key: `${outer.key}${scan}/`,
    graph: body,
    read: (id, index, emitter) => {
      const role = body.inputs.indexOf(id);
      return role < 0 ? undefined : emitter.value(outer, at(operands, role), index);
    },
  };
}

/** @file What a loop node runs over. */
import type { Dim } from "../graph/dim.ts";
import { at, InternalError } from "../graph/errors.ts";
import { type NodeId, nodeAt } from "../graph/graph.ts";
import { dotDims } from "../ops/contractions.ts";
import type { Region } from "./emit-values.ts";

/** Extents of what a product or reduction combines for one output. */
export function loopExtentsOf(region: Region, id: NodeId): readonly Dim[] {
  const node = nodeAt(region.graph, id);
  const { shape } = nodeAt(region.graph, at(node.operands, 0)).aval;
  if (node.op === "dot") return [dotDims(shape, shape, node.attrs).k];
  if (node.op === "sum" || node.op === "reduceMax") return node.attrs.axes.map((axis) => at(shape, axis));
  throw new InternalError(`${node.op} is no loop`);
}

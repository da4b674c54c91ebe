/** @file The axes that a loop node reduces. */
import type { Dim } from "../../graph/dim.ts";
import { at, InternalError } from "../../graph/errors.ts";
import { type Graph, type NodeId, nodeAt } from "../../graph/graph.ts";
import { dotDims } from "../../ops/contractions.ts";

/** Extents of the axes that a product or reduction combines for one output. */
export function loopExtentsOf({ graph }: { readonly graph: Graph }, id: NodeId): readonly Dim[] {
  const node = nodeAt(graph, id);
  const { shape } = nodeAt(graph, at(node.operands, 0)).aval;
  if (node.op === "dot") return [dotDims(shape, shape, node.attrs).k];
  if (node.op === "sum" || node.op === "reduceMax") return node.attrs.axes.map((axis) => at(shape, axis));
  throw new InternalError(`${node.op} is not a loop`);
}

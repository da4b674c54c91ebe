/** @file Copies nodes of a graph into the current trace, with other tensors in place of its inputs. */
import { type FoldRules, foldGraph, type OpNode } from "../graph/fold.ts";
import type { Graph, NodeId, ScanAttrs, ScanNode } from "../graph/graph.ts";
import { emit } from "../trace/frame.ts";
import { atSite } from "../trace/site.ts";
import type { Tensor } from "../trace/tensor.ts";
import { emitScan } from "./scan.ts";
import { entryOf } from "./table.ts";

/** What to add in place of a node; undefined for a copy of it. */
export interface Replacements {
  readonly node?: (node: OpNode, operands: readonly Tensor[], id: NodeId) => Tensor | undefined;
  readonly scan?: (
    node: ScanNode,
    operands: readonly Tensor[],
    id: NodeId,
  ) => readonly (Tensor | undefined)[] | undefined;
}

/** Rules that copy a graph into the current trace: every node is added again, with its own source line. */
export function copyRules(
  graph: Graph,
  { node: replaceNode, scan: replaceScan }: Replacements = {},
): FoldRules<Tensor> {
  return {
    node: (node, operands, id) =>
      atSite(graph.sites[id], () => replaceNode?.(node, operands, id) ?? emitNode(node, operands)),
    scan: (node, operands, id) =>
      atSite(graph.sites[id], () => replaceScan?.(node, operands, id) ?? emitResults(node.attrs, operands)),
  };
}

/** Adds a copy of `node` with other operands. */
export function emitNode(node: OpNode, operands: readonly Tensor[]): Tensor {
  return emit(entryOf(node.op), operands, node.attrs as never);
}

/** Adds a scan and returns all its results: final carries, then ys. */
export function emitResults(attrs: ScanAttrs, operands: readonly Tensor[]): readonly Tensor[] {
  const { carries, ys } = emitScan(attrs, operands);
  return [...carries, ...ys];
}

/** Adds the whole graph, with tensors in place of its inputs, and returns its outputs. */
export function inlineGraph(graph: Graph, inputs: readonly Tensor[]): Tensor[] {
  return foldGraph(graph, inputs, copyRules(graph)).outputs();
}

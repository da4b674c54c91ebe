/**
 * @file What the rows of a persistent workgroup are: those of the batch if the step keeps them apart, once they are in
 * front of every value; or the heads of each if the step keeps these apart, too.
 */
import type { NodeId, ScanNode } from "../../graph/graph.ts";
import { type HeadsAsRows, headsAsRows } from "./heads.ts";
import { rowsFirst } from "./rows-first.ts";
import { analyzeRows, type RowAnalysis } from "./separable-rows.ts";

export interface SeparableRows {
  /** The scan, with its body as the kernel computes it. */
  readonly node: ScanNode;
  readonly analysis: Extract<RowAnalysis, { readonly separable: true }>;
  /** The outputs of the body that are read. */
  readonly outputs: readonly NodeId[];
  /** Whether the rows were not in front of every value. */
  readonly isMoved: boolean;
  readonly heads: HeadsAsRows | undefined;
  /** Why heads that the products have are not rows. */
  readonly joined: string | undefined;
}

type RowsChoice = SeparableRows | { readonly node: undefined; readonly reason: string };

/** The results that are read, by index. */
interface Read {
  readonly has: (result: number) => boolean;
}

/** The rows of the batch; `canMove` says whether the step may be rewritten for them. */
export function arrangeRows(given: ScanNode, results: Read, canMove: boolean): RowsChoice {
  const direct = analyzed(given, results);
  const moved = direct.node === undefined && canMove ? rowsFirst(given) : undefined;
  if (moved === undefined) return direct;
  const found = analyzed(moved, results);
  return found.node === undefined ? found : { ...found, isMoved: true };
}

/** The same with each head of a row as a row, if heads are separable. */
export function headsApart(together: SeparableRows, results: Read): SeparableRows {
  const heads = headsAsRows(together.node);
  if (heads.node === undefined) return { ...together, joined: heads.reason };
  const apart = analyzed(heads.node, results);
  if (apart.node === undefined) return { ...together, joined: apart.reason };
  return { ...apart, heads, isMoved: together.isMoved };
}

function analyzed(node: ScanNode, results: Read): RowsChoice {
  const { attrs } = node;
  const outputs = attrs.body.outputs.filter((_, i) => i < attrs.carries || results.has(i));
  const analysis = analyzeRows(node, outputs);
  if (!analysis.separable) return { node: undefined, reason: analysis.reason };
  return { node, analysis, outputs, isMoved: false, heads: undefined, joined: undefined };
}

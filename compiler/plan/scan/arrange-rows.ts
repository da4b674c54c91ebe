/**
 * @file What the rows of a persistent workgroup are: those of the batch if the step keeps them apart, once they are in
 * front of every value; or the heads of each if the step keeps these apart, too.
 */
import type { NodeId, ScanNode } from "../../graph/graph.ts";
import { type HeadsAsRows, headsAsRows } from "./heads.ts";
import { rowsFirst } from "./rows-first.ts";
import { analyzeRows, type RowAnalysis } from "./separable-rows.ts";

interface SeparableRows {
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

/** Which rewrites of a step a target can run, and which it runs fast. */
export interface Rewrites {
  readonly rowsFirst: boolean;
  readonly heads: boolean;
}

/** `results` has the results that are read, by index. */
export function arrangeRows(
  given: ScanNode,
  results: { readonly has: (result: number) => boolean },
  rewrites: Rewrites,
): RowsChoice {
  const direct = analyzed(given, results);
  const moved = direct.node === undefined && rewrites.rowsFirst ? rowsFirst(given) : undefined;
  const found = moved === undefined ? direct : { ...analyzed(moved, results), isMoved: true };
  if (found.node === undefined || !rewrites.heads) return found;
  const heads = headsAsRows(found.node);
  if (heads.node === undefined) return { ...found, joined: heads.reason };
  const split = analyzed(heads.node, results);
  return split.node === undefined ? { ...found, joined: split.reason } : { ...split, heads, isMoved: found.isMoved };
}

function analyzed(node: ScanNode, results: { readonly has: (result: number) => boolean }): RowsChoice {
  const { attrs } = node;
  const outputs = attrs.body.outputs.filter((_, i) => i < attrs.carries || results.has(i));
  const analysis = analyzeRows(node, outputs);
  if (!analysis.separable) return { node: undefined, reason: analysis.reason };
  return { node, analysis, outputs, isMoved: false, heads: undefined, joined: undefined };
}

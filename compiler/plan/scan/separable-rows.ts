/**
 * @file Whether the rows of a batch are independent within a step: every value of the step has the rows as its leading
 * axis, or is the same for all rows, and no op moves numbers from one row to another. If so, a workgroup can own some
 * rows for the whole sequence.
 */
import type { Dim } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import { ancestorsOf, type Graph, type NodeId, nodeAt, type ScanNode } from "../../graph/graph.ts";
import { bodyInputs } from "../../ops/scan.ts";
import { entryOf, type TableOp } from "../../ops/table.ts";

export type RowAnalysis =
  | { readonly separable: true; readonly rows: Dim; readonly isPerRow: (id: NodeId) => boolean }
  | { readonly separable: false; readonly reason: string };

export function analyzeRows({ attrs }: ScanNode, outputs: readonly NodeId[]): RowAnalysis {
  const { body } = attrs;
  const { carries, xs } = bodyInputs(attrs);
  const rows = nodeAt(body, carries[0] ?? xs[0] ?? 0).aval.shape[0];
  const no = (reason: string): RowAnalysis => ({ separable: false, reason });
  if (rows === undefined) return no("a state has no batch axis");
  const perRow = new Set<NodeId>([...carries, ...xs]);
  for (const id of [...carries, ...xs]) {
    const { shape } = nodeAt(body, id).aval;
    if (shape[0] !== rows)
      return no(`a state or input has shape [${shape.join(", ")}], which does not start with ${rows}`);
    if (shape.slice(1).some((dim) => typeof dim !== "number"))
      return no(`a state or input of shape [${shape.join(", ")}] has no known size per row`);
  }
  for (const id of [...ancestorsOf(body, outputs)].sort((a, b) => a - b)) {
    const node = nodeAt(body, id);
    if (node.op === "input") continue;
    if (node.op === "scan" || node.op === "result") return no("a loop inside the loop");
    if (!node.operands.some((operand) => perRow.has(operand))) {
      const { kind } = entryOf(node.op as TableOp);
      if (kind === "reduction" || kind === "contraction")
        return no(`${node.op} of values that are the same for every row`);
      continue;
    }
    perRow.add(id);
    const problem = mixesRows(body, id, rows, perRow);
    if (problem !== undefined) return no(problem);
  }
  for (const id of outputs.filter((output) => !perRow.has(output))) {
    const { shape } = nodeAt(body, id).aval;
    const returns = `the step returns a value of shape [${shape.join(", ")}]`;
    if (shape[0] !== rows) return no(`${returns}, which has no rows`);
    if (shape.slice(1).some((dim) => typeof dim !== "number")) return no(`${returns}, which has no known size per row`);
  }
  return { separable: true, rows, isPerRow: (id) => perRow.has(id) };
}

/** Why a value mixes rows, or undefined. */
function mixesRows(body: Graph, id: NodeId, rows: Dim, perRow: ReadonlySet<NodeId>): string | undefined {
  const node = nodeAt(body, id);
  const { shape } = node.aval;
  const mixes = `${node.op} of shape [${shape.join(", ")}] mixes rows`;
  if (shape[0] !== rows || shape.slice(1).some((dim) => typeof dim !== "number")) return mixes;
  const isRow = (i: number) => perRow.has(at(node.operands, i));
  switch (node.op) {
    case "reshape":
      return nodeAt(body, at(node.operands, 0)).aval.shape[0] === rows ? undefined : mixes;
    case "broadcast":
      return node.attrs.axes[0] === 0 ? undefined : mixes;
    case "transpose":
      return node.attrs.permutation[0] === 0 ? undefined : mixes;
    case "slice":
    case "pad":
    case "concat":
      return node.attrs.axis === 0 ? mixes : undefined;
    case "sum":
    case "reduceMax":
      return node.attrs.axes.includes(0) ? mixes : undefined;
    case "gather":
      return isRow(0) ? mixes : undefined;
    case "dot":
      if (shape.length > 2) return undefined;
      return isRow(0) && !isRow(1) && !node.attrs.transposeA ? undefined : mixes;
    case "scatterAdd":
      return mixes;
    default:
      return undefined;
  }
}

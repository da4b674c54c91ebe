/** @file Which stored values and inputs a stage reads, and whether only at its own position. */
import { type Dim, sizeOf } from "../graph/dim.ts";
import { type Graph, type NodeId, nodeAt } from "../graph/graph.ts";
import { entryOf, type TableOp } from "../ops/table.ts";
import type { ScanStage, Stage } from "./stages.ts";

export interface Read {
  readonly id: NodeId;
  /** Every invocation reads only the element at its own position. */
  readonly samePosition: boolean;
}

export function readsOf(graph: Graph, stage: Stage | ScanStage, stored: ReadonlySet<NodeId>): Read[] {
  const reads: Read[] = [];
  const visited = new Set<string>();
  const visit = (id: NodeId, samePosition: boolean, size: Dim): void => {
    const key = `${id} ${samePosition}`;
    if (visited.has(key)) return;
    visited.add(key);
    const node = nodeAt(graph, id);
    if (node.op === "input" || node.op === "result" || stored.has(id)) reads.push({ id, samePosition });
    if (node.op === "input" || node.op === "result" || node.op === "scan") return;
    const own = stage.kind === "stage" && (stage.loops.includes(id) || stage.roots.includes(id));
    if (stored.has(id) && !own) return;
    const { kind } = entryOf(node.op as TableOp);
    const keeps = samePosition && (kind === "elementwise" || node.op === "reshape") && sizeOf(node.aval.shape) === size;
    for (const operand of node.operands) visit(operand, keeps, size);
  };
  if (stage.kind === "scan") {
    for (const operand of nodeAt(graph, stage.scan).operands) visit(operand, false, 0);
  } else {
    for (const root of [...stage.loops, ...stage.roots]) visit(root, true, stage.size);
  }
  return reads;
}

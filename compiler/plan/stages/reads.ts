/** @file Which stored values and inputs a stage reads, and whether only at its own position. */
import { type Dim, sizeOf } from "../../graph/dim.ts";
import { type Graph, type NodeId, nodeAt } from "../../graph/graph.ts";
import { entryOf, type TableOp } from "../../ops/table.ts";

export interface Read {
  readonly id: NodeId;
  /** Whether every invocation reads only the element at its own position. */
  readonly samePosition: boolean;
}

/** The reads of a stage of `size` positions that computes the values `own`. */
export function readsOfStage(graph: Graph, own: readonly NodeId[], size: Dim, stored: ReadonlySet<NodeId>): Read[] {
  return reads(graph, own, { samePosition: true, size }, new Set(own), stored);
}

/** The reads of a stage after its loops, whose results `loopResults` are known. */
export function readsAfterLoops(
  graph: Graph,
  { roots, size }: { readonly roots: readonly NodeId[]; readonly size: Dim },
  loopResults: readonly NodeId[],
  stored: ReadonlySet<NodeId>,
): Read[] {
  const own = roots.filter((id) => !loopResults.includes(id));
  return reads(graph, own, { samePosition: true, size }, new Set(own), new Set([...stored, ...loopResults]));
}

/** The reads of a scan: its operands, at any position. */
export function readsOfScan(graph: Graph, scan: NodeId, stored: ReadonlySet<NodeId>): Read[] {
  return reads(graph, nodeAt(graph, scan).operands, { samePosition: false, size: 0 }, new Set(), stored);
}

function reads(
  graph: Graph,
  from: readonly NodeId[],
  { samePosition, size }: { readonly samePosition: boolean; readonly size: Dim },
  own: ReadonlySet<NodeId>,
  stored: ReadonlySet<NodeId>,
): Read[] {
  const found: Read[] = [];
  const visited = { here: new Set<NodeId>(), anywhere: new Set<NodeId>() };
  const visit = (id: NodeId, isHere: boolean): void => {
    const before = isHere ? visited.here : visited.anywhere;
    if (before.has(id)) return;
    before.add(id);
    const node = nodeAt(graph, id);
    if (node.op === "input" || node.op === "result" || stored.has(id)) found.push({ id, samePosition: isHere });
    if (node.op === "input" || node.op === "result" || node.op === "scan") return;
    if (stored.has(id) && !own.has(id)) return;
    const { kind } = entryOf(node.op as TableOp);
    const keeps = isHere && (kind === "elementwise" || node.op === "reshape") && sizeOf(node.aval.shape) === size;
    for (const operand of node.operands) visit(operand, keeps);
  };
  for (const id of from) visit(id, samePosition);
  return found;
}

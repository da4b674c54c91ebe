/**
 * @file Liveness: the nodes that the outputs of a graph need, inside loops too. Of a scan, that is the results that
 * something reads, the carries they are computed from, and the operands those read.
 */
import { at } from "./errors.ts";
import { ancestorsOf, type Graph, type NodeId, nodeAt, type ScanAttrs } from "./graph.ts";

/** The live nodes, and the live nodes in the bodies of live scans. */
export interface Live {
  readonly ids: ReadonlySet<NodeId>;
  readonly bodies: ReadonlyMap<NodeId, Live>;
}

/** The nodes that `outputs` (by default the graph's own) need. */
export function liveIn(graph: Graph, outputs: readonly NodeId[] = graph.outputs): Live {
  const ids = new Set<NodeId>(outputs);
  const read = new Map<NodeId, Set<number>>();
  const bodies = new Map<NodeId, Live>();
  // Ids are a topological order: all readers of a node have been visited before it.
  for (let id = graph.nodes.length - 1; id >= 0; id--) {
    if (!ids.has(id)) continue;
    const node = nodeAt(graph, id);
    if (node.op === "result") {
      const scan = at(node.operands, 0);
      read.set(scan, (read.get(scan) ?? new Set()).add(node.attrs.index));
    }
    if (node.op !== "scan") {
      for (const operand of node.operands) ids.add(operand);
      continue;
    }
    const { body } = node.attrs;
    const live = liveIn(
      body,
      liveOutputs(node.attrs, read.get(id) ?? new Set()).map((i) => at(body.outputs, i)),
    );
    bodies.set(id, live);
    for (const [place, input] of body.inputs.entries()) if (live.ids.has(input)) ids.add(at(node.operands, place));
  }
  return { ids, bodies };
}

/** The outputs of the body that the results in `read` need: a fixed point, since carries feed carries. */
export function liveOutputs({ body, consts, carries }: ScanAttrs, read: ReadonlySet<number>): number[] {
  const live = new Set(read);
  for (;;) {
    const needed = ancestorsOf(
      body,
      [...live].map((i) => at(body.outputs, i)),
    );
    const found = Array.from({ length: carries }, (_, i) => i).filter(
      (i) => !live.has(i) && needed.has(at(body.inputs, consts + i)),
    );
    if (found.length === 0) return [...live].sort((a, b) => a - b);
    for (const i of found) live.add(i);
  }
}

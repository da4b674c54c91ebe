/**
 * @file Dead code elimination: drops nodes that no output needs, and in each scan unread results, carries that feed
 * only such results, operands that the body ignores, and duplicate ys.
 */
import { at } from "../graph/errors.ts";
import { ancestorsOf, type Graph, type NodeId, nodeAt, type ScanNode } from "../graph/graph.ts";
import { liveOutputs } from "../graph/live.ts";
import type { Tensor } from "../trace/tensor.ts";
import { emitPart, placesOf } from "./part-of-loop.ts";
import { rewriteGraph } from "./rewrite.ts";

export function removeDead(graph: Graph): Graph {
  if (isPruned(graph)) return graph;
  return rewriteGraph(graph, (inner) => {
    const read = usedResults(inner);
    return { scan: (node, id, operands) => pruneScan(node, operands, read.get(id) ?? new Set()) };
  });
}

/** Whether a graph without loops has only inputs and nodes that its outputs need. */
function isPruned(graph: Graph): boolean {
  if (graph.nodes.some(({ op }) => op === "scan") || graph.inputs.some((id, i) => id !== i)) return false;
  const needed = ancestorsOf(graph);
  return graph.nodes.every(({ op }, id) => op === "input" || needed.has(id));
}

/** For each scan, the indices of its results that are needed. */
function usedResults(graph: Graph): Map<NodeId, Set<number>> {
  const read = new Map<NodeId, Set<number>>();
  for (const id of ancestorsOf(graph)) {
    const node = nodeAt(graph, id);
    if (node.op !== "result") continue;
    const scan = at(node.operands, 0);
    read.set(scan, (read.get(scan) ?? new Set()).add(node.attrs.index));
  }
  return read;
}

function pruneScan(
  node: ScanNode,
  operands: readonly Tensor[],
  read: ReadonlySet<number>,
): readonly (Tensor | undefined)[] {
  const attrs = { ...node.attrs, body: removeDead(node.attrs.body) };
  const { body } = attrs;
  const live = liveOutputs(attrs, read);
  const keptCarries = live.filter((i) => i < attrs.carries);
  const ys = live.filter((i) => i >= attrs.carries);
  const keptYs = ys.filter((i, k) => ys.findIndex((j) => body.outputs[j] === body.outputs[i]) === k);
  const needed = ancestorsOf(
    body,
    [...keptCarries, ...keptYs].map((i) => at(body.outputs, i)),
  );
  const isUsed = (place: number) => needed.has(at(body.inputs, place));
  const places = placesOf(attrs);
  const results = emitPart(
    attrs,
    operands,
    {
      consts: places.consts.filter(isUsed),
      carries: keptCarries.map((i) => at(places.carries, i)),
      xs: places.xs.filter(isUsed),
    },
    keptYs.map((i) => at(body.outputs, i)),
  );
  return body.outputs.map((id, i) => {
    if (i < attrs.carries) return results.carries[keptCarries.indexOf(i)];
    return results.ys[keptYs.findIndex((j) => body.outputs[j] === id)];
  });
}

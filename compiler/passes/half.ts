/**
 * @file Rounds to f16 what loops store step by step: residuals, outputs, and in a backward loop the cotangents that
 * products read after it. A sum over time, and everything inside of a step, stays in f32. The rounding is an op of the
 * graph, so all devices and schedules compute the same numbers, whether or not they store these in 16 bits.
 *
 * This is not among the passes that preserve values: it runs after them, for `precision: "mixed"` only.
 */
import { Fold } from "../graph/fold.ts";
import { ancestorsOf, type Graph, inputName, type NodeId, nodeAt, type ScanNode } from "../graph/graph.ts";
import { roundToHalf } from "../ops/half.ts";
import { copyRules, emitResults } from "../ops/inline.ts";
import { entryOf, type TableOp } from "../ops/table.ts";
import { Frame, within } from "../trace/frame.ts";
import type { Tensor } from "../trace/tensor.ts";
import { rewriteGraph } from "./rewrite.ts";

/**
 * The graph with the stored values of its outermost loops rounded, except those that are outputs of the graph. Loops over
 * segments of time store only states; the loops within a segment are the outermost of its steps.
 */
export function storeInHalf(graph: Graph): Graph {
  const kept = new Set([...seenFrom(graph, graph.outputs)].flatMap((id) => placeOf(graph, id) ?? []));
  return rewriteGraph(graph, () => ({
    scan: (node, id, operands) => {
      if (node.attrs.recompute) return emitResults({ ...node.attrs, body: storeInHalf(node.attrs.body) }, operands);
      const isKept = (index: number) => kept.has(`${id} ${index}`);
      return emitResults({ ...node.attrs, body: withRounded(node, isKept) }, operands);
    },
  }));
}

/** Which result of which scan a node is. */
function placeOf(graph: Graph, id: NodeId): string | undefined {
  const node = nodeAt(graph, id);
  return node.op === "result" ? `${node.operands[0]} ${node.attrs.index}` : undefined;
}

/** The nodes that some nodes are views of, and these themselves. */
function seenFrom(graph: Graph, ids: readonly NodeId[], found = new Set<NodeId>()): Set<NodeId> {
  for (const id of ids) {
    if (found.has(id)) continue;
    found.add(id);
    const node = nodeAt(graph, id);
    const isView =
      node.op !== "scan" && node.op !== "result" && node.op !== "input" && entryOf(node.op as TableOp).kind === "view";
    if (isView) seenFrom(graph, node.operands, found);
  }
  return found;
}

/** The body of a loop with its ys rounded. */
function withRounded({ attrs }: ScanNode, isKept: (index: number) => boolean): Graph {
  const { body, carries } = attrs;
  const isStored = (id: NodeId, i: number) =>
    i >= carries && !isKept(i) && nodeAt(body, id).aval.dtype === "f32" && nodeAt(body, id).op !== "roundToHalf";
  if (!body.outputs.some(isStored)) return body;
  const frame = new Frame(body.name);
  return within(frame, () => {
    const known = body.inputs.map((id) => [id, frame.input(inputName(body, id), nodeAt(body, id).aval)] as const);
    const fold = new Fold<Tensor>(body, copyRules(body), known);
    for (const id of [...ancestorsOf(body)].sort((a, b) => a - b)) fold.compute(id);
    const outputs = body.outputs.map((id, i) => {
      const value = fold.value(id);
      return isStored(id, i) ? roundToHalf(value as Tensor<"f32">) : value;
    });
    return frame.finish(
      known.map(([, { id }]) => id),
      outputs,
    );
  });
}

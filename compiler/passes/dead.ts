/**
 * @file Dead code: nodes that no output needs, and of each scan the results that nobody reads, the carries that feed
 * only such results, operands that the body ignores, and ys that stand twice.
 */
import { at } from "../graph/errors.ts";
import { type Graph, inputName, type NodeId, nodeAt, type ScanNode } from "../graph/graph.ts";
import { Inlined } from "../ops/inline.ts";
import { bodyInputs, emitScan } from "../ops/scan.ts";
import { Frame, within } from "../trace/frame.ts";
import type { Tensor } from "../trace/tensor.ts";
import { demand, neededNodes, rewriteGraph } from "./rewrite.ts";

export function removeDead(graph: Graph): Graph {
  return rewriteGraph(graph, (inner) => {
    const read = resultsRead(inner);
    return { scan: (node, id, operands) => pruneScan(node, operands, read.get(id) ?? new Set()) };
  });
}

/** For each scan, the indices of its results that are needed. */
function resultsRead(graph: Graph): Map<NodeId, Set<number>> {
  const read = new Map<NodeId, Set<number>>();
  for (const id of neededNodes(graph)) {
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
  const { attrs } = node;
  const body = removeDead(attrs.body);
  const { consts, carries, xs } = bodyInputs({ ...attrs, body });
  const ys = body.outputs.map((_, i) => i).filter((i) => i >= attrs.carries && read.has(i));
  const keptCarries = liveCarries(body, carries, ys, read);
  const keptYs = ys.filter((i, k) => ys.findIndex((j) => body.outputs[j] === body.outputs[i]) === k);
  const needed = neededFrom(
    body,
    [...keptCarries, ...keptYs].map((i) => at(body.outputs, i)),
  );
  const used = (id: NodeId) => needed.has(id);
  const keptConsts = consts.flatMap((id, i) => (used(id) ? [i] : []));
  const keptXs = xs.flatMap((id, i) => (used(id) ? [i] : []));
  const inputs = [
    ...keptConsts.map((i) => at(consts, i)),
    ...keptCarries.map((i) => at(carries, i)),
    ...keptXs.map((i) => at(xs, i)),
  ];
  const pruned = restrict(
    body,
    inputs,
    [...keptCarries, ...keptYs].map((i) => at(body.outputs, i)),
  );
  const results = emitScan({ ...attrs, body: pruned, consts: keptConsts.length, carries: keptCarries.length }, [
    ...keptConsts.map((i) => at(operands, i)),
    ...keptCarries.map((i) => at(operands, attrs.consts + i)),
    ...keptXs.map((i) => at(operands, attrs.consts + attrs.carries + i)),
  ]);
  return body.outputs.map((id, i) => {
    if (i < attrs.carries) return results.carries[keptCarries.indexOf(i)];
    return results.ys[keptYs.findIndex((j) => body.outputs[j] === id)];
  });
}

/** Carries that are read outside, or that something live reads inside: a fixed point, since carries feed carries. */
function liveCarries(
  body: Graph,
  carries: readonly NodeId[],
  ys: readonly number[],
  read: ReadonlySet<number>,
): number[] {
  const live = new Set<number>(carries.map((_, i) => i).filter((i) => read.has(i)));
  for (;;) {
    const needed = neededFrom(
      body,
      [...live, ...ys].map((i) => at(body.outputs, i)),
    );
    const found = carries.map((_, i) => i).filter((i) => !live.has(i) && needed.has(at(carries, i)));
    if (found.length === 0) return [...live].sort((a, b) => a - b);
    for (const i of found) live.add(i);
  }
}

function neededFrom(graph: Graph, outputs: readonly NodeId[]): Set<NodeId> {
  return neededNodes({ ...graph, outputs });
}

/** The part of a body that some of its outputs need, on some of its inputs. */
export function restrict(body: Graph, inputs: readonly NodeId[], outputs: readonly NodeId[]): Graph {
  const frame = new Frame(body.name);
  return within(frame, () => {
    const inlined = new Inlined();
    for (const id of inputs) inlined.tensors.set(id, frame.input(inputName(body, id), nodeAt(body, id).aval));
    const tensors = outputs.map((id) => demand(body, id, inlined));
    return frame.finish(
      inputs.map((id) => inlined.tensor(id).id),
      tensors,
    );
  });
}

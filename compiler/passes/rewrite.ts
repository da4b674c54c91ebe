/**
 * @file Rebuilds a graph, with a chance to put something else in the place of each node. Only what the outputs need is
 * built, so dead code falls away by itself; equal nodes meet again in the builder.
 */
import { at } from "../graph/errors.ts";
import { type Graph, inputName, type Node, type NodeId, nodeAt, type ScanNode } from "../graph/graph.ts";
import { Inlined } from "../ops/inline.ts";
import { emitScan } from "../ops/scan.ts";
import { Frame, within } from "../trace/frame.ts";
import { atSite } from "../trace/site.ts";
import type { Tensor } from "../trace/tensor.ts";

/** Finds the rebuilt tensor of a node, building what it needs. */
export type Rebuilt = (id: NodeId) => Tensor;

export interface Rewrite {
  /** Another tensor for a node, or undefined to rebuild it as it is. */
  readonly node?: (node: Node, id: NodeId, rebuilt: Rebuilt) => Tensor | undefined;
  /** Other results for a scan, or undefined to rebuild it with its body rewritten. */
  readonly scan?: (
    node: ScanNode,
    id: NodeId,
    operands: readonly Tensor[],
  ) => readonly (Tensor | undefined)[] | undefined;
}

/** Rebuilds `graph`; `makeRewrite` is called for it and for the body of every scan in it. */
export function rewriteGraph(graph: Graph, makeRewrite: (graph: Graph) => Rewrite): Graph {
  const frame = new Frame(graph.name);
  const inputs = graph.inputs.map((id) => frame.input(inputName(graph, id), nodeAt(graph, id).aval));
  return within(frame, () =>
    frame.finish(
      inputs.map(({ id }) => id),
      rebuildInto(graph, inputs, makeRewrite),
    ),
  );
}

function rebuildInto(graph: Graph, inputs: readonly Tensor[], makeRewrite: (graph: Graph) => Rewrite): Tensor[] {
  const rewrite = makeRewrite(graph);
  const inlined = new Inlined();
  graph.inputs.forEach((id, i) => {
    inlined.tensors.set(id, at(inputs, i));
  });
  const rebuilt: Rebuilt = (id) => {
    const known = inlined.tensors.get(id);
    if (known !== undefined) return known;
    const node = nodeAt(graph, id);
    const tensor = atSite(graph.sites[id], () => {
      if (node.op === "result") return resultOf(node.operands[0] ?? 0, node.attrs.index);
      const other = rewrite.node?.(node, id, rebuilt);
      if (other !== undefined) return other;
      node.operands.forEach(rebuilt);
      inlined.add(graph, id);
      return inlined.tensor(id);
    });
    inlined.tensors.set(id, tensor);
    return tensor;
  };
  const resultOf = (scan: NodeId, index: number): Tensor => {
    const known = inlined.scans.get(scan);
    if (known !== undefined) return at(known, index);
    const node = nodeAt(graph, scan) as ScanNode;
    const operands = node.operands.map(rebuilt);
    const results = atSite(graph.sites[scan], () => {
      const other = rewrite.scan?.(node, scan, operands);
      if (other !== undefined) return other;
      const { carries, ys } = emitScan({ ...node.attrs, body: rewriteGraph(node.attrs.body, makeRewrite) }, operands);
      return [...carries, ...ys];
    });
    inlined.scans.set(scan, results as readonly Tensor[]);
    return at(results as readonly Tensor[], index);
  };
  // Ids rise with depth, so building in their order keeps the recursion shallow.
  const needed = neededNodes(graph);
  for (const id of graph.nodes.keys()) {
    const { op } = nodeAt(graph, id);
    if (needed.has(id) && op !== "scan" && op !== "input") rebuilt(id);
  }
  return graph.outputs.map(rebuilt);
}

export function neededNodes(graph: Graph): Set<NodeId> {
  const needed = new Set<NodeId>(graph.outputs);
  for (let id = graph.nodes.length - 1; id >= 0; id--) {
    if (needed.has(id)) for (const operand of nodeAt(graph, id).operands) needed.add(operand);
  }
  return needed;
}

/** Inlines a node and whatever it needs, unless it is there. */
export function demand(graph: Graph, id: NodeId, inlined: Inlined): Tensor {
  const needed = new Set<NodeId>();
  const visit = (node: NodeId): void => {
    if (inlined.tensors.has(node) || inlined.scans.has(node) || needed.has(node)) return;
    nodeAt(graph, node).operands.forEach(visit);
    needed.add(node);
  };
  visit(id);
  for (const node of needed) inlined.add(graph, node);
  return inlined.tensor(id);
}

/**
 * @file Rebuilds a graph, with the option to replace each node. Only nodes that the outputs need are built, so dead
 * code disappears; the builder interns equal nodes.
 */
import { Fold, inputsOf, type OpNode } from "../graph/fold.ts";
import { ancestorsOf, type Graph, inputName, type NodeId, nodeAt, type ScanNode } from "../graph/graph.ts";
import { copyRules, emitResults, type Replacements } from "../ops/inline.ts";
import { Frame, within } from "../trace/frame.ts";
import type { Tensor } from "../trace/tensor.ts";

/** Returns the rebuilt tensor of a node, building its operands as needed. */
export type Rebuilt = (id: NodeId) => Tensor;

export interface Rewrite {
  /** Returns a replacement for a node, or undefined to rebuild it unchanged. */
  readonly node?: (node: OpNode, id: NodeId, rebuilt: Rebuilt) => Tensor | undefined;
  /** Returns replacements for the results of a scan, or undefined to rebuild it with its body rewritten. */
  readonly scan?: (
    node: ScanNode,
    id: NodeId,
    operands: readonly Tensor[],
  ) => readonly (Tensor | undefined)[] | undefined;
}

/** A new trace in which a graph is rebuilt lazily, node by node, on fresh inputs. */
export function rebuilding(graph: Graph, replacements: Replacements) {
  const frame = new Frame(graph.name);
  const inputs = graph.inputs.map((id) => frame.input(inputName(graph, id), nodeAt(graph, id).aval));
  const rebuilt = new Fold<Tensor>(graph, copyRules(graph, replacements), inputsOf(graph, inputs));
  return { frame, inputs, rebuilt };
}

/** Rebuilds `graph`; `makeRewrite` is called for it and for the body of every scan in it. */
export function rewriteGraph(graph: Graph, makeRewrite: (graph: Graph) => Rewrite): Graph {
  const rewrite = makeRewrite(graph);
  const { frame, inputs, rebuilt } = rebuilding(graph, {
    node: (node, _, id) => rewrite.node?.(node, id, (other) => rebuilt.value(other)),
    scan: (node, operands, id) =>
      rewrite.scan?.(node, id, operands) ??
      emitResults({ ...node.attrs, body: rewriteGraph(node.attrs.body, makeRewrite) }, operands),
  });
  return within(frame, () => {
    const needed = ancestorsOf(graph);
    for (const id of graph.nodes.keys()) if (needed.has(id)) rebuilt.compute(id);
    return frame.finish(
      inputs.map(({ id }) => id),
      rebuilt.outputs(),
    );
  });
}

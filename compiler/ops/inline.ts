/** @file Puts the nodes of a graph into the trace in progress, one by one or all at once. */
import { at, InternalError } from "../graph/errors.ts";
import type { Graph, Node, NodeId } from "../graph/graph.ts";
import { emit } from "../trace/frame.ts";
import { atSite } from "../trace/site.ts";
import type { Tensor } from "../trace/tensor.ts";
import { emitScan } from "./scan.ts";
import { entryOf, type TableOp } from "./table.ts";

/** What a node of another graph became: a tensor, or the results of a scan. */
export class Inlined {
  readonly tensors = new Map<NodeId, Tensor>();
  readonly scans = new Map<NodeId, readonly Tensor[]>();

  tensor(id: NodeId): Tensor {
    const tensor = this.tensors.get(id);
    if (tensor === undefined) throw new InternalError(`node %${id} was not inlined`);
    return tensor;
  }

  /** Adds one node, whose operands are there already. */
  add(graph: Graph, id: NodeId): void {
    if (this.tensors.has(id) || this.scans.has(id)) return;
    const node = at(graph.nodes, id);
    atSite(graph.sites[id], () => {
      if (node.op === "scan") {
        const { carries, ys } = emitScan(
          node.attrs,
          node.operands.map((operand) => this.tensor(operand)),
        );
        this.scans.set(id, [...carries, ...ys]);
      } else if (node.op === "result") {
        this.tensors.set(id, at(this.scans.get(at(node.operands, 0)) ?? [], node.attrs.index));
      } else {
        this.tensors.set(
          id,
          emitNode(
            node,
            node.operands.map((operand) => this.tensor(operand)),
          ),
        );
      }
    });
  }
}

/** Adds a node like `node`, with other operands; not for inputs, scans and their results. */
export function emitNode(node: Node, operands: readonly Tensor[]): Tensor {
  return emit(entryOf(node.op as TableOp), operands, node.attrs as never);
}

/** Adds the whole graph, its inputs replaced by tensors, and gives its outputs. */
export function inlineGraph(graph: Graph, inputs: readonly Tensor[]): Tensor[] {
  const inlined = new Inlined();
  for (const [i, id] of graph.inputs.entries()) inlined.tensors.set(id, at(inputs, i));
  for (const id of graph.nodes.keys()) inlined.add(graph, id);
  return graph.outputs.map((id) => inlined.tensor(id));
}

/**
 * @file Reverse mode, graph to graph: walks the nodes backwards; each passes its cotangent on to its operands by its
 * own rule, and a value with several uses sums its cotangents.
 */
import { at } from "../graph/errors.ts";
import { foldGraph } from "../graph/fold.ts";
import type { Graph, NodeId, ScanNode } from "../graph/graph.ts";
import { add } from "../ops/elementwise.ts";
import { copyRules } from "../ops/inline.ts";
import { entryOf, type TableOp } from "../ops/table.ts";
import { atSite } from "../trace/site.ts";
import type { Tensor } from "../trace/tensor.ts";
import { timesPartial } from "./chain.ts";
import { callsOf, pullbackOfCustom, reachingOperands } from "./reverse-custom.ts";
import { type DifferentiableScan, differentiableScan } from "./reverse-scan.ts";

type Float = Tensor<"f32">;
export type Cotangent = Float | undefined;

export interface GraphVjp {
  readonly outputs: readonly Tensor[];
  /** Cotangents of the inputs from those of the outputs; undefined is an exact zero. */
  readonly pullback: (cts: readonly Cotangent[]) => readonly Cotangent[];
}

/** Adds `graph` on `primals` to the current trace; `wrt` says which inputs are differentiated. */
export function graphVjp(graph: Graph, primals: readonly Tensor[], wrt: readonly boolean[]): GraphVjp {
  const active = activeNodes(graph, wrt);
  const scans = new Map<NodeId, DifferentiableScan>();
  const calls = callsOf(graph);
  const differentiate = (node: ScanNode, operands: readonly Tensor[], id: NodeId) => {
    if (!active[id]) return undefined;
    const flags = node.operands.map((operand) => active[operand] ?? false);
    const scan = differentiableScan(node, operands, flags, graphVjp);
    scans.set(id, scan);
    return scan.results;
  };
  const copied = foldGraph(graph, primals, copyRules(graph, { scan: differentiate }));

  const pullback = (cts: readonly Cotangent[]): Cotangent[] => {
    const cotangents = new Map<NodeId, Float>();
    const scanCotangents = new Map<NodeId, Cotangent[]>();
    const customCotangents = new Map<NodeId, Cotangent[]>();
    const accumulate = (id: NodeId, ct: Cotangent) => {
      if (ct === undefined || !active[id]) return;
      const before = cotangents.get(id);
      cotangents.set(id, before === undefined ? ct : add(before, ct));
    };
    graph.outputs.forEach((id, i) => {
      accumulate(id, cts[i]);
    });
    for (let id = graph.nodes.length - 1; id >= 0; id--) {
      const node = at(graph.nodes, id);
      const ct = cotangents.get(id);
      atSite(graph.sites[id], () => {
        if (node.op === "scan") {
          const received = scanCotangents.get(id);
          if (received === undefined) return;
          scans
            .get(id)
            ?.pullback(received)
            .forEach((operandCt, i) => {
              accumulate(at(node.operands, i), operandCt);
            });
        } else if (node.op === "customGradient") {
          const first = calls.get(id) ?? id;
          const received = customCotangents.get(first) ?? [];
          received[node.attrs.index] = ct;
          customCotangents.set(first, received);
          // All results of the call have been visited: the other nodes come after the first.
          if (id !== first || received.every((one) => one === undefined)) return;
          const operands = node.operands.map((operand) => copied.value(operand));
          const flags = node.operands.map((operand) => active[operand] ?? false);
          pullbackOfCustom(node, operands, flags, received).forEach((operandCt, i) => {
            accumulate(at(node.operands, i), operandCt);
          });
        } else if (ct === undefined) {
          return;
        } else if (node.op === "result") {
          const scan = at(node.operands, 0);
          const received = scanCotangents.get(scan) ?? [];
          received[node.attrs.index] = ct;
          scanCotangents.set(scan, received);
        } else {
          const operands = node.operands.map((operand) => copied.value(operand)) as [Float, Float];
          const context = { operands, out: copied.value(id) as Float, attrs: node.attrs as never, times: timesPartial };
          entryOf(node.op as TableOp)
            .vjp(ct, context)
            .forEach((operandCt, i) => {
              accumulate(at(node.operands, i), operandCt);
            });
        }
      });
    }
    return graph.inputs.map((id) => cotangents.get(id));
  };
  return { outputs: copied.outputs(), pullback };
}

/** Nodes that depend on the `wrt` inputs through f32 values, without passing a stopGradient. */
export function activeNodes(graph: Graph, wrt: readonly boolean[]): boolean[] {
  const active = new Array<boolean>(graph.nodes.length).fill(false);
  for (const [i, id] of graph.inputs.entries()) active[id] = (wrt[i] ?? false) && graph.nodes[id]?.aval.dtype === "f32";
  for (const [id, node] of graph.nodes.entries()) {
    if (node.op === "input" || node.op === "stopGradient") continue;
    const reaching = node.op === "customGradient" ? reachingOperands(node) : node.operands;
    const reached = reaching.some((operand) => active[operand]);
    active[id] = reached && (node.op === "scan" || node.aval.dtype === "f32");
  }
  return active;
}

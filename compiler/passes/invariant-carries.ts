/**
 * @file A carry that every step hands on unchanged is a const of its loop. People write such states rarely, derivatives
 * often: going forward through a sum over time, its cotangent is the same in every step. As a const it waits for no step,
 * so its products leave the loop, and it no longer ties the rows of a batch together.
 */
import { at } from "../graph/errors.ts";
import type { Graph, ScanNode } from "../graph/graph.ts";
import type { Tensor } from "../trace/tensor.ts";
import { emitPart, placesOf } from "./part-of-loop.ts";
import { rewriteGraph } from "./rewrite.ts";

export function invariantCarries(graph: Graph): Graph {
  return rewriteGraph(graph, () => ({ scan: (node, _, operands) => withInvariantCarries(node, operands) }));
}

function withInvariantCarries(node: ScanNode, operands: readonly Tensor[]): readonly Tensor[] {
  const attrs = { ...node.attrs, body: invariantCarries(node.attrs.body) };
  const { inputs, outputs } = attrs.body;
  const { consts, carries, xs } = placesOf(attrs);
  const isInvariant = (place: number) => at(outputs, place - attrs.consts) === at(inputs, place);
  const moving = carries.filter((place) => !isInvariant(place));
  const places = { consts: [...consts, ...carries.filter(isInvariant)], carries: moving, xs };
  const results = emitPart(attrs, operands, places, outputs.slice(attrs.carries));
  const last = (place: number) =>
    isInvariant(place) ? at(operands, place) : at(results.carries, moving.indexOf(place));
  return [...carries.map(last), ...results.ys];
}

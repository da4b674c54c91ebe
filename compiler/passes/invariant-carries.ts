/**
 * @file A carry that every step passes on unchanged becomes a const of its loop. Users rarely write such states, but
 * derivatives have them: in the derivative of a sum over time, the cotangent is the same in every step. As a const it
 * does not depend on the step, so its products can leave the loop, and it no longer couples the rows of a batch.
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

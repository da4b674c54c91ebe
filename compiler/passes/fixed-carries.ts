/**
 * @file A carry that every step hands on unchanged is a const of its loop. People write such states rarely, derivatives
 * often: going forward through a sum over time, its cotangent is the same in every step. As a const it waits for no step,
 * so its products leave the loop, and it no longer ties the rows of a batch together.
 */
import { at } from "../graph/errors.ts";
import type { Graph, ScanNode } from "../graph/graph.ts";
import { bodyInputs, emitScan } from "../ops/scan.ts";
import type { Tensor } from "../trace/tensor.ts";
import { restrict } from "./dead.ts";
import { rewriteGraph } from "./rewrite.ts";

export function fixCarries(graph: Graph): Graph {
  return rewriteGraph(graph, () => ({ scan: (node, _, operands) => withFixedCarries(node, operands) }));
}

function withFixedCarries(node: ScanNode, operands: readonly Tensor[]): readonly Tensor[] {
  const attrs = { ...node.attrs, body: fixCarries(node.attrs.body) };
  const { body } = attrs;
  const { consts, carries, xs } = bodyInputs(attrs);
  const all = carries.map((_, i) => i);
  const isFixed = (i: number) => at(body.outputs, i) === at(carries, i);
  const [fixed, moving] = [all.filter(isFixed), all.filter((i) => !isFixed(i))];
  const initial = (i: number) => at(operands, attrs.consts + i);
  const carryIn = (i: number) => at(carries, i);
  const results = emitScan(
    {
      ...attrs,
      body: restrict(
        body,
        [...consts, ...fixed.map(carryIn), ...moving.map(carryIn), ...xs],
        [...moving.map((i) => at(body.outputs, i)), ...body.outputs.slice(attrs.carries)],
      ),
      consts: attrs.consts + fixed.length,
      carries: moving.length,
    },
    [
      ...operands.slice(0, attrs.consts),
      ...fixed.map(initial),
      ...moving.map(initial),
      ...operands.slice(attrs.consts + attrs.carries),
    ],
  );
  return [...all.map((i) => (isFixed(i) ? initial(i) : at(results.carries, moving.indexOf(i)))), ...results.ys];
}

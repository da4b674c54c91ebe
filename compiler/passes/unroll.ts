/**
 * @file `unroll`: replaces a scan by as many copies of its body as it has steps. The copies share the scan's consts,
 * so weights stay tied; each reads its own row of the xs, and the rows of the ys are stacked. This is the definition
 * that every compiled loop is tested against. A scan whose length is a symbol stays, with its body unrolled.
 */
import { at } from "../graph/errors.ts";
import { type Graph, inputName, type ScanNode, scanResults } from "../graph/graph.ts";
import { pick, stack } from "../ops/composed.ts";
import { Inlined, inlineGraph } from "../ops/inline.ts";
import { emitScan } from "../ops/scan.ts";
import { zerosLike } from "../ops/views.ts";
import { Frame, within } from "../trace/frame.ts";
import { atSite } from "../trace/site.ts";
import type { Tensor } from "../trace/tensor.ts";

export function unroll(graph: Graph): Graph {
  const frame = new Frame(graph.name);
  return within(frame, () => {
    const inlined = new Inlined();
    const inputs = graph.inputs.map((id) => {
      const tensor = atSite(graph.sites[id], () => frame.input(inputName(graph, id), at(graph.nodes, id).aval));
      inlined.tensors.set(id, tensor);
      return tensor.id;
    });
    for (const [id, node] of graph.nodes.entries()) {
      if (node.op !== "scan") {
        inlined.add(graph, id);
        continue;
      }
      const operands = node.operands.map((operand) => inlined.tensor(operand));
      inlined.scans.set(
        id,
        atSite(graph.sites[id], () => unrollScan(node, operands)),
      );
    }
    return frame.finish(
      inputs,
      graph.outputs.map((id) => inlined.tensor(id)),
    );
  });
}

/** The results of a scan: final carries, then ys. */
function unrollScan({ attrs }: ScanNode, operands: readonly Tensor[]): readonly Tensor[] {
  const { consts, carries: carryCount, length, reverse } = attrs;
  const body = unroll(attrs.body);
  if (typeof length !== "number") {
    const { carries, ys } = emitScan({ ...attrs, body }, operands);
    return [...carries, ...ys];
  }
  const weights = operands.slice(0, consts);
  const xs = operands.slice(consts + carryCount);
  let carries = operands.slice(consts, consts + carryCount);
  const rows: (readonly Tensor[])[] = new Array(length);
  for (let step = 0; step < length; step++) {
    const t = reverse ? length - 1 - step : step;
    const results = inlineGraph(body, [...weights, ...carries, ...xs.map((x) => pick(x, t))]);
    carries = results.slice(0, carryCount);
    rows[t] = results.slice(carryCount);
  }
  const ys = scanResults(attrs)
    .slice(carryCount)
    .map((aval, i) => (length === 0 ? zerosLike(aval) : stack(rows.map((row) => at(row, i)))));
  return [...carries, ...ys];
}

/**
 * @file `unroll`: replaces a scan by one copy of its body per step. The copies share the scan's consts, so weights stay
 * tied; each reads its own row of the xs, and the rows of the ys are stacked. This is the definition that every
 * compiled loop is tested against. A scan whose length is a symbol stays, with its body unrolled.
 */
import { at } from "../graph/errors.ts";
import { foldGraph } from "../graph/fold.ts";
import { type Graph, inputName, nodeAt, type ScanNode, scanResults } from "../graph/graph.ts";
import { pick, stack } from "../ops/composed.ts";
import { copyRules, emitResults, inlineGraph } from "../ops/inline.ts";
import { zerosLike } from "../ops/views.ts";
import { Frame, within } from "../trace/frame.ts";
import { atSite } from "../trace/site.ts";
import type { Tensor } from "../trace/tensor.ts";

export function unroll(graph: Graph): Graph {
  const frame = new Frame(graph.name);
  return within(frame, () => {
    const inputs = graph.inputs.map((id) =>
      atSite(graph.sites[id], () => frame.input(inputName(graph, id), nodeAt(graph, id).aval)),
    );
    const unrolled = foldGraph(graph, inputs, copyRules(graph, { scan: unrollScan }));
    return frame.finish(
      inputs.map(({ id }) => id),
      unrolled.outputs(),
    );
  });
}

/** The results of a scan: final carries, then ys. */
function unrollScan({ attrs }: ScanNode, operands: readonly Tensor[]): readonly Tensor[] {
  const { consts, carries: carryCount, length, reverse } = attrs;
  const body = unroll(attrs.body);
  if (typeof length !== "number") return emitResults({ ...attrs, body }, operands);
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

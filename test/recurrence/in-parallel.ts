/** @file A graph whose loops are computed in parallel over time, where they can be, as a graph: for the interpreter. */

import { foldGraph } from "../../compiler/graph/fold.ts";
import { type Graph, inputName, nodeAt } from "../../compiler/graph/graph.ts";
import { copyRules, inlineGraph } from "../../compiler/ops/inline.ts";
import { parallelScan, reasonAgainstParallel } from "../../compiler/recurrence/parallel-scan.ts";
import { Frame, within } from "../../compiler/trace/frame.ts";

export function inParallel(graph: Graph, steps: number): { readonly graph: Graph; readonly loops: number } {
  const frame = new Frame(graph.name);
  let loops = 0;
  const made = within(frame, () => {
    const inputs = graph.inputs.map((id) => frame.input(inputName(graph, id), nodeAt(graph, id).aval));
    const rules = copyRules(graph, {
      scan: ({ attrs }, operands) => {
        if (attrs.carries === 0 || reasonAgainstParallel(attrs) !== undefined) return undefined;
        loops++;
        return inlineGraph(parallelScan(attrs, steps).graph, operands).slice(0, attrs.body.outputs.length);
      },
    });
    return frame.finish(
      inputs.map(({ id }) => id),
      foldGraph(graph, inputs, rules).outputs(),
    );
  });
  return { graph: made, loops };
}

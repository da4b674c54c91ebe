/** @file Runs a streaming step over whole sequences: the step in a loop, its outputs stacked over time. */
import { at, UserError } from "../../compiler/graph/errors.ts";
import { type Graph, inputName, nodeAt } from "../../compiler/graph/graph.ts";
import { inlineGraph } from "../../compiler/ops/inline.ts";
import { scanTensors } from "../../compiler/ops/scan.ts";
import { type NamedAval, traceGraph } from "../../compiler/ops/trace.ts";
import { withoutCallSites } from "../../compiler/trace/site.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";

type Named = Readonly<Record<string, Tensor>>;

/** (parameters, state/…, x [T, B, …]) -> (state/…, output [T, B, …]) of the step (parameters, state/…, x) -> (state/…, output). */
export function sequenceOfStep(step: Graph): Graph {
  const isFixed = (name: string) => name === "parameters" || name.startsWith("state/");
  const inputs = step.inputs.map((id): NamedAval => {
    const [name, { dtype, shape }] = [inputName(step, id), nodeAt(step, id).aval];
    return { name, dtype, shape: isFixed(name) ? shape : ["T", ...shape] };
  });
  const states = inputs.map(({ name }) => name).filter((name) => name.startsWith("state/"));
  const read = inputs.map(({ name }) => name).filter((name) => !isFixed(name));
  if (read.length === 0)
    throw new UserError(`${step.name} has no inputs except its state, so it cannot run over a sequence`);
  const sequence = (tensors: readonly Tensor[]) => {
    const named: Named = Object.fromEntries(inputs.map(({ name }, i) => [name, at(tensors, i)]));
    const every = (names: readonly string[]) => names.flatMap((name) => named[name] ?? []);
    const { carries, ys } = scanTensors(
      (before, xs) => {
        const now: Named = {
          ...named,
          ...Object.fromEntries(states.map((name, i) => [name, at(before, i)])),
          ...Object.fromEntries(read.map((name, i) => [name, at(xs, i)])),
        };
        const results = inlineGraph(
          step,
          inputs.map(({ name }) => now[name] ?? at(xs, 0)),
        );
        return { carries: results.slice(0, states.length), ys: results.slice(states.length) };
      },
      every(states),
      every(read),
      { name: "sequence" },
    );
    return [...carries, ...ys];
  };
  return withoutCallSites(() => traceGraph("sequence", inputs, sequence));
}

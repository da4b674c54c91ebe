/**
 * @file The graphs of inference: the prediction of a whole batch, and one time step of a network.
 *
 *   prediction   parameters [N], state/… [B, …], inputs [T, B, …] -> state/… [B, …], outputs
 *   step         parameters [N], state/… [B, …], x [B, …]         -> state/… [B, …], output [B, …]
 */
import { UserError } from "../compiler/graph/errors.ts";
import { type NamedAval, traceGraph } from "../compiler/ops/trace.ts";
import { withoutCustomGradients } from "../compiler/passes/custom-gradients.ts";
import { collectingIndices, type IndexRange } from "../compiler/trace/index-ranges.ts";
import { withoutCallSites } from "../compiler/trace/site.ts";
import type { Tensor } from "../compiler/trace/tensor.ts";
import { arenaOf, unpack } from "./arena.ts";
import { indexChecks } from "./index-checks.ts";
import { checkNetwork, type Network } from "./networks.ts";
import type { Objective } from "./objective.ts";
import { type BatchStepGraph, byName, positions, type StepGraph, stateInputs, stateOf } from "./step-graph.ts";

type Float = Tensor<"f32">;

/**
 * The prediction of a batch: (parameters, state/…, inputs) -> (state/…, outputs). `where` is the calling function, for
 * messages.
 *
 * @throws UserError if the objective has no `predict`.
 */
export function predictionStep(where: string, objective: Objective): BatchStepGraph {
  const { prediction, stateShapes } = objective;
  if (prediction === undefined)
    throw new UserError(
      `${where}: ${objective.name === undefined ? "the objective" : `objective "${objective.name}"`} has a loss but no prediction; define one with objective(name, batch, loss, { predict })`,
    );
  const arena = arenaOf(objective.specs);
  const state = stateInputs(stateShapes);
  const read = Object.entries(prediction.inputs).map(([name, aval]) => ({ name, ...aval }));
  const inputs: readonly NamedAval[] = [{ name: "parameters", dtype: "f32", shape: [arena.size] }, ...state, ...read];
  let ranges: readonly IndexRange[] = [];
  const traced = traceGraph("prediction", inputs, (tensors) => {
    const given = byName(inputs, tensors);
    const before = stateOf(stateShapes, given);
    const batch = Object.fromEntries(read.map(({ name }) => [name, given[name] as Tensor]));
    const collected = collectingIndices(() =>
      prediction.run(unpack(given.parameters as Float, arena), { batch, state: before }),
    );
    ranges = collected.ranges;
    const { outputs, state: after } = collected.result;
    return [
      ...Object.keys(stateShapes).map((name) => after[name] as Float),
      ...prediction.outputs.map((name) => outputs[name] as Tensor),
    ];
  });
  const names = state.map(({ name }) => name);
  const indices = indexChecks(
    traced,
    read.map(({ name }) => name),
    ranges,
  );
  // Values that only a gradient reads are removed.
  const graph = withoutCallSites(() => withoutCustomGradients(traced));
  return { graph, arena, donate: positions(names), outputs: positions([...names, ...prediction.outputs]), indices };
}

/** One time step, for inference: (parameters, state/…, x) -> (state/…, output), with B symbolic. */
export function streamingStep(network: Network): StepGraph {
  checkNetwork("streamingStep", network);
  const arena = arenaOf(network.specs);
  const state = stateInputs(network.stateShapes);
  const inputs: readonly NamedAval[] = [
    { name: "parameters", dtype: "f32", shape: [arena.size] },
    ...state,
    { name: "x", ...network.stepX },
  ];
  const graph = traceGraph("streamingStep", inputs, (tensors) => {
    const given = byName(inputs, tensors);
    const before = stateOf(network.stateShapes, given);
    const result = network.stepModel.apply(unpack(given.parameters as Float, arena), given.x as Tensor, before);
    return [...Object.keys(network.stateShapes).map((name) => result.state[name] as Float), result.output];
  });
  const names = state.map(({ name }) => name);
  return { graph, arena, donate: positions(names), outputs: positions([...names, "output"]) };
}

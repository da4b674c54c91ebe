/** @file A model as its runners see it: a graph of parameters, states and inputs, and the layout of the parameters. */
import { expectArgument } from "../compiler/graph/errors.ts";
import type { Graph } from "../compiler/graph/graph.ts";
import type { Arena } from "./arena.ts";
import type { Tuned } from "./files/tuned.ts";
import { stepOfSequence } from "./forms/step-of-sequence.ts";
import type { Network } from "./networks.ts";
import type { Objective } from "./objective.ts";
import { predictionStep, streamingStep } from "./prediction-step.ts";

/** A graph (parameters, state/…, inputs) -> (state/…, outputs), and the layout of its parameters. */
export interface ModelSource {
  /** (parameters, state/…, inputs) -> (state/…, outputs), of a step or a sequence (see `form`). */
  readonly graph: Graph;
  /**
   * Whether the graph computes one time step, as for networks (the default), or whole sequences, [T, B, …], as for custom
   * objectives.
   */
  readonly form?: "step" | "sequence";
  /** Position of each of the graph's outputs, by name; can be omitted if `output` is the only one. */
  readonly outputs?: Readonly<Record<string, number>>;
  /** The layout of its parameters. */
  readonly arena: Arena;
  /** The tuning of its training, if any; it also runs with it. */
  readonly tuned?: Tuned;
}

/** Names of the outputs of a model, in the order of its graph. */
export function outputNames({ outputs = { output: 0 } }: ModelSource): readonly string[] {
  const names = Object.keys(outputs).filter((name) => !name.startsWith("state/"));
  return names.sort((a, b) => (outputs[a] ?? 0) - (outputs[b] ?? 0));
}

/** The positions of a graph's outputs, which follow its states. */
export const outputsOf = (graph: Graph, names: readonly string[]): Readonly<Record<string, number>> =>
  Object.fromEntries(names.map((name, i) => [name, graph.outputs.length - names.length + i]));

/** Throws if the source is neither. */
export function checkSource(where: string, source: Objective | ModelSource): void {
  const isOne = typeof source === "object" && source !== null && ("graph" in source || "measure" in source);
  expectArgument(isOne, `${where}: the model`, source, "a network, an objective, or the result of decodeModel");
}

/** Whether an input of a model's graph is neither its parameters nor a state. */
export const isRead = (name: string): boolean => name !== "parameters" && !name.startsWith("state/");

const isNetwork = (source: Objective): source is Network => "stepModel" in source;

/** One time step of a model; `where` is the calling function, for messages. Throws a UserError if it cannot run in steps. */
export function stepSource(where: string, source: Objective | ModelSource): ModelSource {
  if ("graph" in source) {
    if (source.form !== "sequence") return source;
    const graph = stepOfSequence(source.graph, where);
    return { ...source, form: "step", graph, outputs: outputsOf(graph, outputNames(source)) };
  }
  if (isNetwork(source)) return streamingStep(source);
  const { graph: whole, arena } = predictionStep(where, source);
  const graph = stepOfSequence(whole, where);
  return { graph, arena, outputs: outputsOf(graph, source.prediction?.outputs ?? []) };
}

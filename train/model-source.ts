/** @file What a model is to those who run it: a graph of its parameters, states and inputs, and what lies where in them. */
import { expectArgument } from "../compiler/graph/errors.ts";
import type { Graph } from "../compiler/graph/graph.ts";
import type { Arena } from "./arena.ts";
import type { Tuned } from "./files/tuned.ts";
import { stepOfSequence } from "./forms/step-of-sequence.ts";
import type { Network } from "./networks.ts";
import type { Objective } from "./objective.ts";
import { predictionStep, streamingStep } from "./prediction-step.ts";

/** A graph (parameters, state/…, inputs) -> (state/…, outputs), and what lies where in its parameters. */
export interface ModelSource {
  /** (parameters, state/…, inputs) -> (state/…, outputs); `form` says of how much. */
  readonly graph: Graph;
  /**
   * What one run of the graph is: one time step, as of networks (the default), or whole sequences, [T, B, …], as of
   * objectives of one's own.
   */
  readonly form?: "step" | "sequence";
  /** Position of each of the graph's outputs, by name; of one that gives `output` alone it need not be said. */
  readonly outputs?: Readonly<Record<string, number>>;
  /** What lies where in its parameters. */
  readonly arena: Arena;
  /** The tuning that it was trained with, if any: it runs with it too. */
  readonly tuned?: Tuned;
}

/** Names of what a model gives, in the order of its graph's outputs. */
export function outputNames({ outputs = { output: 0 } }: ModelSource): readonly string[] {
  const names = Object.keys(outputs).filter((name) => !name.startsWith("state/"));
  return names.sort((a, b) => (outputs[a] ?? 0) - (outputs[b] ?? 0));
}

/** The positions of what a graph gives, behind its states. */
export const outputsOf = (graph: Graph, names: readonly string[]): Readonly<Record<string, number>> =>
  Object.fromEntries(names.map((name, i) => [name, graph.outputs.length - names.length + i]));

/** Refuses what is neither. */
export function checkSource(where: string, source: Objective | ModelSource): void {
  const isOne = typeof source === "object" && source !== null && ("graph" in source || "measure" in source);
  expectArgument(isOne, `${where}: what was trained`, source, "a network, an objective, or what decodeModel gives");
}

/** Whether an input of a model's graph is one of what it reads, and neither its parameters nor a state. */
export const isRead = (name: string): boolean => name !== "parameters" && !name.startsWith("state/");

const isNetwork = (source: Objective): source is Network => "stepModel" in source;

/** One time step of what was trained; `where` is the function that wants it. Throws a UserError where there is none. */
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

/**
 * @file Predictions of whole batches by a trained network or objective, or by a model from a file. For predictions step by
 * step see `Stream`.
 */

import { evaluateShape } from "../compiler/graph/dim.ts";
import { at, UserError } from "../compiler/graph/errors.ts";
import { type Aval, type Graph, inputName, nodeAt } from "../compiler/graph/graph.ts";
import { type NdArray, zeros } from "../compiler/graph/ndarray.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import type { ScheduleChoice } from "../compiler/plan/scan/names.ts";
import { type Device, type DeviceArray, type Executable, ofScanSchedule } from "../devices/device.ts";
import { type AbortOptions, abortable, ofAbort } from "./abort.ts";
import { type Arena, packArrays, partsOf, shapesOf } from "./arena.ts";
import { type PredictionBatch, predictionInputs } from "./batch-inputs.ts";
import { sequenceOfStep } from "./forms/sequence-of-step.ts";
import { type IndexChecks, indexChecks } from "./index-checks.ts";
import { checkSource, isRead, type ModelSource, outputNames } from "./model-source.ts";
import type { Objective } from "./objective.ts";
import { predictionStep } from "./prediction-step.ts";

/** Options of `createPredictor`. */
export interface PredictorOptions extends AbortOptions {
  /** How loops over time run on the device; chosen by their shapes by default. */
  readonly schedule?: ScheduleChoice;
}

/** The predictions for a batch. */
export interface Predictions {
  /** Logits or values: for a network [T, B, …], after each step; for an objective with several outputs the first. */
  readonly output: NdArray;
  /** All outputs by name; `output` for a network. */
  readonly outputs: Readonly<Record<string, NdArray>>;
}

/** Runs a trained network or objective on batches of whole sequences. */
export interface Predictor {
  /** Its inputs by name: `x` for a network, the inputs of `predict` for an objective. B is rows, T is steps. */
  readonly inputs: Readonly<Record<string, Aval>>;
  /** Names of its outputs; `output` for a network. */
  readonly outputs: readonly string[];
  /** Predicts a batch from zero states. A training batch works as well; its targets are ignored. */
  readonly predict: (batch: PredictionBatch, options?: AbortOptions) => Promise<Predictions>;
  /** Replaces the weights from the next batch on. */
  readonly setParameters: (parameters: Readonly<Record<string, NdArray>>) => void;
  /** Frees its memory. */
  readonly destroy: () => void;
}

/** Predictions as a graph: (parameters, state/…, inputs) -> (state/…, outputs). */
export interface PredictionGraph {
  readonly graph: Graph;
  readonly arena: Arena;
  readonly indices: IndexChecks;
  readonly inputs: Readonly<Record<string, Aval>>;
  readonly outputs: readonly string[];
}

/**
 * Compiles the predictions of a trained network or objective, or of a model that was read from a file.
 *
 * @throws UserError (the promise rejects) if an objective has no `predict`, or the weights do not fit.
 */
export async function createPredictor(
  device: Device,
  source: Objective | ModelSource,
  parameters: Readonly<Record<string, NdArray>>,
  options: PredictorOptions = {},
): Promise<Predictor> {
  const kinds = { ...ofAbort, schedule: ofScanSchedule };
  const { schedule = "auto", signal } = checkedOptions("createPredictor", options, kinds);
  checkSource("createPredictor", source);
  const prediction = predictionGraph("createPredictor", source);
  const { arena } = prediction;
  const packed = packArrays(parameters, arena);
  const compile = () =>
    device.compile(prediction.graph, {
      ...{ schedule, tuning: "tuned" in source ? source.tuned?.tuning : undefined },
      parts: partsOf(prediction.graph, arena),
      readback: readbackOf(prediction),
    });
  const executable = await abortable(signal, compile, (late) => late.destroy());
  let weights = device.upload(packed, shapesOf(arena));
  let isDestroyed = false;
  const check = () => {
    if (isDestroyed) throw new UserError("the predictor was destroyed; make another with createPredictor");
  };
  return {
    inputs: prediction.inputs,
    outputs: prediction.outputs,
    predict: async (batch, given = {}) => {
      const { signal: ending } = checkedOptions("predict", given, ofAbort);
      check();
      return abortable(ending, () => predicted(executable, prediction, weights, batch, knownNames(source)));
    },
    setParameters: (next) => {
      check();
      const fitting = packArrays(next, arena);
      weights.destroy();
      weights = device.upload(fitting, shapesOf(arena));
    },
    destroy: () => {
      isDestroyed = true;
      weights.destroy();
      executable.destroy();
    },
  };
}

/** Names in a batch that are ignored: those of training. */
const knownNames = (source: Objective | ModelSource): readonly string[] =>
  "batch" in source ? Object.keys(source.batch) : ["targets"];

/** The predictions of a source over whole sequences; `where` is the calling function, for messages. */
export function predictionGraph(where: string, source: Objective | ModelSource): PredictionGraph {
  if (!("graph" in source)) {
    const { graph, arena, indices } = predictionStep(where, source);
    const { inputs = {}, outputs = [] } = source.prediction ?? {};
    return { graph, arena, indices, inputs, outputs };
  }
  const graph = source.form === "sequence" ? source.graph : sequenceOfStep(source.graph);
  const inputs = Object.fromEntries(
    graph.inputs.flatMap((id) => {
      const name = inputName(graph, id);
      return isRead(name) ? [[name, nodeAt(graph, id).aval] as const] : [];
    }),
  );
  const indices = indexChecks(graph, Object.keys(inputs));
  return { graph, arena: source.arena, indices, inputs, outputs: outputNames(source) };
}

/** Positions of the outputs of a prediction, after the states. */
export function readbackOf({ graph, outputs }: PredictionGraph): readonly number[] {
  return outputs.map((_, i) => graph.outputs.length - outputs.length + i);
}

/** Runs a prediction from zero states and reads its outputs. */
export async function predicted(
  executable: Executable,
  prediction: PredictionGraph,
  parameters: DeviceArray,
  batch: PredictionBatch,
  known: readonly string[],
): Promise<Predictions> {
  const { inputs, rows } = predictionInputs(prediction.inputs, known, batch, prediction.indices);
  const { graph, outputs } = prediction;
  const state = graph.inputs.flatMap((id) => {
    const [name, { dtype, shape }] = [inputName(graph, id), nodeAt(graph, id).aval];
    return name.startsWith("state/") ? [[name, zeros(evaluateShape(shape, { B: rows }), dtype)] as const] : [];
  });
  const results = executable.run({ parameters, ...Object.fromEntries(state), ...inputs });
  const first = results.length - outputs.length;
  for (const result of results.slice(0, first)) result.destroy();
  const read = await Promise.all(results.slice(first).map((result) => result.read()));
  for (const result of results.slice(first)) result.destroy();
  return { output: at(read, 0), outputs: Object.fromEntries(outputs.map((name, i) => [name, at(read, i)])) };
}

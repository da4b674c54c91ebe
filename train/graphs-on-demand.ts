/**
 * @file Graphs of a trainer beside its step, compiled when they are first asked for: losses and metrics of batches,
 * predictions, and gradients.
 */
import { at, UserError } from "../compiler/graph/errors.ts";
import { inputName } from "../compiler/graph/graph.ts";
import type { NdArray } from "../compiler/graph/ndarray.ts";
import type { Tuning } from "../compiler/plan/tuning.ts";
import type { CompileOptions, Device, DeviceArray, Executable } from "../devices/device.ts";
import { type AbortSignalLike, abortable, nextMacrotask } from "./abort.ts";
import { partsOf, unpackArray } from "./arena.ts";
import { type BatchArray, inputsOf, type PredictionBatch, type TrainingBatch } from "./batch-inputs.ts";
import { entriesOf, type SourceOf } from "./data/source.ts";
import type { Segmentation } from "./forms/in-segments.ts";
import { type Held, zeroStates } from "./held-arrays.ts";
import { meanOfBatches } from "./loss-parts.ts";
import { lengthOf } from "./memory-budget.ts";
import { type Metric, measuredBy } from "./metrics.ts";
import type { Objective } from "./objective.ts";
import { type PredictionGraph, type Predictions, predicted, predictionGraph, readbackOf } from "./predictor.ts";
import type { TrainerOptions } from "./trainer-interface.ts";
import {
  type BatchStepGraph,
  evaluationStep,
  gradientStep,
  type LossRewrite,
  type TrainingStep,
} from "./training-step.ts";

interface Compiled<Step> {
  readonly step: Step;
  readonly executable: Promise<Executable>;
}

type Evaluation = Compiled<BatchStepGraph>;

export type AnyBatches = SourceOf<TrainingBatch>;

/** What gradients are computed from. */
interface TrainerState {
  readonly arrays: Held;
  /** Whether the batch goes on from the state that is held. */
  readonly isCarried: boolean;
  /** Seed of the random numbers of the loss, if any, and hyperparameters. */
  readonly constants: Readonly<Record<string, NdArray>>;
}

/** How the graphs are made and compiled. */
interface OnDemandOptions extends Pick<TrainerOptions, "precision"> {
  readonly tuning: Tuning | undefined;
  readonly rewrite: LossRewrite;
  /** How long sequences are cut, within a memory budget. */
  readonly segments: Segmentation | undefined;
  /** How many models a population has. */
  readonly models?: number;
}

export class GraphsOnDemand {
  readonly #device: Device;
  readonly #network: Objective;
  readonly #options: OnDemandOptions;
  /** Compiled evaluations of the loss and of metrics, by the length of sequences that are cut into segments. */
  readonly #evaluations = new Map<Metric | undefined, Map<number | undefined, Evaluation>>();
  #prediction: Compiled<PredictionGraph> | undefined;
  readonly #gradients = new Map<number | undefined, Compiled<ReturnType<typeof gradientStep>>>();

  constructor(device: Device, network: Objective, options: OnDemandOptions) {
    this.#device = device;
    this.#network = network;
    this.#options = options;
  }

  /** The mean of the loss, or of a metric, over batches. `weights`: the parameters in one array, or in parts. */
  meanOver = async (...given: Parameters<GraphsOnDemand["meansOver"]>): Promise<number> => {
    return at(await this.meansOver(...given), 0);
  };

  /** The mean for each model of a population. */
  meansOver = async (
    batches: AnyBatches,
    metric: Metric | undefined,
    weights: () => DeviceArray,
    signal: AbortSignalLike | undefined,
  ): Promise<readonly number[]> => {
    const { models } = this.#options;
    let state: Held = {};
    let size: number | undefined;
    const found: Promise<Float64Array>[] = [];
    try {
      for await (const batch of entriesOf("evaluate", "batches", batches, signal)) {
        if (signal !== undefined) await nextMacrotask();
        signal?.throwIfAborted();
        const { inputs, rows } = inputsOf(this.#network, batch, this.#evaluationOf(metric, undefined).step.indices);
        const { step, executable: compiling } = this.#evaluationOf(metric, this.#segmentsOf(inputs));
        const executable = await abortable(signal, () => compiling);
        if (batch.fresh || rows !== size) {
          for (const array of Object.values(state)) array.destroy();
          state = zeroStates(this.#device, this.#network.stateShapes, rows, models);
          size = rows;
        }
        const outputs = executable.run({ parameters: weights(), ...state, ...inputs });
        state = Object.fromEntries(Object.entries(step.donate).map(([name, index]) => [name, at(outputs, index)]));
        at(outputs, step.outputs.loss ?? -1).destroy();
        found.push(readAll(at(outputs, step.outputs.means ?? -1)));
        // A few steps in flight keep the device busy; more would only use memory.
        await found[found.length - 4];
      }
    } finally {
      for (const array of Object.values(state)) array.destroy();
      // Nothing is in flight when the call ends, whatever ends it.
      await Promise.allSettled(found);
    }
    if (found.length === 0) throw new UserError("evaluate: got no batches; hold out more data");
    const means = await Promise.all(found);
    return Array.from({ length: models ?? 1 }, (_, model) => {
      return meanOfBatches(means.map((all) => partOf(all, model, models ?? 1)));
    });
  };

  predict = async (
    batch: PredictionBatch,
    weights: () => DeviceArray,
    signal: AbortSignalLike | undefined,
  ): Promise<Predictions> => {
    this.#prediction ??= this.#compiled(predictionGraph("predict", this.#network), readbackOf);
    const { step, executable } = this.#prediction;
    const known = Object.keys(this.#network.batch);
    const compiled = await abortable(signal, () => executable);
    return abortable(signal, () => predicted(compiled, step, weights(), batch, known));
  };

  /** The gradient of each parameter, by path. `stateOf` gives the arrays of the moment at which the graph is ready. */
  gradients = async (
    batch: TrainingBatch,
    indices: TrainingStep["indices"],
    stateOf: (rows: number) => TrainerState,
  ): Promise<Record<string, NdArray>> => {
    const { inputs, rows } = inputsOf(this.#network, batch, indices);
    const segments = this.#segmentsOf(inputs);
    const { step, executable: compiling } = foundOrMade(this.#gradients, segments?.length, () => {
      const made = gradientStep(this.#network, this.#options.precision, segments, this.#options.rewrite);
      return this.#compiled(made, () => [0], this.#options.precision);
    });
    const executable = await compiling;
    const { arrays, isCarried, constants } = stateOf(rows);
    const zero = isCarried ? {} : zeroStates(this.#device, this.#network.stateShapes, rows);
    const names = step.graph.inputs.map((id) => inputName(step.graph, id));
    const held = Object.entries({ ...arrays, ...constants }).filter(([name]) => names.includes(name));
    const outputs = executable.run({
      ...Object.fromEntries(held),
      ...zero,
      ...inputs,
    });
    for (const array of Object.values(zero)) array.destroy();
    const flat = at(outputs, 0);
    const numbers = await flat.read();
    flat.destroy();
    return unpackArray(numbers, step.arena);
  };

  #compiled<Step extends Pick<PredictionGraph, "graph" | "arena">>(
    step: Step,
    readback: (step: Step) => readonly number[],
    precision?: TrainerOptions["precision"],
  ): Compiled<Step> {
    const parts = partsOf(step.graph, step.arena);
    const options = { tuning: this.#options.tuning, readback: readback(step), precision, parts };
    return { step, executable: this.#device.compile(step.graph, options) };
  }

  /** The models of a population have their own parameters and states, and see the same batches. */
  get #population(): Pick<CompileOptions, "population"> {
    const { models } = this.#options;
    return models === undefined ? {} : { population: { models, shared: Object.keys(this.#network.batch) } };
  }

  /** The segments of a batch's sequences, if they are longer than one. */
  #segmentsOf(inputs: Readonly<Record<string, BatchArray>>): Segmentation | undefined {
    const { segments } = this.#options;
    const length = segments && lengthOf(this.#network, inputs);
    if (segments === undefined || length === undefined || length <= segments.steps) return undefined;
    return { length, steps: segments.steps };
  }

  #evaluationOf(metric: Metric | undefined, segments: Segmentation | undefined): Evaluation {
    const byLength = foundOrMade(this.#evaluations, metric, () => new Map<number | undefined, Evaluation>());
    return foundOrMade(byLength, segments?.length, () => {
      const step = evaluationStep(metric === undefined ? this.#network : measuredBy(this.#network, metric), segments);
      const executable = this.#device.compile(step.graph, {
        tuning: this.#options.tuning,
        donate: step.donate,
        parts: partsOf(step.graph, step.arena),
        readback: [step.outputs.means ?? 0],
        ...this.#population,
      });
      return { step, executable };
    });
  }

  destroy(): void {
    // A failed compilation has nothing to free, and its error was reported to the caller.
    const evaluations = [...this.#evaluations.values()].flatMap((byLength) => [...byLength.values()]);
    for (const uses of [...evaluations, this.#prediction, ...this.#gradients.values()])
      void uses?.executable.then(
        (compiled) => compiled.destroy(),
        () => {},
      );
    this.#evaluations.clear();
  }
}

function foundOrMade<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const value = map.get(key) ?? make();
  map.set(key, value);
  return value;
}

/** The numbers of one of several models, which have equally many. */
function partOf(all: Float64Array, model: number, models: number): Float64Array {
  const size = all.length / models;
  return all.slice(model * size, (model + 1) * size);
}

async function readAll(array: DeviceArray): Promise<Float64Array> {
  const { data } = await array.read();
  array.destroy();
  return data;
}

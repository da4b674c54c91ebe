/**
 * @file The trainer stores parameters, optimizer slots and carried state on a device and enqueues one training step per
 * batch. Only three numbers per step are read back, asynchronously: callers keep a few steps in flight.
 */
import type { Shape } from "../compiler/graph/dim.ts";
import { at, expectArgument, InternalError, inWords, UserError } from "../compiler/graph/errors.ts";
import { inputName } from "../compiler/graph/graph.ts";
import { type NdArray, scalar, sizeOfNumbers, zeros } from "../compiler/graph/ndarray.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import type { Tuning } from "../compiler/plan/tuning.ts";
import type { Device, DeviceArray, Executable, KernelProfile } from "../devices/device.ts";
import { packArrays, partsOf, shapesOf, unpackArray } from "./arena.ts";
import { inputsOf, type PredictionBatch, type TrainingBatch } from "./batch-inputs.ts";
import { type Checkpoint, carriedState, keptShape, keptValue } from "./checkpoint.ts";
import { isFiniteInF32 } from "./files/finite-model.ts";
import type { Segmentation } from "./forms/in-segments.ts";
import { initialize } from "./initialize.ts";
import { meanOfBatches } from "./loss-parts.ts";
import { lossRewrite } from "./loss-rewrite.ts";
import { checkBudget, lengthOf, type TrainingPrograms, trainingPrograms } from "./memory-budget.ts";
import { type Metric, measuredBy } from "./metrics.ts";
import type { Network } from "./networks.ts";
import type { Objective } from "./objective.ts";
import { adam } from "./optimizers/gradient-descent.ts";
import { type PredictionGraph, type Predictions, predicted, predictionGraph, readbackOf } from "./predictor.ts";
import { checkSeed } from "./random.ts";
import {
  type EvaluationOptions,
  ofTrainer,
  type StoppedStep,
  type Trainer,
  type TrainerOptions,
  type TrainingStepResult,
} from "./trainer-interface.ts";
import {
  type BatchStepGraph,
  evaluationStep,
  gradientStep,
  type LossRewrite,
  type TrainingStep,
  trainingStep,
} from "./training-step.ts";

export type { Checkpoint } from "./checkpoint.ts";
export type { Predictions } from "./predictor.ts";
export type {
  BatchOf,
  EvaluationOptions,
  StoppedStep,
  Trainer,
  TrainerOptions,
  TrainingStepResult,
} from "./trainer-interface.ts";

/**
 * Compiles the training step of a network, or of another objective, and initializes its weights.
 *
 * @throws UserError (the promise rejects) if an option is invalid, or the step does not fit the device.
 */
export async function createTrainer<Trained extends Objective = Network>(
  device: Device,
  network: Trained,
  options: TrainerOptions = {},
): Promise<Trainer<Trained>> {
  const {
    seed = 0,
    learningRate = 1e-3,
    schedule = "auto",
    tuning,
    parameters,
    memory,
    chunks = "auto",
    ...given
  } = checkedOptions("createTrainer", options, ofTrainer);
  expectArgument(
    typeof device?.compile === "function",
    "createTrainer: the device",
    device,
    "the result of await openDevice()",
  );
  const update = { optimizer: adam(), ...given };
  const rewrite = await lossRewrite("createTrainer", chunks);
  const step = trainingStep(network, update, undefined, rewrite);
  checkSeed(seed);
  const start = parameters ?? initialize(network.specs, seed);
  // Checks the weights before compiling.
  packArrays(start, step.arena);
  const { precision } = given;
  const compile = { schedule, tuning, precision };
  const budget = memory && checkBudget("createTrainer", memory);
  const programs = await trainingPrograms(device, network, step, update, compile, budget, rewrite);
  const trainer = new DeviceTrainer(device, network, step, programs, checkedRate(learningRate), seed, {
    ...{ tuning, precision, rewrite },
  });
  trainer.setParameters(start);
  return trainer;
}

interface Compiled<Step> {
  readonly step: Step;
  readonly executable: Promise<Executable>;
}

type Evaluation = Compiled<BatchStepGraph>;

type Held = Record<string, DeviceArray>;

type AnyBatches = Iterable<TrainingBatch> | AsyncIterable<TrainingBatch>;

/** The inputs of a step besides the arrays of the trainer. */
interface Given {
  readonly step: number;
  readonly inputs: Readonly<Record<string, NdArray>>;
  readonly rows: number;
  /** The step since which the state is carried. */
  readonly stateSince: number;
  /** How often the trainer had been restored before the step. */
  readonly restores: number;
}

class DeviceTrainer<Trained extends Objective> implements Trainer<Trained> {
  readonly network: Trained;
  readonly #device: Device;
  readonly #step: TrainingStep;
  readonly #programs: TrainingPrograms;
  readonly #tuning: Tuning | undefined;
  readonly #precision: TrainerOptions["precision"];
  readonly #rewrite: LossRewrite;
  /** The arrays that a step replaces, by the name of its input; includes the carried state once B is known. */
  #held: Held = {};
  /** Seed of the random numbers of the loss, if any. */
  readonly #seed: Readonly<Record<string, NdArray>>;
  #rate: number;
  #batch: number | undefined;
  #count = 0;
  #last: Promise<TrainingStepResult | undefined> = Promise.resolve(undefined);
  #stateSince = 1;
  #stopped: Given | undefined;
  #restores = 0;
  #isDestroyed = false;
  /** Compiled evaluations of the loss and of metrics, by the length of sequences that are cut into segments. */
  readonly #evaluations = new Map<Metric | undefined, Map<number | undefined, Evaluation>>();
  #prediction: Compiled<PredictionGraph> | undefined;
  readonly #gradients = new Map<number | undefined, Compiled<ReturnType<typeof gradientStep>>>();

  constructor(
    device: Device,
    network: Trained,
    step: TrainingStep,
    programs: TrainingPrograms,
    rate: number,
    seed: number,
    { tuning, precision, rewrite }: Pick<TrainerOptions, "tuning" | "precision"> & { readonly rewrite: LossRewrite },
  ) {
    this.network = network;
    this.#device = device;
    this.#step = step;
    this.#programs = programs;
    this.#tuning = tuning;
    this.#precision = precision;
    this.#rewrite = rewrite;
    this.#rate = rate;
    this.#seed = step.isSeeded ? { seed: scalar(seed, "u32") } : {};
  }

  get segments(): Segmentation | undefined {
    return this.#programs.segments;
  }

  get learningRate(): number {
    return this.#rate;
  }

  set learningRate(value: number) {
    this.#rate = checkedRate(value);
  }

  setParameters = (parameters: Readonly<Record<string, NdArray>>): void => {
    const { arena, slots } = this.#step;
    this.restore({
      parameters: packArrays(parameters, arena),
      ...Object.fromEntries(slots.map((name) => [name, zeros(keptShape(name, arena))])),
      step: scalar(0),
    });
  };

  checkpoint = async (): Promise<Checkpoint> => {
    this.#use();
    // All reads are enqueued before the first await, so that they belong to the same step.
    const names = [...this.#kept(), ...(this.#batch === undefined ? [] : this.#step.state)];
    const reads = names.map(async (name) => [name, await heldOf(this.#held, name).read()] as const);
    return Object.fromEntries(await Promise.all(reads));
  };

  restore = (checkpoint: Checkpoint): void => {
    this.#use();
    expectArgument(
      typeof checkpoint === "object" && checkpoint !== null,
      "restore: the checkpoint",
      checkpoint,
      "the result of trainer.checkpoint()",
    );
    const values = this.#kept().map((name) => {
      const value = keptValue(checkpoint, name);
      const size = sizeOfNumbers(keptShape(name, this.#step.arena));
      if (value?.dtype === "f32" && value.data.length === size) return [name, value] as const;
      throw new UserError(
        `the checkpoint belongs to another network or optimizer: ${name} is missing or has another shape`,
      );
    });
    const { rows, states } = carriedState(checkpoint, this.network.stateShapes);
    for (const array of Object.values(this.#held)) array.destroy();
    this.#held = {
      ...Object.fromEntries(values.map(([name, value]) => [name, this.#uploaded(value)])),
      ...Object.fromEntries(states.map(([name, value]) => [name, this.#device.upload(value)])),
      halted: this.#device.upload(scalar(0, "bool")),
    };
    this.#batch = rows;
    this.#stateSince = this.#count;
    this.#stopped = undefined;
    this.#restores += 1;
    this.#last = Promise.resolve(undefined);
  };

  /** Copies an array of the layout of the parameters, or a number, to the device. */
  #uploaded(value: NdArray): DeviceArray {
    const { arena } = this.#step;
    return this.#device.upload(value, value.data.length === arena.size ? shapesOf(arena) : undefined);
  }

  /** Names of the arrays in every checkpoint. */
  #kept(): readonly string[] {
    return ["parameters", ...this.#step.slots, "step"];
  }

  step = (batch: TrainingBatch): Promise<TrainingStepResult> => {
    this.#use();
    const { inputs, rows } = inputsOf(this.network, batch, this.#step.indices);
    if (batch.fresh || this.#batch === undefined) this.#startState(rows);
    else if (rows !== this.#batch && this.#step.state.length > 0) {
      throw new UserError(
        `a batch of ${rows} rows follows one of ${this.#batch}, whose state has another number of rows; set fresh: true on it`,
      );
    }
    const outputs = this.#programs.for(inputs).run({
      ...this.#held,
      learningRate: scalar(this.#rate),
      ...this.#seed,
      ...inputs,
    });
    this.#held = Object.fromEntries(
      Object.entries(this.#step.donate).map(([name, index]) => [name, at(outputs, index)]),
    );
    this.#count += 1;
    const given = { step: this.#count, inputs, rows, stateSince: this.#stateSince, restores: this.#restores };
    this.#last = this.#result(given, at(outputs, this.#step.outputs.metrics ?? -1), this.#last);
    return this.#last as Promise<TrainingStepResult>;
  };

  async #result(
    given: Given,
    metrics: DeviceArray,
    earlier: Promise<TrainingStepResult | undefined>,
  ): Promise<TrainingStepResult> {
    const { step } = given;
    const numbers = await metrics.read();
    metrics.destroy();
    // A step that failed changed nothing and does not affect this one.
    const before = await earlier.catch(() => undefined);
    const [loss = Number.NaN, gradientNorm = Number.NaN, applied = 0, skipped = 0] = numbers.data;
    if (applied === 1) return { step, loss, gradientNorm, finite: true };
    if (skipped === 1) return { step, loss, gradientNorm, finite: true, skipped: true };
    if (before?.firstBad !== undefined && before.firstBadStep !== undefined) {
      const { firstBad, firstBadStep } = before;
      return { step, loss, gradientNorm, finite: false, firstBad, firstBadStep };
    }
    const firstBad = !isFiniteInF32(loss) ? "loss" : isFiniteInF32(gradientNorm) ? "update" : "gradient norm";
    // After a restore, the arrays of earlier steps are gone.
    if (given.restores === this.#restores) this.#stopped = given;
    return { step, loss, gradientNorm, finite: false, firstBad, firstBadStep: step };
  }

  profile = async (batch: TrainingBatch): Promise<KernelProfile[]> => {
    this.#use();
    const { inputs, rows } = inputsOf(this.network, batch, this.#step.indices);
    const copies = zeroStates(this.#device, this.network.stateShapes, rows);
    try {
      for (const name of Object.keys(this.#step.donate)) {
        const held = this.#held[name];
        if (copies[name] === undefined && held !== undefined) copies[name] = this.#uploaded(await held.read());
      }
      return await this.#programs.for(inputs).profile({
        ...copies,
        learningRate: scalar(this.#rate),
        ...this.#seed,
        ...inputs,
      });
    } finally {
      for (const array of Object.values(copies)) array.destroy();
    }
  };

  #startState(size: number): void {
    for (const name of this.#step.state) this.#held[name]?.destroy();
    Object.assign(this.#held, zeroStates(this.#device, this.network.stateShapes, size));
    this.#batch = size;
    this.#stateSince = this.#count + 1;
  }

  stoppedStep = async (): Promise<StoppedStep | undefined> => {
    const stopped = this.#stopped;
    if (stopped === undefined) return undefined;
    const { step, inputs, rows, stateSince } = stopped;
    // The guard wrote nothing, so the inputs of the step still exist, except a state that it or a later step reset.
    const held = await this.checkpoint();
    const isStateHeld = stateSince === this.#stateSince && stateSince < step;
    const state = Object.entries(this.network.stateShapes).map(([name, shape]) => {
      const kept = isStateHeld ? held[`state/${name}`] : undefined;
      return [`state/${name}`, kept ?? zeros([rows, ...shape])] as const;
    });
    const control = { halted: scalar(0, "bool"), learningRate: scalar(this.#rate), ...this.#seed };
    return { step, graph: this.#step.graph, inputs: { ...held, ...Object.fromEntries(state), ...control, ...inputs } };
  };

  evaluate = async (batches: AnyBatches, options: EvaluationOptions = {}): Promise<number> => {
    const kinds = { parameters: "object", metric: "function" } as const;
    const { parameters, metric } = checkedOptions("evaluate", options, kinds);
    this.#use();
    const isWalked = typeof batches === "object" && (Symbol.iterator in batches || Symbol.asyncIterator in batches);
    expectArgument(isWalked, "evaluate: the argument", batches, "batches, such as a list of them");
    const given = parameters && this.#uploaded(packArrays(parameters, this.#step.arena));
    try {
      return await this.#meanOver(batches, metric, () => given ?? heldOf(this.#held, "parameters"));
    } finally {
      given?.destroy();
    }
  };

  #meanOver = async (batches: AnyBatches, metric: Metric | undefined, weights: () => DeviceArray): Promise<number> => {
    let state: Held = {};
    let size: number | undefined;
    const found: Promise<Float64Array>[] = [];
    try {
      for await (const batch of batches) {
        const { inputs, rows } = inputsOf(this.network, batch, this.#evaluationOf(metric, undefined).step.indices);
        const { step, executable: compiling } = this.#evaluationOf(metric, this.#segmentsOf(inputs));
        const executable = await compiling;
        if (batch.fresh || rows !== size) {
          for (const array of Object.values(state)) array.destroy();
          state = zeroStates(this.#device, this.network.stateShapes, rows);
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
    }
    if (found.length === 0) throw new UserError("evaluate: got no batches; hold out more data");
    return meanOfBatches(await Promise.all(found));
  };

  predict = async (batch: PredictionBatch): Promise<Predictions> => {
    this.#use();
    this.#prediction ??= this.#compiled(predictionGraph("predict", this.network), readbackOf);
    const { step, executable } = this.#prediction;
    const known = Object.keys(this.network.batch);
    return predicted(await executable, step, heldOf(this.#held, "parameters"), batch, known);
  };

  gradients = async (batch: TrainingBatch): Promise<Record<string, NdArray>> => {
    this.#use();
    const { inputs, rows } = inputsOf(this.network, batch, this.#step.indices);
    const segments = this.#segmentsOf(inputs);
    const { step, executable: compiling } = foundOrMade(this.#gradients, segments?.length, () => {
      const made = gradientStep(this.network, this.#precision, segments, this.#rewrite);
      return this.#compiled(made, () => [0], this.#precision);
    });
    const executable = await compiling;
    this.#use();
    const isCarried = !batch.fresh && rows === this.#batch;
    const zero = isCarried ? {} : zeroStates(this.#device, this.network.stateShapes, rows);
    const names = step.graph.inputs.map((id) => inputName(step.graph, id));
    const held = Object.entries(this.#held).filter(([name]) => names.includes(name));
    const outputs = executable.run({
      ...Object.fromEntries(held),
      ...zero,
      ...(step.isSeeded ? this.#seed : {}),
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
    const options = { tuning: this.#tuning, readback: readback(step), precision, parts };
    return { step, executable: this.#device.compile(step.graph, options) };
  }

  /** The segments of a batch's sequences, if they are longer than one. */
  #segmentsOf(inputs: Readonly<Record<string, NdArray>>): Segmentation | undefined {
    const { segments } = this.#programs;
    const length = segments && lengthOf(this.network, inputs);
    if (segments === undefined || length === undefined || length <= segments.steps) return undefined;
    return { length, steps: segments.steps };
  }

  #evaluationOf(metric: Metric | undefined, segments: Segmentation | undefined): Evaluation {
    const byLength = foundOrMade(this.#evaluations, metric, () => new Map<number | undefined, Evaluation>());
    return foundOrMade(byLength, segments?.length, () => {
      const step = evaluationStep(metric === undefined ? this.network : measuredBy(this.network, metric), segments);
      const executable = this.#device.compile(step.graph, {
        tuning: this.#tuning,
        donate: step.donate,
        parts: partsOf(step.graph, step.arena),
        readback: [step.outputs.means ?? 0],
      });
      return { step, executable };
    });
  }

  parameters = async (): Promise<Record<string, NdArray>> => {
    this.#use();
    return unpackArray(await heldOf(this.#held, "parameters").read(), this.#step.arena);
  };

  /** Throws a UserError after `destroy`. */
  #use(): void {
    if (this.#isDestroyed) throw new UserError("the trainer was destroyed; make another with createTrainer");
  }

  destroy = (): void => {
    this.#isDestroyed = true;
    for (const array of Object.values(this.#held)) array.destroy();
    this.#held = {};
    this.#programs.destroy();
    // A failed compilation has nothing to free, and its error was reported to the caller.
    const evaluations = [...this.#evaluations.values()].flatMap((byLength) => [...byLength.values()]);
    for (const uses of [...evaluations, this.#prediction, ...this.#gradients.values()])
      void uses?.executable.then(
        (compiled) => compiled.destroy(),
        () => {},
      );
    this.#evaluations.clear();
  };
}

function foundOrMade<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const value = map.get(key) ?? make();
  map.set(key, value);
  return value;
}

function heldOf(held: Held, name: string): DeviceArray {
  const array = held[name];
  if (array === undefined) throw new InternalError(`the trainer holds no ${name}`);
  return array;
}

/** Zeros [B, …] for every state, by the name of its input. */
export function zeroStates(device: Device, shapes: Readonly<Record<string, Shape>>, batch: number): Held {
  return Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [
      `state/${name}`,
      device.upload(zeros([batch, ...shape.map(Number)])),
    ]),
  );
}

async function readAll(array: DeviceArray): Promise<Float64Array> {
  const { data } = await array.read();
  array.destroy();
  return data;
}

function checkedRate(value: number): number {
  // A larger rate would be infinite in f32.
  if (!(typeof value === "number" && value > 0 && value < 3.4e38))
    throw new UserError(`the learning rate is ${inWords(value)}; expected a number above 0`);
  return value;
}

import { at, expectArgument, inWords, UserError } from "../compiler/graph/errors.ts";
import { type NdArray, scalar, sizeOfNumbers, zeros } from "../compiler/graph/ndarray.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import type { Device, DeviceArray, KernelProfile } from "../devices/device.ts";
import { type AbortOptions, abortable, ofAbort } from "./abort.ts";
import { packArrays, shapesOf, unpackArray } from "./arena.ts";
import { type BatchArray, inputsOf, type PredictionBatch, type TrainingBatch } from "./batch-inputs.ts";
import { type Checkpoint, carriedState, keptShape, keptValue } from "./checkpoint.ts";
import type { Segmentation } from "./forms/in-segments.ts";
import type { AnyBatches, GraphsOnDemand } from "./graphs-on-demand.ts";
import { type Held, heldOf, zeroStates } from "./held-arrays.ts";
import { constantsOf } from "./hyperparameter.ts";
import { initialize } from "./initialize.ts";
import { checkBudget, type TrainingPrograms, trainingPrograms } from "./memory-budget.ts";
import type { Network } from "./networks.ts";
import type { Objective } from "./objective.ts";
import { adam } from "./optimizers/gradient-descent.ts";
import type { Predictions } from "./predictor.ts";
import { checkSeed } from "./random.ts";
import type { trainerRun } from "./run.ts";
import { stepResult } from "./step-result.ts";
import {
  type EvaluationOptions,
  ofTrainer,
  type RunOptions,
  type StoppedStep,
  type Trainer,
  type TrainerOptions,
  type TrainingStepResult,
} from "./trainer-interface.ts";
import { type TrainingStep, trainingStep } from "./training-step.ts";

export type { Checkpoint } from "./checkpoint.ts";
export type { Predictions } from "./predictor.ts";
export type {
  BatchOf,
  EvaluationOptions,
  RunOptions,
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
    signal,
    ...given
  } = checkedOptions("createTrainer", options, ofTrainer);
  expectArgument(
    typeof device?.compile === "function",
    "createTrainer: the device",
    device,
    "the result of await openDevice()",
  );
  const update = { optimizer: adam(), ...given };
  const parts = await import("./trainer-parts.ts");
  const rewrite = parts.lossRewrite("createTrainer", chunks);
  const step = trainingStep(network, update, undefined, rewrite);
  checkSeed(seed);
  const start = parameters ?? initialize(network.specs, seed);
  // Checks the weights before compiling.
  packArrays(start, step.arena);
  const { precision } = given;
  const compile = { schedule, tuning, precision };
  const budget = memory && checkBudget("createTrainer", memory);
  const programs = await abortable(
    signal,
    () => trainingPrograms(device, network, step, update, compile, budget, rewrite),
    (late) => late.destroy(),
  );
  const onDemand = new parts.GraphsOnDemand(device, network, {
    tuning,
    precision,
    rewrite,
    segments: programs.segments,
  });
  const trainer = new DeviceTrainer(
    device,
    network,
    step,
    programs,
    checkedRate(learningRate),
    seed,
    onDemand,
    parts.trainerRun,
  );
  trainer.setParameters(start);
  return trainer;
}

/** The inputs of a step besides the arrays of the trainer. */
interface Given {
  readonly step: number;
  readonly inputs: Readonly<Record<string, BatchArray>>;
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
  readonly #onDemand: GraphsOnDemand;
  readonly #run: typeof trainerRun;
  /** The arrays that a step replaces, by the name of its input; includes the carried state once B is known. */
  #held: Held = {};
  /** Seed of the random numbers of the loss, if any, and hyperparameters. */
  readonly #constants: Readonly<Record<string, NdArray>>;
  #rate: number;
  #batch: number | undefined;
  #count = 0;
  #last: Promise<TrainingStepResult | undefined> = Promise.resolve(undefined);
  #stateSince = 1;
  #stopped: Given | undefined;
  #restores = 0;
  #isDestroyed = false;
  constructor(
    device: Device,
    network: Trained,
    step: TrainingStep,
    programs: TrainingPrograms,
    rate: number,
    seed: number,
    onDemand: GraphsOnDemand,
    run: typeof trainerRun,
  ) {
    this.network = network;
    this.#device = device;
    this.#step = step;
    this.#programs = programs;
    this.#onDemand = onDemand;
    this.#run = run;
    this.#rate = rate;
    this.#constants = constantsOf(step, seed);
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
      ...this.#constants,
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

  run = (batches: AnyBatches, options?: RunOptions): AsyncGenerator<TrainingStepResult, void, undefined> => {
    this.#use();
    return this.#run(this, batches, options);
  };

  get stepCount(): number {
    return this.#count;
  }

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
    const result = stepResult(step, numbers.data, before);
    // After a restore, the arrays of earlier steps are gone.
    if (result.firstBadStep === step && given.restores === this.#restores) this.#stopped = given;
    return result;
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
        ...this.#constants,
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
    const control = { halted: scalar(0, "bool"), learningRate: scalar(this.#rate), ...this.#constants };
    const given = Object.entries(inputs).map(
      async ([name, array]) => [name, "read" in array ? await array.read() : array] as const,
    );
    const values = {
      ...held,
      ...Object.fromEntries(state),
      ...control,
      ...Object.fromEntries(await Promise.all(given)),
    };
    return { step, graph: this.#step.graph, inputs: values };
  };

  evaluate = async (batches: AnyBatches, options: EvaluationOptions = {}): Promise<number> => {
    const kinds = { ...ofAbort, parameters: "object", metric: "function" } as const;
    const { parameters, metric, signal } = checkedOptions("evaluate", options, kinds);
    this.#use();
    const given = parameters && this.#uploaded(packArrays(parameters, this.#step.arena));
    try {
      return await this.#onDemand.meanOver(batches, metric, () => given ?? heldOf(this.#held, "parameters"), signal);
    } finally {
      given?.destroy();
    }
  };

  predict = async (batch: PredictionBatch, options: AbortOptions = {}): Promise<Predictions> => {
    const { signal } = checkedOptions("predict", options, ofAbort);
    this.#use();
    return this.#onDemand.predict(batch, () => heldOf(this.#held, "parameters"), signal);
  };

  gradients = async (batch: TrainingBatch): Promise<Record<string, NdArray>> => {
    this.#use();
    return this.#onDemand.gradients(batch, this.#step.indices, (rows) => {
      this.#use();
      const isCarried = !batch.fresh && rows === this.#batch;
      return { arrays: this.#held, isCarried, constants: this.#constants };
    });
  };

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
    this.#onDemand.destroy();
  };
}

export function checkedRate(value: number): number {
  // A larger rate would be infinite in f32.
  if (!(typeof value === "number" && value > 0 && value < 3.4e38))
    throw new UserError(`the learning rate is ${inWords(value)}; expected a number above 0`);
  return value;
}

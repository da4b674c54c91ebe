/**
 * @file A population: many models of one network, each with its own weights, seed and learning rate, trained by one program on
 * the same batches. A step is one run of the device for all models, so many small models fill it, and each gets the bits that
 * it would get alone.
 */
import { at, expectArgument, InternalError, inWords, UserError } from "../compiler/graph/errors.ts";
import { modelOf, ofModels } from "../compiler/graph/models.ts";
import { type NdArray, ndarray, scalar } from "../compiler/graph/ndarray.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import type { CompileOptions, Device, DeviceArray, Executable } from "../devices/device.ts";
import { abortable, ofAbort } from "./abort.ts";
import { unpackArray } from "./arena.ts";
import { inputsOf, type TrainingBatch } from "./batch-inputs.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { GraphsOnDemand } from "./graphs-on-demand.ts";
import { type Held, heldOf, zeroStates } from "./held-arrays.ts";
import { inputOfHyperparameter } from "./hyperparameter.ts";
import { initialize } from "./initialize.ts";
import { lossRewrite } from "./loss-rewrite.ts";
import type { Network } from "./networks.ts";
import type { Objective } from "./objective.ts";
import { adam } from "./optimizers/gradient-descent.ts";
import { checkpointsOf, keptNames, ofCheckpoints, startingAt } from "./population-checkpoints.ts";
import type { Population, PopulationOptions } from "./population-interface.ts";
import { ofPopulation } from "./population-interface.ts";
import { countOf, hyperparametersOf, ratesOf, startOf } from "./population-options.ts";
import { checkSeed } from "./random.ts";
import { trainingRun } from "./run.ts";
import { stepResult } from "./step-result.ts";
import type { BatchOf, EvaluationOptions, RunOptions, TrainingStepResult } from "./trainer-interface.ts";
import { type LossRewrite, type TrainingStep, trainingStep } from "./training-step.ts";

/**
 * Compiles the training step of a network, or of another objective, for many models at once, and initializes their weights.
 *
 * @throws UserError (the promise rejects) if an option is invalid, or the models do not fit the device together.
 */
export async function createPopulation<Trained extends Objective = Network>(
  device: Device,
  network: Trained,
  options: PopulationOptions,
): Promise<Population<Trained>> {
  const {
    models,
    seed = 0,
    learningRate = 1e-3,
    schedule = "auto",
    tuning,
    parameters,
    chunks = "auto",
    signal,
    hyperparameters = {},
    ...given
  } = checkedOptions("createPopulation", options, ofPopulation);
  expectArgument(
    typeof device?.compile === "function",
    "createPopulation: the device",
    device,
    "the result of await openDevice()",
  );
  const size = countOf({ models, seed, learningRate, parameters, hyperparameters });
  const rewrite = lossRewrite("createPopulation", chunks);
  const step = trainingStep(network, { optimizer: adam(), ...given }, undefined, rewrite);
  const seeds = Array.from({ length: size }, (_, model) => (typeof seed === "number" ? seed + model : at(seed, model)));
  seeds.forEach(checkSeed);
  const rates = ratesOf(learningRate, size);
  const compile = { schedule, tuning, precision: given.precision };
  const made = new TrainedPopulation(
    { device, network, step, compile, rewrite },
    seeds,
    rates,
    hyperparametersOf(step, hyperparameters, size),
  );
  await abortable(
    signal,
    () => made.compile(size),
    () => made.destroy(),
  );
  const starts = seeds.map((each, model) => startOf(parameters, model) ?? initialize(network.specs, each));
  made.restore(starts.map((weights) => startingAt(step, weights)));
  return made;
}

/** What does not change while a population trains. */
interface Setup<Trained extends Objective> {
  readonly device: Device;
  readonly network: Trained;
  readonly step: TrainingStep;
  readonly compile: CompileOptions;
  readonly rewrite: LossRewrite;
}

/** What depends on the number of models. */
interface Programs {
  readonly step: Executable;
  readonly onDemand: GraphsOnDemand;
}

class TrainedPopulation<Trained extends Objective> implements Population<Trained> {
  readonly network: Trained;
  readonly #setup: Setup<Trained>;
  #programs: Programs | undefined;
  #seeds: readonly number[];
  #rates: readonly number[];
  #hyperparameters: Readonly<Record<string, readonly number[]>>;
  /** The arrays that a step replaces, of all models; includes the carried state once B is known. */
  #held: Held = {};
  #batch: number | undefined;
  #count = 0;
  #last: Promise<readonly (TrainingStepResult | undefined)[]> = Promise.resolve([]);
  /** While `keep` reads and compiles. */
  #isChanging = false;
  #isDestroyed = false;

  constructor(
    setup: Setup<Trained>,
    seeds: readonly number[],
    rates: readonly number[],
    hyperparameters: Readonly<Record<string, readonly number[]>>,
  ) {
    this.#hyperparameters = hyperparameters;
    this.network = setup.network;
    this.#setup = setup;
    this.#seeds = seeds;
    this.#rates = rates;
  }

  get size(): number {
    return this.#rates.length;
  }

  get seeds(): readonly number[] {
    return this.#seeds;
  }

  get hyperparameters(): Readonly<Record<string, readonly number[]>> {
    return this.#hyperparameters;
  }

  get learningRates(): readonly number[] {
    return this.#rates;
  }

  set learningRates(rates: readonly number[]) {
    this.#rates = ratesOf(rates, this.size);
  }

  /** Compiles for a number of models. */
  async compile(models: number): Promise<void> {
    const { device, network, step, compile, rewrite } = this.#setup;
    const executable = await device.compile(step.graph, {
      ...{ ...compile, donate: step.donate, readback: [step.outputs.metrics ?? -1] },
      population: { models, shared: Object.keys(network.batch) },
    });
    if (this.#isDestroyed) executable.destroy();
    this.#expectAlive();
    this.#programs?.step.destroy();
    this.#programs?.onDemand.destroy();
    const { tuning, precision } = compile;
    const onDemand = new GraphsOnDemand(device, network, { tuning, precision, rewrite, segments: undefined, models });
    this.#programs = { step: executable, onDemand };
  }

  restore = (checkpoints: readonly Checkpoint[]): void => {
    this.#use();
    expectArgument(
      Array.isArray(checkpoints) && checkpoints.length === this.size,
      "restore: its argument",
      checkpoints,
      `a list of ${this.size} checkpoints, one for each model`,
    );
    this.#start(
      checkpoints,
      checkpoints.map(() => undefined),
    );
  };

  /** Goes on from checkpoints; `before` are the last results of models that may have stopped. */
  #start(checkpoints: readonly Checkpoint[], before: readonly (TrainingStepResult | undefined)[]): void {
    const { device, step, network } = this.#setup;
    // Checked in whole before anything is uploaded or freed.
    const { arrays, rows } = ofCheckpoints(step, network, checkpoints);
    for (const array of Object.values(this.#held)) array.destroy();
    const halted = ofModels(before.map((result) => scalar(result?.finite === false ? 1 : 0, "bool")));
    this.#held = Object.fromEntries(
      Object.entries({ ...arrays, halted }).map(([name, array]) => [name, device.upload(array)]),
    );
    this.#batch = rows;
    this.#last = Promise.resolve(before);
  }

  step = (batch: BatchOf<Trained>): Promise<readonly TrainingStepResult[]> => {
    const { step: executable } = this.#use();
    if (this.#isChanging) throw new UserError("step: the population is being made smaller; await keep first");
    const { step, device, network } = this.#setup;
    const { inputs, rows } = inputsOf(network, batch, step.indices);
    if (batch.fresh || this.#batch === undefined) {
      for (const name of step.state) this.#held[name]?.destroy();
      Object.assign(this.#held, zeroStates(device, network.stateShapes, rows, this.size));
      this.#batch = rows;
    } else if (rows !== this.#batch && step.state.length > 0) {
      throw new UserError(
        `a batch of ${rows} rows follows one of ${this.#batch}, whose state has another number of rows; set fresh: true on it`,
      );
    }
    const outputs = executable.run({
      ...this.#held,
      learningRate: ndarray([this.size], this.#rates),
      ...(step.isSeeded ? { seed: ndarray([this.size], this.#seeds, "u32") } : {}),
      ...this.#hyperInputs(),
      ...inputs,
    });
    this.#held = Object.fromEntries(Object.entries(step.donate).map(([name, i]) => [name, at(outputs, i)]));
    this.#count += 1;
    const results = this.#results(this.#count, at(outputs, step.outputs.metrics ?? -1), this.#last);
    this.#last = results;
    return results;
  };

  run = (
    batches: Parameters<Population<Trained>["run"]>[0],
    options: RunOptions = {},
  ): AsyncGenerator<readonly TrainingStepResult[], void, undefined> => {
    this.#use();
    // All models take the same batches.
    const trainer = { step: (batch: TrainingBatch) => this.step(batch as BatchOf<Trained>) };
    return trainingRun(trainer, batches, options, (results) =>
      results.every(({ finite }) => !finite)
        ? "all models have stopped at numbers that are not finite; smaller learning rates often help"
        : undefined,
    );
  };

  /** The values of all models for each hyperparameter. */
  #hyperInputs(): Record<string, NdArray> {
    return Object.fromEntries(
      Object.entries(this.#hyperparameters).map(([name, values]) => [
        inputOfHyperparameter(name),
        ndarray([this.size], values),
      ]),
    );
  }

  async #results(
    step: number,
    metrics: DeviceArray,
    earlier: Promise<readonly (TrainingStepResult | undefined)[]>,
  ): Promise<readonly TrainingStepResult[]> {
    const numbers = await metrics.read();
    metrics.destroy();
    const before = await earlier.catch(() => []);
    return Array.from({ length: numbers.shape[0] ?? 0 }, (_, model) =>
      stepResult(step, modelOf(numbers, model).data, before[model]),
    );
  }

  evaluate = async (
    batches: Parameters<Population<Trained>["evaluate"]>[0],
    options: Omit<EvaluationOptions, "parameters"> = {},
  ): Promise<readonly number[]> => {
    const { metric, signal } = checkedOptions("evaluate", options, { ...ofAbort, metric: "function" });
    const { onDemand } = this.#use();
    return onDemand.meansOver(batches, metric, () => heldOf(this.#held, "parameters"), signal);
  };

  parameters = async (model: number): Promise<Record<string, NdArray>> => {
    this.#use();
    this.#check("parameters", model);
    const all = await heldOf(this.#held, "parameters").read();
    return unpackArray(modelOf(all, model), this.#setup.step.arena);
  };

  checkpoint = async (model: number): Promise<Checkpoint> => {
    this.#use();
    this.#check("checkpoint", model);
    return at(await this.checkpoints(), model);
  };

  checkpoints = async (): Promise<readonly Checkpoint[]> => {
    this.#use();
    const { step } = this.#setup;
    const names = [...keptNames(step), ...(this.#batch === undefined ? [] : step.state)];
    // All reads are enqueued before the first await, so that they belong to the same step.
    const reads = names.map(async (name) => [name, await heldOf(this.#held, name).read()] as const);
    const { size } = this;
    return checkpointsOf(Object.fromEntries(await Promise.all(reads)), size);
  };

  keep = async (models: readonly number[]): Promise<void> => {
    this.#use();
    if (!Array.isArray(models) || models.length === 0 || new Set(models).size !== models.length)
      throw new UserError(`keep: its argument is ${inWords(models)}; expected a list of different models`);
    for (const model of models) this.#check("keep", model);
    if (this.#isChanging) throw new UserError("keep: the population is being made smaller already; await that first");
    this.#isChanging = true;
    try {
      const checkpoints = await this.checkpoints();
      const before = await this.#last;
      await this.compile(models.length);
      const chosen = <T>(all: readonly T[]) => models.map((model) => at(all, model));
      this.#seeds = chosen(this.#seeds);
      this.#rates = chosen(this.#rates);
      this.#hyperparameters = Object.fromEntries(
        Object.entries(this.#hyperparameters).map(([name, values]) => [name, chosen(values)]),
      );
      // A model that has stopped stays so.
      this.#start(
        chosen(checkpoints),
        models.map((model) => before[model]),
      );
    } finally {
      this.#isChanging = false;
    }
  };

  #check(where: string, model: number): void {
    if (!(Number.isInteger(model) && model >= 0 && model < this.size))
      throw new UserError(`${where}: model ${inWords(model)} does not exist; models are 0 to ${this.size - 1}`);
  }

  /** Throws a UserError after `destroy`. */
  #expectAlive(): void {
    if (this.#isDestroyed) throw new UserError("the population was destroyed; make another with createPopulation");
  }

  #use(): Programs {
    this.#expectAlive();
    if (this.#programs === undefined) throw new InternalError("the population is not compiled");
    return this.#programs;
  }

  destroy = (): void => {
    this.#isDestroyed = true;
    for (const array of Object.values(this.#held)) array.destroy();
    this.#held = {};
    this.#programs?.step.destroy();
    this.#programs?.onDemand.destroy();
    this.#programs = undefined;
  };
}

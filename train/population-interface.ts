/** @file The interface of populations: options, methods and results. */
import type { NdArray } from "../compiler/graph/ndarray.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { SourceOf } from "./data/source.ts";
import type { Network } from "./networks.ts";
import type { Objective } from "./objective.ts";
import {
  type BatchOf,
  type EvaluationOptions,
  ofTrainer,
  type RunOptions,
  type TrainerOptions,
  type TrainingStepResult,
} from "./trainer-interface.ts";

/** Options of `createPopulation`. */
export interface PopulationOptions extends Omit<TrainerOptions, "seed" | "learningRate" | "parameters" | "memory"> {
  /** How many models; by default as many as the lists among these options have entries. */
  readonly models?: number;
  /** The seed of each model, or that of the first: those of the others follow it. 0 by default. */
  readonly seed?: number | readonly number[];
  /** The learning rate of each model, or one for all; 0.001 by default. */
  readonly learningRate?: number | readonly number[];
  /** All initial weights, by path: of each model, or the same for all. Sampled with the seeds by default. */
  readonly parameters?: Readonly<Record<string, NdArray>> | readonly Readonly<Record<string, NdArray>>[] | undefined;
  /** Values of hyperparameters of the network and its optimizer by name, one for each model: see `hyperparameter`. */
  readonly hyperparameters?: Readonly<Record<string, readonly number[]>>;
}

const { memory: _, ...rest } = ofTrainer;
export const ofPopulation = {
  ...rest,
  models: "number",
  seed: "any",
  learningRate: "any",
  parameters: "any",
  hyperparameters: "object",
} as const;

/** Many models of one network that train together on the same batches. Models are counted from 0. */
export interface Population<Trained extends Objective = Network> {
  /** The network or objective. */
  readonly network: Trained;
  /** How many models there are. */
  readonly size: number;
  /** The seed of each model. */
  readonly seeds: readonly number[];
  /** The hyperparameters of each model, by name. */
  readonly hyperparameters: Readonly<Record<string, readonly number[]>>;
  /** The learning rate of each model in the next steps; can be set at any time. */
  learningRates: readonly number[];
  /**
   * Enqueues a step of all models on a batch, and returns the result of each. A model whose numbers are not finite stops, and
   * the others go on.
   */
  step(batch: BatchOf<Trained>): Promise<readonly TrainingStepResult[]>;
  /**
   * Steps over batches: iterates over the results of all models in order, like `Trainer.run`. It ends with a UserError once no
   * model is finite any more.
   */
  run(
    batches: SourceOf<BatchOf<Trained>>,
    options?: RunOptions,
  ): AsyncGenerator<readonly TrainingStepResult[], void, undefined>;
  /** The mean loss of each model over batches, or the mean of a metric: see `Trainer.evaluate`. */
  evaluate(
    batches: SourceOf<BatchOf<Trained>>,
    options?: Omit<EvaluationOptions, "parameters">,
  ): Promise<readonly number[]>;
  /** The weights of a model after all steps so far, by path. */
  readonly parameters: (model: number) => Promise<Record<string, NdArray>>;
  /** The checkpoint of a model after the steps so far: that of a trainer, which can restore it. */
  readonly checkpoint: (model: number) => Promise<Checkpoint>;
  /** The checkpoints of all models. */
  readonly checkpoints: () => Promise<readonly Checkpoint[]>;
  /** Resumes from checkpoints, one for each model, of trainers or of a population: see `Trainer.restore`. */
  readonly restore: (checkpoints: readonly Checkpoint[]) => void;
  /** Goes on with some of the models only, in the order of the list: they are counted anew. */
  readonly keep: (models: readonly number[]) => Promise<void>;
  /** Frees the memory of all models. The device stays open. */
  readonly destroy: () => void;
}

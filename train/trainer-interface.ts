/** @file The interface of trainers: options, methods and results. */

import type { Graph } from "../compiler/graph/graph.ts";
import type { NdArray } from "../compiler/graph/ndarray.ts";
import type { ScheduleChoice } from "../compiler/plan/scan/names.ts";
import type { Tuning } from "../compiler/plan/tuning.ts";
import type { ChunkChoice } from "../compiler/recurrence/chunkwise.ts";
import { type KernelProfile, ofScanSchedule } from "../devices/device.ts";
import type { AbortOptions, AbortSignalLike } from "./abort.ts";
import type { PredictionBatch, TrainingBatch } from "./batch-inputs.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { SourceOf } from "./data/source.ts";
import type { Segmentation } from "./forms/in-segments.ts";
import type { MemoryBudget } from "./memory-budget.ts";
import type { Metric } from "./metrics.ts";
import type { Network } from "./networks.ts";
import type { Objective } from "./objective.ts";
import type { Optimizer } from "./optimizers/optimizer.ts";
import { ofUpdate, type UpdateOptions } from "./optimizers/update.ts";
import type { Predictions } from "./predictor.ts";

/** Options of `createTrainer`. */
export interface TrainerOptions extends Partial<UpdateOptions> {
  /** A whole number below 2^32 that determines the run; 0 by default. */
  readonly seed?: number;
  /** All initial weights, by path: imported, or from a model. Sampled with the seed by default. */
  readonly parameters?: Readonly<Record<string, NdArray>> | undefined;
  /** Update rule; Adam by default. */
  readonly optimizer?: Optimizer;
  /** Learning rate; 0.001 by default. */
  readonly learningRate?: number;
  /** How loops over time run on the device; chosen by their shapes by default. */
  readonly schedule?: ScheduleChoice;
  /** The result of `tune` for this network: a choice of kernels, which determines the result to the bit. */
  readonly tuning?: Tuning | undefined;
  /**
   * The memory that a step may use. If whole sequences need more, they are cut into segments of time, which are computed twice:
   * the gradient is the same up to rounding. By default nothing is cut.
   */
  readonly memory?: MemoryBudget | undefined;
  /**
   * How loops over matrix memories run, such as that of an mLSTM: in chunks of a number of steps, a power of two, so that the
   * gradient keeps the memories between chunks instead of at every step; "auto", the default, lets a rule of sizes choose the
   * number; "never" goes one step after another.
   */
  readonly chunks?: ChunkChoice | undefined;
  /** Ends the compilation: `createTrainer` rejects with the signal's reason. The trainer does not look at it later. */
  readonly signal?: AbortSignalLike | undefined;
}

export const ofTrainer = {
  ...ofUpdate,
  seed: "number",
  learningRate: "number",
  schedule: ofScanSchedule,
  tuning: "object",
  parameters: "object",
  memory: "object",
  chunks: "any",
  signal: "signal",
} as const;

/** The result of one training step. */
export interface TrainingStepResult {
  /** 1 for the first call of `step`. */
  readonly step: number;
  /** Loss of this batch, before the update. */
  readonly loss: number;
  /** Global norm of the gradient before clipping; not finite if `skipped`. */
  readonly gradientNorm: number;
  /** Whether training goes on. If not, neither this update nor a later one is applied, and the last good weights stay. */
  readonly finite: boolean;
  /**
   * Given in mixed precision if the gradient of the scaled loss overflowed: the update was not applied, and the next step
   * scales the loss by half as much.
   */
  readonly skipped?: true;
  /** If `finite` is false, the first value that was not finite; `update` is a weight or a slot of the optimizer. */
  readonly firstBad?: "loss" | "gradient norm" | "update";
  /** The first step at which `firstBad` was not finite. */
  readonly firstBadStep?: number;
}

/** The batches of a trainer of this objective. */
export type BatchOf<Trained extends Objective> = TrainingBatch<keyof Trained["batch"] & string>;

/** Trains a network or another objective: holds its weights, slots and state on a device. */
export interface Trainer<Trained extends Objective = Network> {
  /** The network or objective. */
  readonly network: Trained;
  /** The segments of time that fit in the memory of `TrainerOptions`; undefined if whole sequences are computed at once. */
  readonly segments: Segmentation | undefined;
  /** Enqueues a step; the promise resolves when its results are read back. The first step of a trainer is always fresh. */
  step(batch: BatchOf<Trained>): Promise<TrainingStepResult>;
  /**
   * Steps over batches: iterates over their results in order, with a few steps in flight, so the trainer is some steps ahead
   * of the result that it gives (see `inFlight`). A step that is not finite is the last result; asking for another rejects
   * with a UserError. An aborted run rejects with the signal's reason. However it ends, no step is in flight afterwards, and
   * the trainer holds the weights of the last step that was enqueued: `stepCount` says which.
   *
   * @throws UserError if an option is invalid, if `batches` cannot be read, or (the iteration rejects) if there are none.
   */
  run(batches: SourceOf<BatchOf<Trained>>, options?: RunOptions): AsyncGenerator<TrainingStepResult, void, undefined>;
  /** Number of steps so far, with those in flight. */
  readonly stepCount: number;
  /**
   * Mean loss over batches, with the state carried from one to the next, without training or random numbers. A batch is
   * weighted by the denominator of its loss, such as its number of valid steps, its rows, or the sum of its weights, so the
   * result is that of one batch with all their positions. A sum of losses is weighted term by term. If the denominator cannot
   * be found in the graph of the loss, the number of rows is used, unless the loss returns `{ mean, weight }`: see
   * `WeightedMean`.
   */
  evaluate(batches: SourceOf<BatchOf<Trained>>, options?: EvaluationOptions): Promise<number>;
  /**
   * Predicts a batch with the current weights, from zero states and without random numbers: for a network logits or values
   * after each step, [T, B, …]; for an objective the outputs of its `predict`. Targets in the batch are ignored. Rejects if an
   * objective has no `predict`.
   */
  readonly predict: (batch: PredictionBatch, options?: AbortOptions) => Promise<Predictions>;
  /**
   * Returns the gradient of each parameter for the loss of a batch, without an update: that of `step(batch)`, before clipping
   * and accumulation. It starts from the carried state like `step`, uses the random numbers of the next step, and changes
   * nothing.
   */
  gradients(batch: BatchOf<Trained>): Promise<Record<string, NdArray>>;
  /**
   * Time, FLOP and bytes of each kernel of a training step on a batch of this size, from zero states. It works on copies and
   * does not affect training. Rejects like `Executable.profile`.
   */
  profile(batch: BatchOf<Trained>): Promise<KernelProfile[]>;
  /**
   * The step that stopped training because of a number that was not finite, with all its inputs: `findNonFinite` of
   * cellgrad/inspect finds the origin of that number. undefined if training was not stopped. The carried state is zero if a
   * fresh batch has replaced it since.
   */
  readonly stoppedStep: () => Promise<StoppedStep | undefined>;
  /** The weights after all steps so far, by path. */
  readonly parameters: () => Promise<Record<string, NdArray>>;
  /** Restarts from these weights: slots, step count and carried state are as in a new trainer, and a halt is cleared. */
  readonly setParameters: (parameters: Readonly<Record<string, NdArray>>) => void;
  /** Reads a checkpoint after the steps so far to the host: see `restore`. */
  readonly checkpoint: () => Promise<Checkpoint>;
  /**
   * Resumes from a checkpoint of this network and optimizer, also from another device: restores weights, slots, the
   * optimizer's step count and the carried state, and clears a halt. The same batches then give the same numbers, to the bit
   * on the same adapter.
   */
  readonly restore: (checkpoint: Checkpoint) => void;
  /** Learning rate of the next steps; can be set at any time. */
  learningRate: number;
  /** Frees its memory. The device stays open. */
  readonly destroy: () => void;
}

/** A training step as data, for inspection. */
export interface StoppedStep {
  /** 1 for the first call of `step`. */
  readonly step: number;
  /** The whole training step. */
  readonly graph: Graph;
  /** Its inputs, by name. */
  readonly inputs: Readonly<Record<string, NdArray>>;
}

/** Options of `trainer.run`. */
export interface RunOptions extends AbortOptions {
  /**
   * Number of steps. Batches that can be read again, such as a list, are repeated until then. By default each batch is read
   * once.
   */
  readonly steps?: number;
  /** Steps enqueued before the result of the oldest is awaited; 4 by default. With 1 no step is ahead of its result. */
  readonly inFlight?: number;
}

/** Options of `trainer.evaluate`. */
export interface EvaluationOptions extends AbortOptions {
  /** Weights to use instead of the current ones, by path, such as their average. */
  readonly parameters?: Readonly<Record<string, NdArray>>;
  /** Measured instead of the loss, such as `accuracy`; compiled once for each metric. */
  readonly metric?: Metric;
}

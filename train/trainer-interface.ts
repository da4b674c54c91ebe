/** @file What a trainer is to those who use one: its options, what it can do, and what it tells of a step. */

import type { Graph } from "../compiler/graph/graph.ts";
import type { NdArray } from "../compiler/graph/ndarray.ts";
import type { ScheduleChoice } from "../compiler/plan/scan/names.ts";
import type { Tuning } from "../compiler/plan/tuning.ts";
import { type KernelProfile, ofScanSchedule } from "../devices/device.ts";
import type { PredictionBatch, TrainingBatch } from "./batch-inputs.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { Metric } from "./metrics.ts";
import type { Network } from "./networks.ts";
import type { Objective } from "./objective.ts";
import type { Optimizer } from "./optimizers/optimizer.ts";
import { ofUpdate, type UpdateOptions } from "./optimizers/update.ts";
import type { Predictions } from "./predictor.ts";

/** How a network is trained. */
export interface TrainerOptions extends Partial<UpdateOptions> {
  /** A whole number below 2^32: one seed gives one run. 0 by default. */
  readonly seed?: number;
  /** Weights to start from, by path, all of them: imported ones, or those of a model. Drawn from the seed by default. */
  readonly parameters?: Readonly<Record<string, NdArray>> | undefined;
  /** Adam by default. */
  readonly optimizer?: Optimizer;
  /** 0.001 by default. */
  readonly learningRate?: number;
  /** How loops over time run on the device; a rule of shapes chooses by default. */
  readonly schedule?: ScheduleChoice;
  /** What `tune` found for this network: another choice of kernels, and with it the same bits on every run. */
  readonly tuning?: Tuning | undefined;
}

export const ofTrainer = {
  ...ofUpdate,
  seed: "number",
  learningRate: "number",
  schedule: ofScanSchedule,
  tuning: "object",
  parameters: "object",
} as const;

/** What is known of one training step. */
export interface TrainingStepResult {
  /** 1 for the first call of `step`. */
  readonly step: number;
  /** Of this batch, before the update. */
  readonly loss: number;
  /** Global norm of the gradient before clipping. */
  readonly gradientNorm: number;
  /** Whether the update was applied. Once it was not, no later step is, and the last good weights stay. */
  readonly finite: boolean;
  /** Where `finite` is false: the first value that was not finite; of an update, a weight or a number the optimizer keeps. */
  readonly firstBad?: "loss" | "gradient norm" | "update";
  /** The step at which `firstBad` was not finite first. */
  readonly firstBadStep?: number;
}

/** What a batch for a trainer of this objective holds. */
export type BatchOf<Trained extends Objective> = TrainingBatch<keyof Trained["batch"] & string>;

/** A network or another objective in training: its weights, slots and state on a device. */
export interface Trainer<Trained extends Objective = Network> {
  /** What is trained. */
  readonly network: Trained;
  /** Enqueues at once; the promise resolves when the numbers are back. The first step of a trainer is always fresh. */
  step(batch: BatchOf<Trained>): Promise<TrainingStepResult>;
  /**
   * Mean loss over batches, state carried from one to the next, without training and without random numbers. A batch is
   * weighted by what its loss is a mean over, such as its number of valid steps, its rows, or the sum of its weights: so the
   * result is that of one batch with all their positions. A sum of losses is weighted term by term. Where the graph of the
   * loss does not tell, its rows count, and `{ mean, weight }` says otherwise: see `WeightedMean`.
   */
  evaluate(
    batches: Iterable<BatchOf<Trained>> | AsyncIterable<BatchOf<Trained>>,
    options?: EvaluationOptions,
  ): Promise<number>;
  /**
   * What the network or objective gives for a batch with the weights as they are, from zero states and without random
   * numbers: of a network logits or values after each step, [T, B, …]; of an objective what its `predict` gives. Targets may
   * stand in the batch and are not read. Rejects where an objective has no `predict`.
   */
  readonly predict: (batch: PredictionBatch) => Promise<Predictions>;
  /**
   * The gradient of the loss of a batch by parameter, each in its shape, without an update: what `step(batch)` would find
   * now, before clipping and before it is averaged with others. It starts from the carried state as `step` does, draws the
   * random numbers of the next step, and leaves everything as it is.
   */
  gradients(batch: BatchOf<Trained>): Promise<Record<string, NdArray>>;
  /**
   * Time, FLOP and bytes of each kernel of a training step on a batch of this size, from zero states. It works on copies:
   * training goes on as if it had not been called. Rejects as `Executable.profile` does.
   */
  profile(batch: BatchOf<Trained>): Promise<KernelProfile[]>;
  /**
   * The step that stopped training, since a number was not finite, with all that it was given: `findNonFinite` of
   * cellgrad/inspect says where that number came from. undefined where nothing stopped it. The carried state is zero where
   * a fresh batch has replaced it since.
   */
  readonly stoppedStep: () => Promise<StoppedStep | undefined>;
  /** The weights as they are after all steps so far, by path. */
  readonly parameters: () => Promise<Record<string, NdArray>>;
  /** Starts anew from these weights: slots, step count and carried state are as in a new trainer, a halt is over. */
  readonly setParameters: (parameters: Readonly<Record<string, NdArray>>) => void;
  /** What training goes on from, as it is after the steps so far, read to the host: see `restore`. */
  readonly checkpoint: () => Promise<Checkpoint>;
  /**
   * Goes on from a checkpoint of this network and optimizer, perhaps on another device: weights, slots, the optimizer's
   * step count and the carried state are as they were, and a halt is over. With the same batches the same numbers follow,
   * to the bit on the same adapter.
   */
  readonly restore: (checkpoint: Checkpoint) => void;
  /** Of the next steps; may be set at any time. */
  learningRate: number;
  /** Gives its memory back. The device stays. */
  readonly destroy: () => void;
}

/** A training step as data, to be looked into. */
export interface StoppedStep {
  /** 1 for the first call of `step`. */
  readonly step: number;
  /** The whole training step. */
  readonly graph: Graph;
  /** What it was given, by the names of its inputs. */
  readonly inputs: Readonly<Record<string, NdArray>>;
}

/** What is evaluated. */
export interface EvaluationOptions {
  /** Other weights than those in training, by path: an average of them, for instance. */
  readonly parameters?: Readonly<Record<string, NdArray>>;
  /** What is measured of a network's output and targets instead of its loss, such as `accuracy`; compiled once for each. */
  readonly metric?: Metric;
}

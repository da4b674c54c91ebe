/** @file Builds the optimizer, learning-rate schedule and clipping that the options of `cellgrad train` describe. */
import { UserError } from "../compiler/graph/errors.ts";
import type { Precision } from "../devices/device.ts";
import { adagrad, lion, rmsProp } from "../train/optimizers/adaptive.ts";
import { adam, momentum, sgd } from "../train/optimizers/gradient-descent.ts";
import type { Optimizer } from "../train/optimizers/optimizer.ts";
import { cosineDecay, linearDecay, type Schedule, stepDecay, warmUp } from "../train/optimizers/schedules.ts";
import type { UpdateOptions } from "../train/optimizers/update.ts";
import { matrices, withWeightDecay } from "../train/optimizers/weight-decay.ts";
import type { OptimizerName, RateScheduleName } from "./options.ts";

const optimizers: Readonly<Record<OptimizerName, () => Optimizer>> = {
  adam,
  adamw: adam,
  sgd,
  momentum,
  nesterov: () => momentum({ nesterov: true }),
  rmsprop: rmsProp,
  adagrad,
  lion,
};

/** Schedules by name, for a number of updates after the warm-up. The plateau schedule runs on the host, between updates. */
const schedules: Readonly<Record<RateScheduleName, (updates: number) => Schedule | undefined>> = {
  constant: () => undefined,
  linear: (updates) => linearDecay({ updates }),
  cosine: (updates) => cosineDecay({ updates }),
  step: (updates) => stepDecay({ every: Math.ceil(updates / 3) }),
  plateau: () => undefined,
};

/** Default weight decay of AdamW. */
const ADAMW_DECAY = 0.01;

export interface UpdateCommandOptions {
  readonly optimizer: OptimizerName;
  readonly lrSchedule: RateScheduleName;
  /** Updates. */
  readonly warmup: number;
  /** Decay of matrices; by default that of the optimizer. */
  readonly weightDecay?: number;
  /** Largest global norm of the gradient; 0 for no clipping. */
  readonly clip: number;
  /** Batches per update; 1 by default. */
  readonly accumulate?: number;
  /** "f32" by default. */
  readonly precision?: Precision;
}

/** The update options for a training of `steps` batches. */
export function updateOptionsOf(options: UpdateCommandOptions, steps: number): UpdateOptions {
  const {
    optimizer: name,
    warmup,
    lrSchedule,
    clip,
    precision,
    accumulate = 1,
    weightDecay = name === "adamw" ? ADAMW_DECAY : 0,
  } = options;
  const updates = Math.max(1, Math.floor(steps / accumulate));
  if (warmup > 0 && warmup >= updates) {
    const limit = accumulate === 1 ? `--steps ${steps}` : `the ${updates} updates of --steps ${steps}`;
    throw new UserError(`--warmup ${warmup} must be smaller than ${limit}`);
  }
  const after = schedules[lrSchedule](updates - warmup);
  const rateSchedule = warmup > 0 ? warmUp(warmup, after) : after;
  const optimizer = optimizers[name]();
  return {
    optimizer: weightDecay > 0 ? withWeightDecay(optimizer, { rate: weightDecay, decays: matrices }) : optimizer,
    ...(clip > 0 && { clipNorm: clip }),
    ...(rateSchedule && { rateSchedule }),
    ...(accumulate > 1 && { accumulate }),
    ...(precision === "mixed" && { precision }),
  };
}

/** The update options in one line, for people; `rate` says the learning rate, or several. */
export function updateLine(options: UpdateCommandOptions, rate: string): string {
  const {
    optimizer,
    lrSchedule,
    warmup,
    weightDecay = optimizer === "adamw" ? ADAMW_DECAY : 0,
    clip,
    precision,
    accumulate = 1,
  } = options;
  const parts = [
    `${optimizer}, ${rate}`,
    ...(lrSchedule === "constant" ? [] : [`schedule ${lrSchedule}`]),
    ...(warmup > 0 ? [`warm-up over ${warmup} steps`] : []),
    ...(weightDecay > 0 ? [`weight decay ${weightDecay}`] : []),
    clip > 0 ? `gradients clipped to norm ${clip}` : "gradients not clipped",
    ...(accumulate > 1 ? [`${accumulate} batches per update`] : []),
    ...(precision === "mixed" ? ["mixed precision"] : []),
  ];
  return parts.join(", ");
}

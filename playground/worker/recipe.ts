/** @file What the settings of a run mean for its training: rule of update, schedule, clipping, and what is dropped. */
import { adagrad, lion, rmsProp } from "../../train/optimizers/adaptive.ts";
import { adam, adamW, momentum, sgd } from "../../train/optimizers/gradient-descent.ts";
import type { Optimizer } from "../../train/optimizers/optimizer.ts";
import { cosineDecay, linearDecay, type Schedule, stepDecay, warmUp } from "../../train/optimizers/schedules.ts";
import { matrices, withWeightDecay } from "../../train/optimizers/weight-decay.ts";
import type { OptimizerName, RunSettings, ScheduleName } from "../shared/settings.ts";

const optimizers: Readonly<Record<OptimizerName, (rate: number) => Optimizer>> = {
  adam: decaying(adam),
  adamw: (rate) => adamW({ weightDecay: rate, decays: matrices }),
  sgd: decaying(sgd),
  momentum: decaying(momentum),
  nesterov: decaying(() => momentum({ nesterov: true })),
  rmsprop: decaying(rmsProp),
  adagrad: decaying(adagrad),
  lion: decaying(lion),
};

function decaying(make: () => Optimizer) {
  return (rate: number) => (rate === 0 ? make() : withWeightDecay(make(), { rate, decays: matrices }));
}

const schedules: Readonly<Record<ScheduleName, (updates: number) => Schedule | undefined>> = {
  constant: () => undefined,
  linear: (updates) => linearDecay({ updates }),
  cosine: (updates) => cosineDecay({ updates }),
  step: (updates) => stepDecay({ every: Math.ceil(updates / 3) }),
};

/** How an update is made: options of `createTrainer`. */
export function updateOf(settings: RunSettings) {
  const { optimizer, weightDecay, schedule, scheduleSteps, warmup, clipNorm } = settings;
  const after = schedules[schedule](scheduleSteps);
  return {
    optimizer: optimizers[optimizer](weightDecay),
    clipNorm: clipNorm ?? undefined,
    rateSchedule: warmup > 0 ? warmUp(warmup, after) : after,
  };
}

/** What goes around the cells of a network; nothing where nothing is dropped. */
export function regularizationOf({ dropout, recurrentDropout, zoneout }: RunSettings) {
  return {
    ...(dropout > 0 && { dropout }),
    ...(recurrentDropout > 0 && { recurrentDropout }),
    ...(zoneout > 0 && { zoneout }),
  };
}

/**
 * @file The settings of a run: what they are, what they may be, and how they are called. The page's fields, the check of a
 * link and the labels of runs all read this one table.
 */

/** Rules of update, by the names that the command line gives them. */
export const optimizerNames = ["adam", "adamw", "sgd", "momentum", "nesterov", "rmsprop", "adagrad", "lion"] as const;
export type OptimizerName = (typeof optimizerNames)[number];

/** Schedules of the learning rate. Plateau is not one: it would follow held-out losses, which are timed by the clock here. */
export const scheduleNames = ["constant", "linear", "cosine", "step"] as const;
export type ScheduleName = (typeof scheduleNames)[number];

export interface RunSettings {
  readonly units: number;
  readonly layers: number;
  /** Width of the embedding; used where the data are text. */
  readonly embed: number;
  /** Rows side by side. */
  readonly batch: number;
  /** Steps of a batch: how far gradients reach back. */
  readonly time: number;
  readonly learningRate: number;
  /** A whole number below 2^32: one seed gives one run. */
  readonly seed: number;
  /** Largest global norm of the gradient; none where it is null. */
  readonly clipNorm: number | null;
  readonly optimizer: OptimizerName;
  /** Part of each matrix that is taken away at an update, times the learning rate. */
  readonly weightDecay: number;
  readonly schedule: ScheduleName;
  /** Updates that the schedule takes, after the warm-up. */
  readonly scheduleSteps: number;
  /** Updates over which the learning rate rises from 0. */
  readonly warmup: number;
  /** Rate of dropout on what each layer gives: one mask for a sequence. */
  readonly dropout: number;
  /** Rate of dropout on the states that products with weights read. */
  readonly recurrentDropout: number;
  /** Chance that a unit of a state keeps its old value. */
  readonly zoneout: number;
}

/** How an update is made where the visitor has not said otherwise. */
export const plainTraining = {
  optimizer: "adam",
  weightDecay: 0,
  schedule: "constant",
  scheduleSteps: 2000,
  warmup: 0,
  dropout: 0,
  recurrentDropout: 0,
  zoneout: 0,
  clipNorm: 1,
} as const satisfies Partial<RunSettings>;

export type NumberKey = Exclude<keyof RunSettings, "optimizer" | "schedule">;

export interface NumberRange {
  readonly label: string;
  readonly hint: string;
  readonly least: number;
  readonly most: number;
  readonly whole: boolean;
}

const rate = { least: 0, most: 0.95, whole: false } as const;

export const ranges: Readonly<Record<NumberKey, NumberRange>> = {
  units: { label: "Units", hint: "Numbers in each state", least: 1, most: 1024, whole: true },
  layers: { label: "Layers", hint: "Cells on top of each other", least: 1, most: 4, whole: true },
  time: {
    ...{ label: "Steps back", hint: "Time steps in a batch: how far gradients reach back" },
    ...{ least: 2, most: 1000, whole: true },
  },
  batch: { label: "Batch", hint: "Sequences side by side", least: 1, most: 256, whole: true },
  embed: { label: "Embedding", hint: "Numbers that stand for a character", least: 1, most: 512, whole: true },
  seed: { label: "Seed", hint: "Same seed, same weights, same bits", least: 0, most: 2 ** 32 - 1, whole: true },
  learningRate: { label: "Learning rate", hint: "Size of a step", least: 1e-6, most: 10, whole: false },
  clipNorm: {
    ...{ label: "Clip gradients at", hint: "Largest norm of the gradient; 0 for any" },
    ...{ least: 0, most: 1e6, whole: false },
  },
  weightDecay: {
    ...{ label: "Weight decay", hint: "Matrices shrink by this part, times the learning rate, at each update" },
    ...{ least: 0, most: 10, whole: false },
  },
  scheduleSteps: {
    ...{ label: "Schedule’s steps", hint: "Updates until a decay has ended; a third of them between two steps down" },
    ...{ least: 3, most: 1e6, whole: true },
  },
  warmup: {
    ...{ label: "Warm-up", hint: "Updates over which the learning rate rises from 0" },
    ...{ least: 0, most: 1e6, whole: true },
  },
  dropout: { label: "Dropout", hint: "On what each layer gives: Gal & Ghahramani 2016", ...rate },
  recurrentDropout: {
    ...{ label: "Recurrent dropout", hint: "On the states that products with weights read: Gal & Ghahramani 2016" },
    ...rate,
  },
  zoneout: { label: "Zoneout", hint: "Chance that a unit keeps its old value: Krueger et al. 2016", ...rate },
};

/** A learning rate at which each rule of update gets somewhere on the first data. */
export const usualRates: Readonly<Record<OptimizerName, number>> = {
  adam: 0.005,
  adamw: 0.005,
  sgd: 0.5,
  momentum: 0.1,
  nesterov: 0.1,
  rmsprop: 0.003,
  adagrad: 0.05,
  lion: 0.0005,
};

/** What AdamW takes away by itself. */
const decayOfAdamW = 0.01;

/** What else changes with the optimizer: a rate, or a decay, that was the usual one becomes the other's usual one. */
export function withOptimizer(settings: RunSettings, optimizer: OptimizerName): Partial<RunSettings> {
  const { optimizer: before, learningRate, weightDecay } = settings;
  const decayOf = (name: OptimizerName) => (name === "adamw" ? decayOfAdamW : 0);
  return {
    optimizer,
    ...(learningRate === usualRates[before] && { learningRate: usualRates[optimizer] }),
    ...(weightDecay === decayOf(before) && { weightDecay: decayOf(optimizer) }),
  };
}

/** The settings of these that are of the right kind and in range; nothing else is taken from a stranger's text. */
export function checkedSettings(given: Readonly<Record<string, unknown>>): Partial<RunSettings> {
  const kept: Record<string, unknown> = {};
  for (const [key, { least, most, whole }] of Object.entries(ranges)) {
    const value = given[key];
    if (typeof value !== "number" || !(value >= least && value <= most)) continue;
    if (!whole || Number.isInteger(value)) kept[key] = value;
  }
  // No clipping is null, since no norm is 0.
  if (given.clipNorm === null || kept.clipNorm === 0) kept.clipNorm = null;
  const { optimizer, schedule } = given;
  if (optimizerNames.some((name) => name === optimizer)) kept.optimizer = optimizer;
  if (scheduleNames.some((name) => name === schedule)) kept.schedule = schedule;
  return kept;
}

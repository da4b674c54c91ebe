/** @file The models of `cellgrad train --population`: what differs between them, and the options that do not fit. */
import { UserError } from "../../compiler/graph/errors.ts";
import type { RateRange } from "../options.ts";
import type { TrainCommandOptions } from "../train-options.ts";

/** What differs from one model of a population to another. */
export interface ModelSettings {
  readonly seed: number;
  readonly learningRate: number;
  /** Such as "lr 0.0012" or "seed 3": what distinguishes it from the others. */
  readonly label: string;
}

/**
 * With a range of rates all models have one seed, so that they differ in their rates only; otherwise each has a seed of its
 * own.
 */
export function populationSettings(count: number, seed: number, rate: number, range?: RateRange): ModelSettings[] {
  if (range === undefined)
    return Array.from({ length: count }, (_, model) => {
      return { seed: seed + model, learningRate: rate, label: `seed ${seed + model}` };
    });
  if (count === 1) throw new UserError("--lr FROM..TO is for two models or more; give --population 2 or more");
  const factor = (range.to / range.from) ** (1 / (count - 1));
  return Array.from({ length: count }, (_, model) => {
    // The ends are what was given, and the digits are few enough to read and to type.
    const exact = model === count - 1 ? range.to : range.from * factor ** model;
    const learningRate = model === 0 ? range.from : Number(exact.toPrecision(3));
    return { seed, learningRate, label: `lr ${learningRate}` };
  });
}

/** How many rounds halving takes until one model is left, and trains on. */
export const roundsOf = (models: number): number => Math.ceil(Math.log2(models)) + 1;

/** Options of a single run, and why a population has none. */
const ofOneModel = {
  resume: "a resumed run has one model",
  tune: "a search for a tuning is for one model; search without --population, and give its model as --tuning",
  memory: "segments of time are for one model",
  evalEvery: "all models are measured at the end, and with --halving before models end",
  patience: "--halving ends the models that fall behind",
  debugNan: "train the model alone with its --lr and --seed",
  saveEvery: "the best model is written at the end",
} as const;

export function checkPopulationOptions(options: TrainCommandOptions, models: number): void {
  const rounds = roundsOf(models);
  if (options.halving && options.steps < rounds)
    throw new UserError(
      `--halving of ${models} models takes ${rounds} rounds of at least one step; give --steps ${rounds} or more`,
    );
  for (const [name, why] of Object.entries(ofOneModel))
    if (options.given.has(name)) {
      const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
      throw new UserError(`--${flag} does not go with --population: ${why}`);
    }
  if (options.lrSchedule === "plateau")
    throw new UserError("--lr-schedule plateau does not go with --population: it follows the loss of one model");
}

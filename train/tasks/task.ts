/**
 * @file A task: a source of sequences that somebody made up to see what a cell can learn, and published. The same seed
 * gives the same sequences on every host.
 */

import { UserError } from "../../compiler/graph/errors.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import type { Batches } from "../data/batches.ts";
import type { Normalisation } from "../data/normalisation.ts";
import type { Vocabulary } from "../data/text.ts";
import type { NetworkKind } from "../networks.ts";
import type { Predictor } from "../predictor.ts";

/** A number that a task can be told. */
export interface TaskParameter {
  /** The name by which it is given. */
  readonly name: string;
  /** What it is, in a few words. */
  readonly about: string;
  /** The value where none is given. */
  readonly initial: number;
  /** Smallest and largest value. */
  readonly least: number;
  /** Largest value. */
  readonly most: number;
  /** Whole numbers only. */
  readonly whole: boolean;
}

/** How much of a task is made at once. */
export interface TaskSizes {
  /** Rows side by side. */
  readonly batch: number;
  /** Steps of a batch; a task whose sequences have a length of their own takes it from this. */
  readonly time: number;
  /** Parameters of the task by name; the others have their initial value. */
  readonly parameters?: Readonly<Record<string, number>>;
}

/** Batches, and what a network for them and a plot of its loss need to know. */
export interface TaskBatches extends Batches {
  /** Of text: its symbols. */
  readonly vocabulary?: Vocabulary;
  /** Of everything else: the names of the numbers that are read. */
  readonly columns?: readonly string[];
  /** Of a regression: the names of the numbers to find. */
  readonly targets?: readonly string[];
  /** Of a series: what was done to its columns. */
  readonly normalisation?: Normalisation;
  /** The loss of one who knows nothing but how often each answer occurs, or a bound of it from above. */
  readonly baseline: number;
  /** The loss of one who knows how the sequences are made: no cell gets below it, but by chance. */
  readonly best: number;
}

/** What a trained network gives for a batch: `trainer.predict`, or that of a predictor. `output` is [T, B, outputs]. */
export type Predict = Predictor["predict"];

/** A source of sequences that was made up to see what a cell can learn. */
export interface Task {
  /** The name by which people call it. */
  readonly name: string;
  /** What is to be learned, in one sentence. */
  readonly about: string;
  /** Where it was published. */
  readonly source: string;
  /** The kind of network that learns it. */
  readonly kind: Exclude<NetworkKind, "classifier">;
  /** What it can be told. */
  readonly parameters: readonly TaskParameter[];
  /** `seed` is a whole number below 2^32. Throws a UserError of one line where a size or a parameter cannot be. */
  readonly batches: (seed: number, sizes: TaskSizes) => TaskBatches;
  /**
   * Where the source asks for more than a small loss: its own measure on a thousand sequences of another seed, as numbers
   * with names that say what they count.
   */
  readonly score?: (seed: number, sizes: TaskSizes, predict: Predict) => Promise<Readonly<Record<string, number>>>;
}

/** The value of every parameter of a task: the given one, where it may be, and the initial one otherwise. */
export function parameterValues<Name extends string>(
  task: string,
  known: readonly (TaskParameter & { readonly name: Name })[],
  sizes: TaskSizes,
): Readonly<Record<Name, number>> {
  const { parameters: given = {} } = checkedOptions(task, sizes, {
    batch: "number",
    time: "number",
    parameters: "object",
  });
  const stranger = Object.keys(given).find((key) => known.every(({ name }) => name !== key));
  if (stranger !== undefined) {
    const names = known.map(({ name }) => name).join(", ");
    throw new UserError(`${task} has no parameter ${JSON.stringify(stranger.slice(0, 40))}; it has ${names || "none"}`);
  }
  const entries = known.map(({ name, initial, least, most, whole }) => {
    const value = Object.hasOwn(given, name) ? given[name] : initial;
    const fits = typeof value === "number" && value >= least && value <= most && (!whole || Number.isInteger(value));
    if (fits) return [name, value] as const;
    throw new UserError(
      `${task}: ${name} is ${value}; expected a ${whole ? "whole " : ""}number from ${least} to ${most}`,
    );
  });
  return Object.fromEntries(entries) as Record<Name, number>;
}

/**
 * @file Tasks: published synthetic benchmarks of what a cell can learn. A seed gives the same sequences on every host.
 */

import { UserError } from "../../compiler/graph/errors.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import type { Batches } from "../data/batches.ts";
import type { Normalisation } from "../data/normalisation.ts";
import type { Vocabulary } from "../data/text.ts";
import type { NetworkKind } from "../networks.ts";
import type { Predictor } from "../predictor.ts";

/** A numeric parameter of a task. */
export interface TaskParameter {
  /** Its name. */
  readonly name: string;
  /** Short description. */
  readonly about: string;
  /** Default value. */
  readonly initial: number;
  /** Smallest value. */
  readonly least: number;
  /** Largest value. */
  readonly most: number;
  /** Whole numbers only. */
  readonly whole: boolean;
}

/** The sizes of a task's batches. */
export interface TaskSizes {
  /** Rows side by side. */
  readonly batch: number;
  /** Steps of a batch; tasks whose sequences have other lengths derive them from this. */
  readonly time: number;
  /** Parameters of the task by name; the others have their default. */
  readonly parameters?: Readonly<Record<string, number>>;
}

/** The batches of a task, with labels for its network and reference losses for plots. */
export interface TaskBatches extends Batches {
  /** Text: its symbols. */
  readonly vocabulary?: Vocabulary;
  /** Other kinds: the names of the input numbers. */
  readonly columns?: readonly string[];
  /** Regression: the names of the target numbers. */
  readonly targets?: readonly string[];
  /** Series: the normalisation of its columns. */
  readonly normalisation?: Normalisation;
  /** The loss of a predictor that knows only the frequencies of the answers, or an upper bound of it. */
  readonly baseline: number;
  /** The loss of a predictor that knows how sequences are generated: a lower bound, except by chance. */
  readonly best: number;
}

/** Predicts a batch: `predict` of a trainer or a predictor. `output` is [T, B, outputs]. */
export type Predict = Predictor["predict"];

/** A synthetic benchmark of what a cell can learn. */
export interface Task {
  /** Its usual name. */
  readonly name: string;
  /** What to learn, in one sentence. */
  readonly about: string;
  /** Where it was published. */
  readonly source: string;
  /** The kind of network that learns it. */
  readonly kind: Exclude<NetworkKind, "classifier">;
  /** Its parameters. */
  readonly parameters: readonly TaskParameter[];
  /** `seed` is a whole number below 2^32. Throws a UserError of one line for an invalid size or parameter. */
  readonly batches: (seed: number, sizes: TaskSizes) => TaskBatches;
  /**
   * The source's own metric, if it has one besides the loss, on a thousand sequences of another seed: numbers with descriptive
   * names.
   */
  readonly score?: (seed: number, sizes: TaskSizes, predict: Predict) => Promise<Readonly<Record<string, number>>>;
}

/** Returns the value of every parameter of a task: the given one, after a check, or the default. */
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

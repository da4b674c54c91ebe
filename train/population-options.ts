/** @file The options of a population: how many models there are, and what differs between them. */
import { at, expectArgument, inWords, UserError } from "../compiler/graph/errors.ts";
import type { NdArray } from "../compiler/graph/ndarray.ts";
import type { PopulationOptions } from "./population-interface.ts";
import { checkedRate } from "./trainer.ts";
import type { TrainingStep } from "./training-step.ts";

export type Weights = Readonly<Record<string, NdArray>>;

/** The number of models: that of every list among the options. */
export function countOf(
  options: Pick<PopulationOptions, "models" | "seed" | "learningRate" | "parameters" | "hyperparameters">,
): number {
  const { models, hyperparameters, ...rest } = options;
  const counts = Object.entries({ ...rest, ...hyperparameters }).flatMap(([name, value]) =>
    Array.isArray(value) ? [[name, value.length] as const] : [],
  );
  const count = models ?? counts[0]?.[1];
  if (count === undefined)
    throw new UserError("createPopulation: models is missing; give the number of models, or a list of learning rates");
  if (!(Number.isInteger(count) && count > 0))
    throw new UserError(`createPopulation: models is ${inWords(count)}; expected a whole number from 1`);
  const other = counts.find(([, length]) => length !== count);
  if (other !== undefined)
    throw new UserError(
      `createPopulation: ${other[0]} has ${other[1]} entries; expected one for each of ${count} models`,
    );
  return count;
}

/** The initial weights of a model, if they are given. */
export function startOf(parameters: PopulationOptions["parameters"], model: number): Weights | undefined {
  return Array.isArray(parameters) ? (at(parameters, model) as Weights) : (parameters as Weights | undefined);
}

/** The learning rate of each model. */
export function ratesOf(rates: number | readonly number[], size: number): number[] {
  const all = typeof rates === "number" ? new Array<number>(size).fill(rates) : [...rates];
  if (all.length !== size) throw new UserError(`there are ${all.length} learning rates for ${size} models`);
  return all.map(checkedRate);
}

/** The values of every hyperparameter of a step for each model: those that are given, or its own for all. */
export function hyperparametersOf(
  { hyperparameters }: TrainingStep,
  given: NonNullable<PopulationOptions["hyperparameters"]>,
  size: number,
): Record<string, readonly number[]> {
  const names = hyperparameters.map(({ name }) => name);
  const stranger = Object.keys(given).find((name) => !names.includes(name));
  if (stranger !== undefined)
    throw new UserError(
      `createPopulation: the network and its optimizer have no hyperparameter ${stranger}; ${names.length === 0 ? `make one with hyperparameter(${JSON.stringify(stranger)}, …)` : `they have ${names.join(", ")}`}`,
    );
  return Object.fromEntries(
    hyperparameters.map(({ name, value, below }) => {
      const values = given[name] ?? new Array<number>(size).fill(value);
      const what = `createPopulation: hyperparameter ${name}`;
      expectArgument(Array.isArray(values), what, values, "a list of numbers, one for each model");
      const wrong = values.findIndex((each) => !(Number.isFinite(each) && each >= 0 && each < below));
      if (wrong >= 0) {
        const range = below === Number.POSITIVE_INFINITY ? "0 or more" : `0 or more, below ${below}`;
        throw new UserError(`${what} is ${inWords(values[wrong])} for model ${wrong}; expected a number of ${range}`);
      }
      return [name, values];
    }),
  );
}

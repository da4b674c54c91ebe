/** @file Many models of one graph at once: what they share, and their arrays, in which the models are the first axis. */
import { at, inWords, UserError } from "./errors.ts";
import { type NdArray, sizeOfNumbers } from "./ndarray.ts";
import { checkedOptions, nearest } from "./options.ts";

/** How many models of a graph run at once, and which inputs are the same for all of them. */
export interface Population {
  /** From 1 to 65,535. */
  readonly models: number;
  /** Names of inputs; by default each model has its own of all. */
  readonly shared?: readonly string[];
}

/** The most models of one program: WebGPU's limit for an axis of a dispatch. */
const mostModels = 65535;

/** Throws a UserError unless a graph with these inputs, some of them donated, can run for a population. */
export function checkPopulation(
  graph: string,
  inputs: readonly string[],
  donated: readonly string[],
  population: Population,
): void {
  const { models, shared = [] } = checkedOptions(`${graph}: population`, population, {
    models: "number",
    shared: "list",
  });
  if (!(Number.isInteger(models) && models >= 1 && models <= mostModels))
    throw new UserError(`${graph}: models is ${inWords(models)}; expected a whole number from 1 to ${mostModels}`);
  const stranger = shared.find((name) => !inputs.includes(name));
  if (stranger !== undefined) {
    const near = nearest(stranger, inputs);
    const known = near === undefined ? `its inputs are ${inputs.join(", ")}` : `did you mean ${near}?`;
    throw new UserError(`${graph}: there is no input ${stranger} to share; ${known}`);
  }
  const both = shared.find((name) => donated.includes(name));
  if (both !== undefined)
    throw new UserError(`${graph}: input ${both} is donated, so each model needs its own; do not share it`);
}

/** The array of one model. */
export function modelOf({ dtype, shape, data }: NdArray, model: number): NdArray {
  const own = shape.slice(1);
  const size = sizeOfNumbers(own);
  return { dtype, shape: own, data: data.slice(model * size, (model + 1) * size) };
}

/** The arrays of all models as one; they have equal shapes. */
export function ofModels(arrays: readonly NdArray[]): NdArray {
  const { dtype, shape } = at(arrays, 0);
  const size = sizeOfNumbers(shape);
  const data = new Float64Array(arrays.length * size);
  for (const [model, array] of arrays.entries()) data.set(array.data, model * size);
  return { dtype, shape: [arrays.length, ...shape], data };
}

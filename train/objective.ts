/**
 * @file What training makes small, in general: a loss of what a batch holds, with parameters, states that may be carried
 * from batch to batch, and random numbers that exist in training alone. A `Network` is one; `objective` makes one of any
 * function, for models that are no stack of layers.
 */

import { model } from "../compiler/dsl/model.ts";
import type { ParameterSpec, ParameterTensors } from "../compiler/dsl/parameters.ts";
import type { Randomness } from "../compiler/dsl/randomness.ts";
import { expectArgument } from "../compiler/graph/errors.ts";
import type { Aval } from "../compiler/graph/graph.ts";
import type { Tensor } from "../compiler/trace/tensor.ts";
import type { Loss } from "./loss-parts.ts";

type Float = Tensor<"f32">;

/** Tensors by name. */
export type NamedTensors = Readonly<Record<string, Tensor>>;
type States = Readonly<Record<string, Float>>;

/** What a loss is computed from beside the parameters. */
export interface ObjectiveInput {
  /** What a batch holds, by name. */
  readonly batch: NamedTensors;
  /** States before the first step, each [B, …]. */
  readonly state: States;
  /** In training; in evaluation there is none. */
  readonly random?: Randomness | undefined;
}

/** What comes of a batch. */
export interface ObjectiveResult {
  /** A scalar, or one with what it is a mean over: see `WeightedMean`. */
  readonly loss: Loss;
  /** States after the last step. */
  readonly state: States;
}

/** What is trained: a training step makes its loss small. */
export interface Objective<Names extends string = string> {
  /** The parameters. */
  readonly specs: readonly ParameterSpec[];
  /** What a batch holds, by name: dtype and shape, in which B stands for the rows of the batch. */
  readonly batch: Readonly<Record<Names, Aval>>;
  /** Shape of each state without the batch. */
  readonly stateShapes: Readonly<Record<string, readonly number[]>>;
  /** Loss and next states; used while tracing. */
  readonly measure: (parameters: ParameterTensors, input: ObjectiveInput) => ObjectiveResult;
}

/** Tensors of the dtypes of some avals, by name. */
export type TensorsOf<Avals extends Readonly<Record<string, Aval>>> = {
  readonly [Name in keyof Avals]: Tensor<Avals[Name]["dtype"]>;
};

/**
 * An objective without carried states: `loss` computes a scalar of what a batch holds, asking for parameters as it goes.
 * It must ask for the same ones with and without randomness. What the scalar is a mean over is found in its graph, and
 * `evaluate` and `accumulate` weigh batches by it; where it cannot be found, return `{ mean, weight }`.
 */
export function objective<const Avals extends Readonly<Record<string, Aval>>>(
  name: string,
  batch: Avals,
  loss: (batch: TensorsOf<Avals>, random: Randomness | undefined) => Loss,
): Objective<keyof Avals & string> {
  expectArgument(typeof loss === "function", `objective "${name}": the loss`, loss, "a function of what a batch holds");
  const inputs: Readonly<Record<string, Aval>> = batch;
  const evaluated = model(name, (given: NamedTensors) => loss(given as TensorsOf<Avals>, undefined));
  return {
    specs: evaluated.specs(inputs),
    batch,
    stateShapes: {},
    measure: (parameters, { batch: given, random }) => {
      const measured = model(name, () => loss(given as TensorsOf<Avals>, random));
      return { loss: measured.apply(parameters), state: {} };
    },
  };
}

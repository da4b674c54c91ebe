/**
 * @file Objectives of training: a loss of a batch, with parameters, states that can be carried from batch to batch, and random
 * numbers in training. A `Network` is an objective; `objective` makes one of any function, for models that are not stacks of
 * layers.
 */

import { model } from "../compiler/dsl/model.ts";
import type { ParameterSpec, ParameterTensors } from "../compiler/dsl/parameters.ts";
import type { Randomness } from "../compiler/dsl/randomness.ts";
import { expectArgument, UserError } from "../compiler/graph/errors.ts";
import type { Aval } from "../compiler/graph/graph.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import type { Tensor } from "../compiler/trace/tensor.ts";
import type { Loss } from "./loss-parts.ts";
import { type NamedTensors, type Predicted, type Prediction, predictionOf } from "./prediction.ts";

export type { NamedTensors, Predicted, Prediction, PredictionResult } from "./prediction.ts";

type Float = Tensor<"f32">;
type States = Readonly<Record<string, Float>>;

/** The inputs of a loss besides the parameters. */
export interface ObjectiveInput {
  /** The inputs of a batch, by name. */
  readonly batch: NamedTensors;
  /** States before the first step, each [B, …]. */
  readonly state: States;
  /** Set in training; undefined in evaluation. */
  readonly random?: Randomness | undefined;
}

/** The loss of a batch, and its states. */
export interface ObjectiveResult {
  /** A scalar, or a scalar with its weight: see `WeightedMean`. */
  readonly loss: Loss;
  /** States after the last step. */
  readonly state: States;
}

/** An objective: training minimizes its loss. */
export interface Objective<Names extends string = string> {
  /** The name passed to `objective`. */
  readonly name?: string;
  /** The parameters. */
  readonly specs: readonly ParameterSpec[];
  /** The inputs of a batch, by name: dtype and shape, in which B is the number of rows. */
  readonly batch: Readonly<Record<Names, Aval>>;
  /** Shape of each state without the batch. */
  readonly stateShapes: Readonly<Record<string, readonly number[]>>;
  /** Loss and next states; used while tracing. */
  readonly measure: (parameters: ParameterTensors, input: ObjectiveInput) => ObjectiveResult;
  /** Its use after training; without it, it can only be trained and evaluated. */
  readonly prediction?: Prediction;
}

/** Tensors of the dtypes of some avals, by name. */
export type TensorsOf<Avals extends Readonly<Record<string, Aval>>> = {
  readonly [Name in keyof Avals]: Tensor<Avals[Name]["dtype"]>;
};

/** Inputs of a training step besides those of a batch. */
const ownNames: readonly string[] = ["parameters", "step", "halted", "learningRate", "seed", "key"];

/** Options of `objective`. */
export interface ObjectiveOptions<Avals extends Readonly<Record<string, Aval>>> {
  /**
   * The prediction of the trained objective: returns a tensor, or tensors by name, such as logits. It uses parameters under
   * the names of the loss. Predictions need exactly the inputs that it reads, so do not read targets. It enables
   * `trainer.predict`, `createPredictor`, `createStream`, model files and ONNX.
   */
  readonly predict?: (batch: TensorsOf<Avals>) => Predicted;
}

/**
 * An objective without carried states: `loss` computes a scalar from the inputs of a batch, and creates parameters as it
 * runs, the same ones with and without randomness. The denominator of the mean is found in its graph, and `evaluate` and
 * `accumulate` weight batches by it; if it cannot be found, return `{ mean, weight }`.
 *
 * @throws UserError if `predict` uses a parameter that the loss does not train, or does not return tensors.
 */
export function objective<const Avals extends Readonly<Record<string, Aval>>>(
  name: string,
  batch: Avals,
  loss: (batch: TensorsOf<Avals>, random: Randomness | undefined) => Loss,
  options: ObjectiveOptions<Avals> = {},
): Objective<keyof Avals & string> {
  expectArgument(typeof loss === "function", `objective "${name}": the loss`, loss, "a function of the batch");
  checkedOptions<ObjectiveOptions<Avals>>(`objective "${name}"`, options, { predict: "function" });
  const taken = Object.keys(batch).find((key) => ownNames.includes(key) || /^(state|slots)\//.test(key));
  if (taken !== undefined)
    throw new UserError(
      `objective "${name}": the input name ${taken} is reserved for the training step; use another name`,
    );
  const inputs: Readonly<Record<string, Aval>> = batch;
  const evaluated = model(name, (given: NamedTensors) => loss(given as TensorsOf<Avals>, undefined));
  const specs = evaluated.specs(inputs);
  const { predict } = options;
  return {
    name,
    specs,
    batch,
    stateShapes: {},
    measure: (parameters, { batch: given, random }) => {
      const measured = model(name, () => loss(given as TensorsOf<Avals>, random));
      return { loss: measured.apply(parameters), state: {} };
    },
    ...(predict && {
      prediction: predictionOf(name, specs, inputs, (given) => predict(given as TensorsOf<Avals>)),
    }),
  };
}

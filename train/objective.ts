/**
 * @file What training makes small, in general: a loss of what a batch holds, with parameters, states that may be carried
 * from batch to batch, and random numbers that exist in training alone. A `Network` is one; `objective` makes one of any
 * function, for models that are no stack of layers.
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
  /** The name that `objective` was given. */
  readonly name?: string;
  /** The parameters. */
  readonly specs: readonly ParameterSpec[];
  /** What a batch holds, by name: dtype and shape, in which B stands for the rows of the batch. */
  readonly batch: Readonly<Record<Names, Aval>>;
  /** Shape of each state without the batch. */
  readonly stateShapes: Readonly<Record<string, readonly number[]>>;
  /** Loss and next states; used while tracing. */
  readonly measure: (parameters: ParameterTensors, input: ObjectiveInput) => ObjectiveResult;
  /** What it is used for once it is trained; without it, it can be trained and evaluated, and no more. */
  readonly prediction?: Prediction;
}

/** Tensors of the dtypes of some avals, by name. */
export type TensorsOf<Avals extends Readonly<Record<string, Aval>>> = {
  readonly [Name in keyof Avals]: Tensor<Avals[Name]["dtype"]>;
};

/** Inputs of a training step beside what a batch holds. */
const ownNames: readonly string[] = ["parameters", "step", "halted", "learningRate", "seed", "key"];

/** What an objective can do besides being trained. */
export interface ObjectiveOptions<Avals extends Readonly<Record<string, Aval>>> {
  /**
   * What the trained objective is used for: a tensor of what a batch holds, or tensors by name, such as logits. It asks for
   * parameters under the names that the loss uses. What it reads of a batch is all that predicting takes, so leave targets
   * alone. `trainer.predict`, `createPredictor`, `createStream`, model files and ONNX come with it.
   */
  readonly predict?: (batch: TensorsOf<Avals>) => Predicted;
}

/**
 * An objective without carried states: `loss` computes a scalar of what a batch holds, asking for parameters as it goes.
 * It must ask for the same ones with and without randomness. What the scalar is a mean over is found in its graph, and
 * `evaluate` and `accumulate` weigh batches by it; where it cannot be found, return `{ mean, weight }`.
 *
 * @throws UserError where `predict` asks for a parameter that the loss does not train, or gives no tensors.
 */
export function objective<const Avals extends Readonly<Record<string, Aval>>>(
  name: string,
  batch: Avals,
  loss: (batch: TensorsOf<Avals>, random: Randomness | undefined) => Loss,
  options: ObjectiveOptions<Avals> = {},
): Objective<keyof Avals & string> {
  expectArgument(typeof loss === "function", `objective "${name}": the loss`, loss, "a function of what a batch holds");
  checkedOptions<ObjectiveOptions<Avals>>(`objective "${name}"`, options, { predict: "function" });
  const taken = Object.keys(batch).find((key) => ownNames.includes(key) || /^(state|slots)\//.test(key));
  if (taken !== undefined)
    throw new UserError(
      `objective "${name}": a batch cannot hold an input called ${taken}, since a training step has one; give it another name`,
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

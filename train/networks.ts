/**
 * @file Networks: the input is embedded or used as it is, passes through stacked recurrent layers, and a dense head maps the
 * last layer's outputs to logits or values. Each network exists in two forms with the same parameters: over a whole sequence
 * (for training) and as one step (for streaming).
 *
 * Batch `B` and time `T` are symbols. State is a record such as `layers/0/h`, each [B, ...the cell's own shape].
 */
import type { Cell, CellDefinition } from "../compiler/dsl/cell.ts";
import { dense, embedding } from "../compiler/dsl/dense.ts";
import { type Model, model } from "../compiler/dsl/model.ts";
import type { ParameterSpec } from "../compiler/dsl/parameters.ts";
import type { Randomness } from "../compiler/dsl/randomness.ts";
import type { Shape } from "../compiler/graph/dim.ts";
import { expectArgument, inWords, UserError } from "../compiler/graph/errors.ts";
import type { Aval } from "../compiler/graph/graph.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import { slice } from "../compiler/ops/pieces.ts";
import type { Tensor } from "../compiler/trace/tensor.ts";
import {
  type Advance,
  checkRates,
  ofStack,
  oneStep,
  overTime,
  type StackOptions,
  throughLayers,
} from "./cell-stack.ts";
import type { Loss } from "./loss-parts.ts";
import { crossEntropy } from "./losses/classification.ts";
import { meanSquaredError, weightedSquaredError } from "./losses/regression.ts";
import type { Objective } from "./objective.ts";
import type { Prediction } from "./prediction.ts";

type Float = Tensor<"f32">;
/** The state of all layers, by names such as `layers/0/h`; each [B, …]. */
export type NetworkState = Readonly<Record<string, Float>>;

/** The result of a network. */
export interface NetworkResult {
  /** Logits or predicted values, with the leading axes of x. */
  readonly output: Float;
  /** The next state. */
  readonly state: NetworkState;
}

/** The configuration of a network, for display and files. */
export interface NetworkConfig {
  /** Name of the cell; with different cells all names, such as `gru + lstm`. */
  readonly cell: string;
  readonly units: number;
  readonly layers: number;
  /** Width of the embedding; text only. */
  readonly embed?: number;
  /** Width of the output: size of the vocabulary, or number of features. */
  readonly outputs: number;
}

/** The model of `run` on x and a state. */
export type RecurrentModel = Model<[x: Tensor, state: NetworkState], NetworkResult>;

/** Prediction of the next symbol, of the next row of numbers, of values of a sequence, or of its class. */
export type NetworkKind = "text" | "series" | "regression" | "classifier";

/** A recurrent network, over sequences and step by step. */
export interface Network extends Objective {
  /** Its task. */
  readonly kind: NetworkKind;
  /** Its configuration. */
  readonly config: NetworkConfig;
  /** The recurrent layers, from the input on. */
  readonly layers: readonly Cell[];
  /** All parameters, in the order of the arena. */
  readonly specs: readonly ParameterSpec[];
  /** Over a sequence: x is `x`, the output [T, B, outputs]. */
  readonly model: RecurrentModel;
  /** One step: x is `stepX`, the output [B, outputs]. */
  readonly stepModel: RecurrentModel;
  /** The common part of both, for custom ways to run layers; to be called inside a model. */
  readonly through: (x: Tensor, state: NetworkState, advance: Advance, random?: Randomness) => NetworkResult;
  /** The input of a sequence: [T, B, …]. */
  readonly x: Aval;
  /** The input of one step: [B, …]. */
  readonly stepX: Aval;
  /** The targets of a sequence: [T, B, …]. */
  readonly targets: Aval;
  /** Shape of each state without the batch. */
  readonly stateShapes: Readonly<Record<string, readonly number[]>>;
  /** The scalar that training minimizes. */
  readonly loss: (output: Float, targets: Tensor) => Loss;
  /** From x, [T, B, …], to `output`, [T, B, outputs]. */
  readonly prediction: Prediction;
}

export const ofNetwork = { cell: "any", units: "number", layers: "number", ...ofStack } as const;

/** The recurrent layers of a network. */
export interface LayersOptions<Names extends string> extends StackOptions<Names> {
  /** The cell of all layers, custom or built-in; or a list with one cell per layer, from the input on. */
  readonly cell: CellDefinition<Names> | readonly CellDefinition[];
  /** Units of each layer. */
  readonly units: number;
  /** Number of stacked layers; by default 1, or the length of the list of cells. */
  readonly layers?: number;
}

/** Options of `languageModel`. */
export interface LanguageModelOptions<Names extends string> extends LayersOptions<Names> {
  /** Number of symbols. */
  readonly vocabulary: number;
  /** Width of the embedding. */
  readonly embed: number;
}

/** Predicts the next symbol: x is i32 [T, B] tokens, the output f32 [T, B, vocabulary] logits of the next token. */
export function languageModel<Names extends string>(options: LanguageModelOptions<Names>): Network {
  const kinds = { ...ofNetwork, vocabulary: "number", embed: "number" } as const;
  const { vocabulary, embed } = checkedOptions<LanguageModelOptions<string>>("languageModel", options, kinds);
  checkCount("vocabulary", vocabulary);
  checkCount("embed", embed);
  return network({
    ...stackOf(options),
    kind: "text",
    embed,
    outputs: vocabulary,
    encode: (x) => embedding("embedding", x as Tensor<"i32">, vocabulary, embed),
    x: { dtype: "i32", shape: [] },
    targets: { dtype: "i32", shape: [] },
    loss: (output, targets) => crossEntropy(output, targets as Tensor<"i32">),
  });
}

/** Options of `seriesModel`. */
export interface SeriesModelOptions<Names extends string> extends LayersOptions<Names> {
  /** Numbers per time step. */
  readonly features: number;
}

/** Predicts the next row of numbers: x is f32 [T, B, features], the output f32 [T, B, features] the row after each step. */
export function seriesModel<Names extends string>(options: SeriesModelOptions<Names>): Network {
  const kinds = { ...ofNetwork, features: "number" } as const;
  const { features } = checkedOptions<SeriesModelOptions<string>>("seriesModel", options, kinds);
  checkCount("features", features);
  return network({
    ...stackOf(options),
    kind: "series",
    outputs: features,
    encode: (x) => x as Float,
    x: { dtype: "f32", shape: [features] },
    targets: { dtype: "f32", shape: [features] },
    loss: (output, targets) => meanSquaredError(output, targets as Float),
  });
}

/** Options of `regressionModel`. */
export interface RegressionModelOptions<Names extends string> extends LayersOptions<Names> {
  /** Input numbers per time step. */
  readonly features: number;
  /** Output numbers per time step. */
  readonly outputs: number;
}

/**
 * Predicts values of a sequence: x is f32 [T, B, features], the output f32 [T, B, outputs]. Targets are f32
 * [T, B, outputs + 1], whose last entry is the weight of the step in the loss: 1 at steps with a target, 0 elsewhere.
 */
export function regressionModel<Names extends string>(options: RegressionModelOptions<Names>): Network {
  const kinds = { ...ofNetwork, features: "number", outputs: "number" } as const;
  const { features, outputs } = checkedOptions<RegressionModelOptions<string>>("regressionModel", options, kinds);
  checkCount("features", features);
  checkCount("outputs", outputs);
  return network({
    ...stackOf(options),
    kind: "regression",
    outputs,
    encode: (x) => x as Float,
    x: { dtype: "f32", shape: [features] },
    targets: { dtype: "f32", shape: [outputs + 1] },
    loss: (output, targets) => {
      const axis = targets.shape.length - 1;
      const values = slice(targets as Float, axis, 0, outputs);
      return weightedSquaredError(output, values, slice(targets as Float, axis, outputs, 1));
    },
  });
}

/** The layers of a network and their options. */
export function stackOf<Names extends string>(options: LayersOptions<Names>) {
  const { cell, units, dropout, recurrentDropout, zoneout, connection } = options;
  const isList = Array.isArray(cell);
  if (isList && cell.length === 0) throw new UserError("the list of cells is empty; give a cell for each layer");
  const { layers: depth = isList ? cell.length : 1 } = options;
  checkCount("layers", depth);
  const given: readonly CellDefinition[] = isList ? cell : new Array(depth).fill(cell);
  for (const each of given) checkCell(each);
  if (given.length !== depth)
    throw new UserError(
      `layers is ${depth} and cell is a list of ${given.length}; leave layers out, or make them equal`,
    );
  // One instance per layer, with its own weights.
  const layers = given.map((definition) => definition(units));
  const names = given.map(({ cellName }) => cellName);
  const around = { dropout, recurrentDropout, zoneout, connection } as StackOptions;
  checkRates(layers, around);
  return { cell: new Set(names).size > 1 ? names.join(" + ") : String(names[0]), units, layers, around };
}

/** The parts of a network. `x` and `targets` are those of one time step, without the batch. */
export interface NetworkParts {
  /** Its task. */
  readonly kind: NetworkKind;
  /** Name of the cell or cells. */
  readonly cell: string;
  /** Units of each layer. */
  readonly units: number;
  /** The recurrent layers, from the input on. */
  readonly layers: readonly Cell[];
  /** Regularization and connections of the layers. */
  readonly around?: StackOptions;
  /** Width of the embedding; text only. */
  readonly embed?: number;
  /** Width of the output. */
  readonly outputs: number;
  /** Maps x to the input of the first layer, [..., width]. */
  readonly encode: (x: Tensor) => Float;
  /** The input of each step, without [T, B]. */
  readonly x: Aval;
  /** The target of each step, without [T, B]. */
  readonly targets: Aval;
  /** The scalar that training minimizes. */
  readonly loss: (output: Float, targets: Tensor) => Loss;
}

/** Makes a network of layers. A cell instance that appears twice among them has one set of weights and two states. */
export function network(parts: NetworkParts): Network {
  const { layers, x, targets } = checkedOptions("network", parts, {
    kind: { text: 1, series: 1, regression: 1, classifier: 1 },
    ...{ cell: "string", units: "number", layers: "list", around: "object", embed: "number", outputs: "number" },
    ...{ encode: "function", x: "any", targets: "any", loss: "function" },
  });
  checkedOptions("network: around", parts.around ?? {}, ofStack);
  const over = (leading: Shape, aval: Aval): Aval => ({ dtype: aval.dtype, shape: [...leading, ...aval.shape] });
  const through = (x: Tensor, state: NetworkState, advance: Advance, random?: Randomness): NetworkResult => {
    const { outputs, state: after } = throughLayers(parts, parts.encode(x), state, advance, random);
    return { output: dense("head", outputs, parts.outputs), state: after };
  };
  const sequence = (random?: Randomness) =>
    model("network", (x: Tensor, state: NetworkState) => through(x, state, overTime, random));
  const step = model("step", (x: Tensor, state: NetworkState) => through(x, state, oneStep));
  const stateShapes = Object.fromEntries(
    layers.flatMap((cell, i) =>
      Object.entries(cell.stateShapes).map(([name, shape]) => [`layers/${i}/${name}`, knownShape(cell, name, shape)]),
    ),
  );
  const stepX = over(["B"], x);
  const batch = { x: over(["T", "B"], x), targets: over(["T", "B"], targets) };
  const stateAvals = Object.fromEntries(
    Object.entries(stateShapes).map(([name, shape]) => [name, { dtype: "f32", shape: ["B", ...shape] } satisfies Aval]),
  );
  return {
    kind: parts.kind,
    config: {
      cell: parts.cell,
      units: parts.units,
      layers: layers.length,
      ...(parts.embed === undefined ? {} : { embed: parts.embed }),
      outputs: parts.outputs,
    },
    layers,
    specs: step.specs(stepX, stateAvals),
    model: sequence(),
    stepModel: step,
    through,
    ...batch,
    batch,
    stepX,
    stateShapes,
    loss: parts.loss,
    prediction: {
      inputs: { x: batch.x },
      outputs: ["output"],
      run: (parameters, { batch: { x }, state }) => {
        const result = sequence().apply(parameters, x as Tensor, state);
        return { outputs: { output: result.output }, state: result.state };
      },
    },
    measure: (parameters, { batch: { x, targets }, state, random }) => {
      const result = sequence(random).apply(parameters, x as Tensor, state);
      return { loss: parts.loss(result.output, targets as Tensor), state: result.state };
    },
  };
}

function knownShape(cell: Cell, name: string, shape: Shape): readonly number[] {
  return shape.map((dim) => {
    if (typeof dim === "number") return dim;
    throw new UserError(`${cell.name}: state ${name} has an axis ${dim}; the axes of a state are whole numbers`);
  });
}

/** Throws if the argument is not a network: an objective has no cell, layers or streaming step. */
export function checkNetwork(where: string, network: Network): void {
  const isNetwork = typeof network === "object" && network !== null && "stepModel" in network;
  const words = "the result of languageModel or network";
  expectArgument(isNetwork, `${where}: the network`, network, words);
}

/** Throws for an instance in place of a definition: each layer makes its own instance. */
export function checkCell(cell: unknown): void {
  if (typeof cell !== "function")
    throw new UserError(
      `the cell is ${inWords(cell)}; expected a definition, such as lstm, without units: not lstm(8)`,
    );
}

export function checkCount(what: string, value: number): void {
  if (!Number.isInteger(value) || value < 1)
    throw new UserError(`${what} must be a whole number above 0, got ${value}`);
}

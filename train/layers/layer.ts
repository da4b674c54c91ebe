/**
 * @file Layers: maps from a sequence [time, batch, features] to another, with named states in and out. `recurrent` makes a
 * layer of one cell, `bidirectional` of two; depth.ts stacks them.
 *
 * A layer receives everything else from a context: initial states, a mask of existing steps, randomness in training. So one
 * definition serves training, evaluation and streaming.
 */
import { type Cell, checkInstance, type State, scan, zeroState } from "../../compiler/dsl/cell.ts";
import { scope } from "../../compiler/dsl/parameters.ts";
import { fork, type Randomness } from "../../compiler/dsl/randomness.ts";
import type { Shape } from "../../compiler/graph/dim.ts";
import { at, inWords, UserError } from "../../compiler/graph/errors.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import { add, mul } from "../../compiler/ops/elementwise.ts";
import { concat } from "../../compiler/ops/pieces.ts";
import { reshape } from "../../compiler/ops/views.ts";
import { faultOf } from "../../compiler/trace/fault.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { withEnding } from "./direction.ts";
import { learnedState } from "./initial-state.ts";
import { lastOutput } from "./lengths.ts";
import { ofEach, type RecurrentDropoutOptions, recurrentDropout } from "./recurrent-dropout.ts";
import { type StateRates, zoneout } from "./zoneout.ts";

type Float = Tensor<"f32">;

/** States by name, such as `0/h`, each [batch, …]. */
export type LayerState = Readonly<Record<string, Float>>;

/** The inputs of a layer besides the sequence. */
export interface LayerContext {
  /** States before the first step: new, or carried over from the previous batch. The layer initializes missing ones. */
  readonly state?: LayerState;
  /** [time, batch], true where a step exists. */
  readonly mask?: Tensor<"bool"> | undefined;
  /** Set only in training. */
  readonly random?: Randomness | undefined;
  /** The input is one step, [batch, features], and so are the outputs. */
  readonly isStep?: boolean;
}

/** The result of a layer. */
export interface LayerResult {
  /** [time, batch, features], or [batch, features] of one step. */
  readonly outputs: Float;
  /** After the last step. */
  readonly state: LayerState;
}

/** A part of a network that runs over sequences or step by step. */
export interface Layer {
  /** Shape of each state without the batch, by name. */
  readonly states: Readonly<Record<string, Shape>>;
  /** Runs over a whole sequence, or over one step if `isStep` is set in the context. */
  readonly run: (input: Float, context?: LayerContext) => LayerResult;
}

/** Options of a cell in a layer. */
export interface CellOptions<Names extends string> {
  /** Initial value of states that are not in the context; zeros by default. */
  readonly initial?: "zeros" | "learned";
  /** Rates of zoneout. */
  readonly zoneout?: StateRates<Names>;
  /** Rates of dropout on the states where they are multiplied with weights. */
  readonly recurrentDropout?: StateRates<Names> | undefined;
  /** Whether recurrent dropout samples a mask for each sequence (the default) or for each step. */
  readonly each?: RecurrentDropoutOptions["each"];
}

const ofCell = {
  initial: { zeros: 1, learned: 1 },
  zoneout: "any",
  recurrentDropout: "any",
  each: ofEach,
} as const;

/** Options of `recurrent`. */
export interface RecurrentOptions<Names extends string> extends CellOptions<Names> {
  /** Runs from the last step to the first. */
  readonly reverse?: boolean;
}

/** A layer that runs one cell over time. Its parameters are in the scope of the cell. */
export function recurrent<Names extends string>(instance: Cell<Names>, options: RecurrentOptions<Names> = {}): Layer {
  checkedOptions<RecurrentOptions<string>>("recurrent", options, { ...ofCell, reverse: "boolean" });
  checkInstance("recurrent", instance);
  const names = Object.keys(instance.stateShapes) as Names[];
  return {
    states: instance.stateShapes,
    run: (input, { state = {}, mask, random, isStep = false } = {}) => {
      const cell = regularized(instance, options, random);
      const batch = at(input.shape, isStep ? 0 : 1);
      const own = options.initial === "learned" ? learnedState(instance, batch) : zeroState(instance, batch);
      const initial = Object.fromEntries(names.map((name) => [name, state[name] ?? own[name]])) as State<Names>;
      if (!isStep) return scan(cell, input, { initial, mask, reverse: options.reverse ?? false });
      if (options.reverse)
        throw faultOf(instance.name, "it runs from the last step to the first, so it cannot run step by step");
      const { state: after, output } = cell.step(input, initial);
      return { outputs: output, state: after };
    },
  };
}

/** The cell with recurrent dropout and zoneout at the rates of the options; in evaluation their expectation. */
export function regularized<Names extends string>(
  instance: Cell<Names>,
  { recurrentDropout: dropped, zoneout: zoned, each }: RecurrentOptions<Names>,
  random: Randomness | undefined,
): Cell<Names> {
  const masked =
    dropped === undefined || dropped === 0
      ? instance
      : recurrentDropout(instance, dropped, fork(random, "recurrent"), each === undefined ? {} : { each });
  return zoned === undefined || zoned === 0 ? masked : zoneout(masked, zoned, fork(random, "zoneout"));
}

/** How the outputs of two directions are merged. */
export type Merge = "concat" | "sum" | "mean" | "product" | ((forward: Float, backward: Float) => Float);

const merges: Readonly<Record<Exclude<Merge, (...args: never) => unknown>, (a: Float, b: Float) => Float>> = {
  concat: (a, b) => concat([a, b]),
  sum: add,
  mean: (a, b) => mul(add(a, b), 0.5),
  product: mul,
};

/** Options of `bidirectional`. */
export type BidirectionalOptions<Forward extends string, Backward extends string> = CellOptions<Forward> &
  CellOptions<Backward> & {
    /** Concatenation by default, which doubles the width. */
    readonly merge?: Merge;
  };

/**
 * A layer of two cells, one in each direction: Schuster & Paliwal 1997, "Bidirectional recurrent neural networks". Their states are
 * `forward/…` and `backward/…`. With a mask, the backward one starts at the end of each sequence.
 */
export function bidirectional<Forward extends string, Backward extends string>(
  forward: Cell<Forward>,
  backward: Cell<Backward>,
  options: BidirectionalOptions<Forward, Backward> = {},
): Layer {
  checkedOptions<BidirectionalOptions<string, string>>("bidirectional", options, { ...ofCell, merge: "any" });
  const { merge = "concat", ...around } = options;
  const directions = {
    forward: recurrent<Forward>(forward, around),
    backward: recurrent<Backward>(backward, { ...around, reverse: true }),
  };
  const join = typeof merge === "function" ? merge : Object.hasOwn(merges, merge) ? merges[merge] : undefined;
  if (join === undefined)
    throw new UserError(
      `bidirectional: merge is ${inWords(merge)}; expected a function, or ${Object.keys(merges).join(", ")}`,
    );
  return {
    states: prefixed(directions),
    run: (input, context = {}) => {
      const first = within("forward", directions.forward, input, context);
      const second = within("backward", directions.backward, input, context);
      const ending = (lengths: Tensor<"i32"> | undefined) => {
        // As a sequence of one step, so that a custom merge sees the usual axes.
        const [one, other] = [first, second].map(({ outputs }) => {
          const last = lastOutput(outputs, lengths);
          return reshape(last, [1, ...last.shape]);
        }) as [Float, Float];
        const both = join(one, other);
        return reshape(both, both.shape.slice(1));
      };
      const joined = join(first.outputs, second.outputs);
      const isOne = joined === first.outputs || joined === second.outputs;
      const outputs = isOne ? joined : withEnding(joined, ending);
      return { outputs, state: { ...first.state, ...second.state } };
    },
  };
}

/** Runs a layer as part of another: its parameters, states and random numbers are under `name`. */
export function within(name: string, layer: Layer, input: Float, context: LayerContext): LayerResult {
  const { state = {}, random } = context;
  const start = `${name}/`;
  const own = Object.entries(state).filter(([key]) => key.startsWith(start));
  const result = scope(name, () =>
    layer.run(input, {
      ...context,
      state: Object.fromEntries(own.map(([key, tensor]) => [key.slice(start.length), tensor])),
      random: fork(random, name),
    }),
  );
  const after = Object.entries(result.state).map(([key, tensor]) => [start + key, tensor] as const);
  return { outputs: result.outputs, state: Object.fromEntries(after) };
}

/** The states of parts, each under its part's name. */
export function prefixed(parts: Readonly<Record<string, Layer>>): Layer["states"] {
  return Object.fromEntries(
    Object.entries(parts).flatMap(([name, { states }]) =>
      Object.entries(states).map(([key, shape]) => [`${name}/${key}`, shape] as const),
    ),
  );
}

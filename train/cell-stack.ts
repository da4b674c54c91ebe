/**
 * @file A stack of cells: the recurrent layers of a network between its encoding and its head, over a sequence or one step
 * at a time. Parameters, states and random numbers of layer i are named `layers/i`.
 */
import { type Cell, scan } from "../compiler/dsl/cell.ts";
import { scope } from "../compiler/dsl/parameters.ts";
import { fork, type Randomness } from "../compiler/dsl/randomness.ts";
import { UserError } from "../compiler/graph/errors.ts";
import type { Tensor } from "../compiler/trace/tensor.ts";
import type { Rate } from "./hyperparameter.ts";
import { highway, outputDropout, residual } from "./layers/depth.ts";
import { type Layer, type LayerResult, type LayerState, regularized } from "./layers/layer.ts";
import type { StateRates } from "./layers/zoneout.ts";

type Float = Tensor<"f32">;

/** Regularization and connections of the layers of a stack. Rates apply to training; evaluation drops nothing. */
export interface StackOptions<Names extends string = string> {
  /** Rate of variational dropout on the output of each layer. */
  readonly dropout?: Rate;
  /** Rates of dropout on the states where they are multiplied with weights, with one mask for a sequence. */
  readonly recurrentDropout?: StateRates<Names>;
  /** Rates of zoneout. */
  readonly zoneout?: StateRates<Names>;
  /** A connection around each layer except the first, whose width can differ from that of its input. */
  readonly connection?: "residual" | "highway";
}

export const ofStack = {
  dropout: "any",
  recurrentDropout: "any",
  zoneout: "any",
  connection: { residual: 1, highway: 1 },
} as const;

/** Cells, from the input on, and their options. */
export interface CellStack {
  /** One for each layer. */
  readonly layers: readonly Cell[];
  /** Regularization and connections of the layers. */
  readonly around?: StackOptions;
}

/** Runs one layer over a sequence or one step. */
export type Advance = (
  cell: Cell,
  input: Float,
  state: LayerState,
  layer: number,
) => { readonly outputs: Float; readonly state: LayerState };

/** A layer over a whole sequence. */
export const overTime: Advance = (cell, input, initial) => scan(cell, input, { initial });

/** A layer at one time step. */
export const oneStep: Advance = (cell, input, initial) => {
  const { output, state } = cell.step(input, initial);
  return { outputs: output, state };
};

/** Throws when a rate names a state that no layer has. */
export function checkRates(layers: readonly Cell[], around: StackOptions): void {
  for (const option of ["recurrentDropout", "zoneout"] as const) {
    const rates = around[option];
    if (rates === undefined || typeof rates === "number") continue;
    const stranger = Object.keys(rates).find((name) => layers.every(({ stateShapes }) => !(name in stateShapes)));
    if (stranger === undefined) continue;
    const cells = [
      ...new Set(layers.map(({ name, stateShapes }) => `${name} (${Object.keys(stateShapes).join(", ")})`)),
    ];
    throw new UserError(`${option}: no layer has a state ${stranger}; their states are those of ${cells.join(", ")}`);
  }
}

/** The rates of the states that a cell has: layers can have different cells. */
function ratesOf(cell: Cell, { recurrentDropout, zoneout }: StackOptions): StackOptions {
  const own = (rates: StackOptions["zoneout"]) =>
    rates === undefined || typeof rates === "number"
      ? rates
      : Object.fromEntries(Object.entries(rates).filter(([name]) => name in cell.stateShapes));
  const [dropped, zoned] = [own(recurrentDropout), own(zoneout)];
  return {
    ...(dropped !== undefined && { recurrentDropout: dropped }),
    ...(zoned !== undefined && { zoneout: zoned }),
  };
}

/** Runs `input` through the layers, from the given state; `random` is set in training. */
export function throughLayers(
  { layers, around }: CellStack,
  input: Float,
  state: LayerState,
  advance: Advance,
  random?: Randomness,
): LayerResult {
  let hidden = input;
  const after: Record<string, Float> = {};
  for (const [i, cell] of layers.entries()) {
    const layer = layerOf(cell, i, around ?? {}, advance);
    const own = Object.keys(layer.states).map((name) => [name, state[`layers/${i}/${name}`] as Float] as const);
    const context = { state: Object.fromEntries(own), random: fork(random, `layers/${i}`) };
    const result = scope(`layers/${i}`, () => layer.run(hidden, context));
    for (const [name, tensor] of Object.entries(result.state)) after[`layers/${i}/${name}`] = tensor;
    hidden = result.outputs;
  }
  return { outputs: hidden, state: after };
}

/** Layer i with its regularization and connection. */
function layerOf(cell: Cell, i: number, around: StackOptions, advance: Advance): Layer {
  const plain: Layer = {
    states: cell.stateShapes,
    run: (input, { state = {}, random } = {}) =>
      advance(regularized(cell, ratesOf(cell, around), random), input, state, i),
  };
  const connections = { residual, highway };
  const connected = i === 0 || around.connection === undefined ? plain : connections[around.connection](plain);
  return around.dropout ? outputDropout(connected, around.dropout) : connected;
}

/**
 * @file A stack of cells: what a network's input goes through between its encoding and its head, over a sequence or one
 * step at a time. Layer i has its parameters, states and random numbers under `layers/i`.
 */
import { type Cell, scan } from "../compiler/dsl/cell.ts";
import { scope } from "../compiler/dsl/parameters.ts";
import { fork, type Randomness } from "../compiler/dsl/randomness.ts";
import { UserError } from "../compiler/graph/errors.ts";
import type { Tensor } from "../compiler/trace/tensor.ts";
import { highway, outputDropout, residual } from "./layers/depth.ts";
import { type Layer, type LayerResult, type LayerState, regularized } from "./layers/layer.ts";
import type { StateRates } from "./layers/zoneout.ts";

type Float = Tensor<"f32">;

/** What goes around the layers of a stack. Rates are of training; in evaluation nothing is dropped. */
export interface StackOptions<Names extends string = string> {
  /** Rate of variational dropout on what each layer gives. */
  readonly dropout?: number;
  /** Rates of dropout on the states that products with weights read, one mask for a sequence. */
  readonly recurrentDropout?: StateRates<Names>;
  /** Rates of zoneout. */
  readonly zoneout?: StateRates<Names>;
  /** A connection around each layer but the first, which may be of another width than what it reads. */
  readonly connection?: "residual" | "highway";
}

export const ofStack = {
  dropout: "number",
  recurrentDropout: "any",
  zoneout: "any",
  connection: { residual: 1, highway: 1 },
} as const;

/** Cells from the input on, and what goes around them. */
export interface CellStack {
  /** One for each layer. */
  readonly layers: readonly Cell[];
  /** What goes around the layers. */
  readonly around?: StackOptions;
}

/** Runs one layer over what it is given: a sequence, or one step. */
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

/** Refuses rates of states that no layer has. */
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

/** Where layers are of different cells, each takes the rates of the states that it has. */
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

/** Runs `input` through the layers, from the given state; with randomness as in training. */
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

/** Layer i with what goes around it. */
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

/**
 * @file Framework-independent weights of a network: an embedding, recurrent layers gate by gate, a dense head. The common
 * format of all readers and writers.
 */
import { expectArgument, UserError } from "../compiler/graph/errors.ts";
import type { NdArray } from "../compiler/graph/ndarray.ts";
import { type CellLayout, cellLayouts } from "./cell-layouts.ts";
import { quote } from "./tensor-bag.ts";

/** The weights of one gate: x·input + h·recurrent + inputBias + recurrentBias. */
export interface GateWeights {
  /** [features, units] */
  readonly input: NdArray;
  /** [units, units] */
  readonly recurrent: NdArray;
  /** [units] */
  readonly inputBias: NdArray;
  /** [units] */
  readonly recurrentBias: NdArray;
}

/** The gates of one direction of a layer, by name. */
export type DirectionWeights = Readonly<Record<string, GateWeights>>;

/** A recurrent layer, in one direction or both. */
export interface LayerWeights {
  /** Reads from the first step to the last. */
  readonly forward: DirectionWeights;
  /** Reads from the last step to the first; its outputs are concatenated after those of `forward`. */
  readonly backward?: DirectionWeights;
}

/** The weights of a network around a built-in cell. */
export interface NetworkWeights {
  /** Name of the cell, such as `lstm`. */
  readonly cell: string;
  /** Units of each direction of each layer. */
  readonly units: number;
  /** Input width of the first layer. */
  readonly features: number;
  /** In order from the input. */
  readonly layers: readonly LayerWeights[];
  /** [vocabulary, features]: one row per symbol. */
  readonly embedding?: NdArray;
  /** The dense layer after the last recurrent one: kernel [width, outputs], bias [outputs]. */
  readonly head?: { readonly kernel: NdArray; readonly bias: NdArray };
  /** Assumptions of the reader about facts that are not in the file, and how to change them: sentences for people. */
  readonly assumed?: readonly string[];
}

export const directions = ["forward", "backward"] as const;
export type Direction = (typeof directions)[number];

/** The sizes of a network. */
export interface NetworkSize {
  readonly units: number;
  readonly features: number;
  readonly isBidirectional: boolean;
}

/** Input width of layer `i`; for the head, `i` is the number of layers. */
export function widthBelow({ features, units, isBidirectional }: NetworkSize, i: number): number {
  return i === 0 ? features : units * (isBidirectional ? 2 : 1);
}

/** Reads the layers in order from the input; `read(layer, direction, input width)` reads one direction. */
export function readLayers(
  size: NetworkSize,
  count: number,
  read: (layer: number, direction: Direction, width: number) => DirectionWeights,
): LayerWeights[] {
  const layers: LayerWeights[] = [];
  // One by one, so that a wrong count in a file fails at the first missing layer instead of allocating.
  for (let i = 0; i < count; i++) {
    const width = widthBelow(size, i);
    const forward = read(i, "forward", width);
    layers.push(size.isBidirectional ? { forward, backward: read(i, "backward", width) } : { forward });
  }
  return layers;
}

/** Visits every direction of every layer, in order from the input. */
export function eachDirection(
  { layers }: NetworkWeights,
  visit: (weights: DirectionWeights, layer: number, direction: Direction) => void,
): void {
  for (const [i, layer] of layers.entries())
    for (const direction of directions) {
      const weights = layer[direction];
      if (weights !== undefined) visit(weights, i, direction);
    }
}

/** Whether the layers are bidirectional; all are, or none. */
export function isBidirectional({ layers }: NetworkWeights): boolean {
  return layers.some(({ backward }) => backward !== undefined);
}

/** The note about the nonlinearity of a simple RNN, which is not in the weights. */
export const reluOrTanh =
  "the nonlinearity is assumed to be tanh, because weights do not record it; give cell relu-rnn for relu";

/** The note about an embedding and a head that were found without being named. */
export function assumedModules(
  asked: { readonly embedding?: string; readonly head?: string },
  embedding: string | undefined,
  head: string | undefined,
): string[] {
  const found = Object.entries({ embedding, head }).filter(
    ([part, name]) => name !== undefined && asked[part as "embedding" | "head"] === undefined,
  );
  if (found.length === 0) return [];
  const parts = found.map(([part, name]) => `${name} is assumed to be the ${part}`).join(" and ");
  return [`${parts}, because nothing else fits; set others with the options embedding and head`];
}

/** Fails if the layers `names` have different numbers of `units`. */
export function checkOneWidth(
  names: readonly string[],
  units: readonly number[],
  fail: (fault: string) => never,
): void {
  if (new Set(units).size < 2) return;
  const each = names.map((name, i) => `${name} has ${units[i]}`).join(", ");
  fail(`its layers have different widths (units: ${each}); all layers must have the same`);
}

/** The layout of a cell. Throws a UserError that lists the cells with a layout. */
export function layoutOf(cell: string): CellLayout {
  expectArgument(
    typeof cell === "string",
    "weights: their cell",
    cell,
    "its name, as returned by fromPyTorch, fromKeras and fromParameters",
  );
  const layout = Object.hasOwn(cellLayouts, cell) ? cellLayouts[cell] : undefined;
  if (layout !== undefined) return layout;
  const known = Object.keys(cellLayouts).join(", ");
  throw new UserError(`cell ${quote(cell)} has no counterpart in other frameworks; cells with one are ${known}`);
}

export function gateOf(weights: DirectionWeights, name: string): GateWeights {
  const gate = weights[name];
  if (gate === undefined) throw new UserError(`the weights of gate ${quote(name)} are missing`);
  return gate;
}

/**
 * Returns the weights with the two biases of a gate taken from `original` if their f32 sum is unchanged: so untrained
 * weights are written back bit for bit.
 */
export function withBiasesOf(weights: NetworkWeights, original: NetworkWeights): NetworkWeights {
  const sizeOf = ({ cell, units, features, layers }: NetworkWeights) =>
    `${cell}, ${layers.length} x ${units} units, ${features} features${layers[0]?.backward ? ", both ways" : ""}`;
  if (sizeOf(weights) !== sizeOf(original))
    throw new UserError(`the original is ${sizeOf(original)}; these weights are ${sizeOf(weights)}`);
  const layers = weights.layers.map((layer, i): LayerWeights => {
    const [forward, backward] = directions.map((direction) => {
      const gates = Object.entries(layer[direction] ?? {});
      return Object.fromEntries(
        gates.map(([name, gate]) => [name, restored(gate, gateOf(original.layers[i]?.[direction] ?? {}, name))]),
      );
    });
    return { forward: forward ?? {}, ...(layer.backward && backward && { backward }) };
  });
  return { ...weights, layers };
}

function restored(gate: GateWeights, original: GateWeights): GateWeights {
  const sum = (of: GateWeights, i: number) =>
    Math.fround((of.inputBias.data[i] ?? 0) + (of.recurrentBias.data[i] ?? 0));
  const choose = (bias: "inputBias" | "recurrentBias"): NdArray => ({
    ...gate[bias],
    data: gate[bias].data.map((value, i) =>
      sum(gate, i) === sum(original, i) ? (original[bias].data[i] ?? value) : value,
    ),
  });
  return { ...gate, inputBias: choose("inputBias"), recurrentBias: choose("recurrentBias") };
}

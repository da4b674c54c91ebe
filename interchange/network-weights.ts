/**
 * @file The weights of a network as every framework has them: an embedding, recurrent layers gate by gate, a dense head.
 * Readers and writers of all layouts meet here.
 */
import { expectArgument, UserError } from "../compiler/graph/errors.ts";
import type { NdArray } from "../compiler/graph/ndarray.ts";
import { type CellLayout, cellLayouts } from "./cell-layouts.ts";
import { quote } from "./tensor-bag.ts";

/** A gate's share of x·input + h·recurrent + inputBias + recurrentBias. */
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

/** One direction of a layer: its gates by name. */
export type DirectionWeights = Readonly<Record<string, GateWeights>>;

/** A recurrent layer, in one direction or both. */
export interface LayerWeights {
  /** From the first step to the last. */
  readonly forward: DirectionWeights;
  /** From the last step to the first; its outputs stand behind those of `forward`. */
  readonly backward?: DirectionWeights;
}

/** The weights of a network around a built-in cell. */
export interface NetworkWeights {
  /** Name of the cell, such as `lstm`. */
  readonly cell: string;
  /** Units of each direction of each layer. */
  readonly units: number;
  /** Width of what the first layer reads. */
  readonly features: number;
  /** From the input on. */
  readonly layers: readonly LayerWeights[];
  /** A row for each symbol: [vocabulary, features]. */
  readonly embedding?: NdArray;
  /** The dense layer behind the last recurrent one: kernel [width, outputs], bias [outputs]. */
  readonly head?: { readonly kernel: NdArray; readonly bias: NdArray };
  /** What a reader took for granted because the file does not say it, and how to say it: sentences for people. */
  readonly assumed?: readonly string[];
}

export const directions = ["forward", "backward"] as const;
export type Direction = (typeof directions)[number];

/** What both directions of a network's layers are made of: its size. */
export interface NetworkSize {
  readonly units: number;
  readonly features: number;
  readonly isBidirectional: boolean;
}

/** Width of what layer `i` reads; `i` may be the number of layers, for the head. */
export function widthBelow({ features, units, isBidirectional }: NetworkSize, i: number): number {
  return i === 0 ? features : units * (isBidirectional ? 2 : 1);
}

/** The layers from the input on, each direction read by `read(layer, direction, width of what it reads)`. */
export function readLayers(
  size: NetworkSize,
  count: number,
  read: (layer: number, direction: Direction, width: number) => DirectionWeights,
): LayerWeights[] {
  const layers: LayerWeights[] = [];
  // One by one: a count that a file claims is believed only as far as its layers are there.
  for (let i = 0; i < count; i++) {
    const width = widthBelow(size, i);
    const forward = read(i, "forward", width);
    layers.push(size.isBidirectional ? { forward, backward: read(i, "backward", width) } : { forward });
  }
  return layers;
}

/** Every direction of every layer, from the input on. */
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

/** Whether the layers run both ways: all of them do, or none. */
export function isBidirectional({ layers }: NetworkWeights): boolean {
  return layers.some(({ backward }) => backward !== undefined);
}

/** What weights of a simple RNN do not tell. */
export const reluOrTanh =
  "the nonlinearity is taken to be tanh, which weights do not tell; cell relu-rnn is the one with relu";

/** The note about an embedding and a head that were found, and not named. */
export function assumedModules(
  asked: { readonly embedding?: string; readonly head?: string },
  embedding: string | undefined,
  head: string | undefined,
): string[] {
  const found = Object.entries({ embedding, head }).filter(
    ([part, name]) => name !== undefined && asked[part as "embedding" | "head"] === undefined,
  );
  if (found.length === 0) return [];
  const parts = found.map(([part, name]) => `${name} is taken for the ${part}`).join(" and ");
  return [`${parts}, as nothing else fits; the options embedding and head name others`];
}

/** Refuses layers that are not all of one width: `units` are those of each of the `names`. */
export function checkOneWidth(
  names: readonly string[],
  units: readonly number[],
  fail: (fault: string) => never,
): void {
  if (new Set(units).size < 2) return;
  const each = names.map((name, i) => `${name} has ${units[i]}`).join(", ");
  fail(`its layers are of several widths (units: ${each}), and all layers of a network here have one`);
}

/** The layout of a cell, or a UserError that lists those there are. */
export function layoutOf(cell: string): CellLayout {
  expectArgument(
    typeof cell === "string",
    "weights: their cell",
    cell,
    "its name, as fromPyTorch, fromKeras and fromParameters give it",
  );
  const layout = Object.hasOwn(cellLayouts, cell) ? cellLayouts[cell] : undefined;
  if (layout !== undefined) return layout;
  const known = Object.keys(cellLayouts).join(", ");
  throw new UserError(`cell ${quote(cell)} has no layer like it in other frameworks; those with one are ${known}`);
}

export function gateOf(weights: DirectionWeights, name: string): GateWeights {
  const gate = weights[name];
  if (gate === undefined) throw new UserError(`the weights of gate ${quote(name)} are missing`);
  return gate;
}

/**
 * The weights with the biases of `original` wherever the two of a gate still have the same sum, in f32: weights that were
 * read and not trained are written as they came, bit for bit.
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

/**
 * @file The weights of a network as every framework has them: an embedding, recurrent layers gate by gate, a dense head.
 * Readers and writers of all layouts meet here.
 */
import { UserError } from "../compiler/graph/errors.ts";
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
  return Array.from({ length: count }, (_, i) => {
    const width = widthBelow(size, i);
    const forward = read(i, "forward", width);
    return size.isBidirectional ? { forward, backward: read(i, "backward", width) } : { forward };
  });
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

/** The layout of a cell, or a UserError that lists those there are. */
export function layoutOf(cell: string): CellLayout {
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

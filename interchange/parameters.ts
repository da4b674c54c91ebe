/**
 * @file The weights of a network as cellgrad's parameters, by path:
 *
 *   embedding/table [V, E]    layers/0/lstm/input/kernel [E + H, H]    layers/0/lstm/input/bias [H]
 *   head/kernel [H, V]        layers/0/forward/lstm/…  layers/0/backward/lstm/…  for bidirectional layers
 *   head/bias [V]
 *
 * A gate x·W + h·U + b + c has two biases in PyTorch, and only their sum matters. They are read as one bias b + c, which is
 * written as b with c = 0, or as the original b and c if these are known and their sum is unchanged. If a gate scales
 * h·U + c (GRU, reset after), cellgrad has both biases too.
 */
import { at } from "../compiler/graph/errors.ts";
import { type NdArray, zeros } from "../compiler/graph/ndarray.ts";
import type { GatePlace } from "./cell-layouts.ts";
import { rows, stackRows, sumOf } from "./matrices.ts";
import {
  checkOneWidth,
  type Direction,
  type DirectionWeights,
  eachDirection,
  type GateWeights,
  gateOf,
  isBidirectional,
  layoutOf,
  type NetworkWeights,
  readLayers,
  widthBelow,
} from "./network-weights.ts";
import { TensorBag } from "./tensor-bag.ts";

type Arrays = Readonly<Record<string, NdArray>>;

/** Returns the weights as parameters by path. */
export function toParameters(weights: NetworkWeights): Record<string, NdArray> {
  const { cell, embedding, head } = weights;
  const parameters: Record<string, NdArray> = {};
  if (embedding !== undefined) parameters["embedding/table"] = embedding;
  const both = isBidirectional(weights);
  eachDirection(weights, (gates, layer, direction) => {
    const scope = scopeOf(layer, both ? direction : undefined, cell);
    for (const [name, place] of Object.entries(layoutOf(cell).gates))
      Object.assign(parameters, gateParameters(scope, place, gateOf(gates, name)));
  });
  if (head !== undefined) {
    parameters["head/kernel"] = head.kernel;
    parameters["head/bias"] = head.bias;
  }
  return parameters;
}

function gateParameters(scope: string, place: GatePlace, gate: GateWeights): Arrays {
  const dense = (name: string, kernel: NdArray, bias: NdArray): Arrays => ({
    [`${scope}/${name}/kernel`]: kernel,
    [`${scope}/${name}/bias`]: bias,
  });
  if (isJoined(place))
    return dense(place.input, stackRows([gate.input, gate.recurrent]), sumOf(gate.inputBias, gate.recurrentBias));
  return {
    ...dense(place.input, gate.input, gate.inputBias),
    ...dense(place.recurrent, gate.recurrent, gate.recurrentBias),
  };
}

const isJoined = (place: GatePlace) => place.input === place.recurrent;

function scopeOf(layer: number, direction: Direction | undefined, cell: string): string {
  return ["layers", layer, ...(direction === undefined ? [] : [direction]), cell].join("/");
}

/** A path of the first layer, with the direction and the cell. */
const firstLayer = /^layers\/0\/(?:(forward|backward)\/)?([^/]+)\//;

/** Reads parameters; `where` is the name of their source in messages, such as a file. */
export function fromParameters(parameters: Arrays, where: string): NetworkWeights {
  const bag = new TensorBag(parameters, where);
  const [, named, cell] = bag.left.map((path) => firstLayer.exec(path)).find((found) => found !== null) ?? [];
  if (cell === undefined) return bag.fail("it has no layer; expected parameters such as layers/0/lstm/input/kernel");
  const scope = (layer: number, direction: Direction) =>
    scopeOf(layer, named === undefined ? undefined : direction, cell);
  const { gates } = layoutOf(cell);
  const size = { ...sizeOfFirst(bag, scope(0, "forward"), Object.values(gates)), isBidirectional: named !== undefined };
  const { units, features } = size;
  const numbers = bag.left.map((path) => Number(/^layers\/(\d+)\//.exec(path)?.[1] ?? 0));
  const count = Math.max(...numbers) + 1;
  checkWidths(bag, scope, gates, [...new Set(numbers)]);
  const layers = readLayers(size, count, (layer, direction, width) =>
    readDirection(bag, scope(layer, direction), gates, width, units),
  );
  const embedding = bag.has("embedding/table") && bag.take("embedding/table", [null, features], "it is looked up");
  const head = bag.has("head/kernel") && readHead(bag, widthBelow(size, layers.length));
  bag.expectEmpty("only embedding/table, layers/… and head/… can be converted");
  return { cell, units, features, layers, ...(embedding && { embedding }), ...(head && { head }) };
}

/** Other frameworks require the same width in all layers. */
function checkWidths(
  bag: TensorBag,
  scope: (layer: number, direction: Direction) => string,
  gates: Readonly<Record<string, GatePlace>>,
  layers: readonly number[],
): void {
  const name = at(Object.values(gates), 0).input;
  const found = layers.flatMap((layer) => {
    const units = bag.shape(`${scope(layer, "forward")}/${name}/kernel`)?.[1];
    return units === undefined ? [] : [{ name: `layers/${layer}`, units }];
  });
  checkOneWidth(
    found.map((layer) => layer.name),
    found.map((layer) => layer.units),
    (fault) => bag.fail(fault),
  );
}

/** Units and features, from the kernel of a gate that reads both x and h. */
function sizeOfFirst(bag: TensorBag, scope: string, places: readonly GatePlace[]) {
  const path = `${scope}/${at(places.filter(isJoined), 0).input}/kernel`;
  const [depth = 0, units = 0] = bag.shape(path) ?? bag.fail(`tensor "${path}" is missing: ${scope} needs it`);
  if (units < 1 || depth <= units) bag.fail(`tensor "${path}" is [${depth}, ${units}]; expected [features + n, n]`);
  return { units, features: depth - units };
}

function readDirection(
  bag: TensorBag,
  scope: string,
  gates: Readonly<Record<string, GatePlace>>,
  width: number,
  units: number,
): DirectionWeights {
  const dense = (name: string, depth: number) => ({
    kernel: bag.take(`${scope}/${name}/kernel`, [depth, units], `${scope} needs it`),
    bias: bag.take(`${scope}/${name}/bias`, [units], `${scope} needs it`),
  });
  const readGate = (place: GatePlace): GateWeights => {
    if (isJoined(place)) {
      const { kernel, bias } = dense(place.input, width + units);
      const [input, recurrent] = [rows(kernel, 0, width), rows(kernel, width, units)];
      return { input, recurrent, inputBias: bias, recurrentBias: zeros([units]) };
    }
    const [ofX, ofH] = [dense(place.input, width), dense(place.recurrent, units)];
    return { input: ofX.kernel, recurrent: ofH.kernel, inputBias: ofX.bias, recurrentBias: ofH.bias };
  };
  return Object.fromEntries(Object.entries(gates).map(([name, place]) => [name, readGate(place)]));
}

function readHead(bag: TensorBag, width: number) {
  const kernel = bag.take("head/kernel", [width, null], "the head needs it");
  return { kernel, bias: bag.take("head/bias", [at(kernel.shape, 1)], "the head needs it") };
}

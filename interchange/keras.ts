/**
 * @file Reads and writes Keras weights by path, as in `{ w.path: w.numpy() for w in model.weights }`: SimpleRNN, LSTM and
 * GRU of any depth, optionally Bidirectional, with an optional Embedding before and an optional Dense layer after them.
 *
 *   lstm_1/lstm_cell/kernel [width, gates * units]    …/recurrent_kernel [units, gates * units]    …/bias [gates * units]
 *   bidirectional/forward_gru/gru_cell/…              bias [2, gates * units] of a GRU with reset_after
 *   embedding/embeddings [symbols, width]             dense/kernel [width, outputs], dense/bias [outputs]
 */
import { at } from "../compiler/graph/errors.ts";
import { type NdArray, zeros } from "../compiler/graph/ndarray.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import { columns, rows, stackColumns, stackRows, sumOf } from "./matrices.ts";
import { byNumber, inOrder, readDense, single } from "./named-layers.ts";
import {
  assumedModules,
  checkOneWidth,
  type Direction,
  type DirectionWeights,
  eachDirection,
  gateOf,
  isBidirectional,
  layoutOf,
  type NetworkWeights,
  readLayers,
  reluOrTanh,
  widthBelow,
} from "./network-weights.ts";
import { TensorBag } from "./tensor-bag.ts";

type Arrays = Readonly<Record<string, NdArray>>;

/** The roles of layers in a Keras model. */
export interface KerasReadOptions {
  /** The cell, if the number of gates fits several: `relu-rnn` instead of `rnn`. */
  readonly cell?: string;
  /** Path of the Embedding layer; by default the only layer with embeddings. */
  readonly embedding?: string;
  /** Path of the Dense layer; by default the only layer with a kernel and no recurrent kernel. */
  readonly head?: string;
  /** The recurrent layers in order from the input, if names or sizes do not determine it. */
  readonly layers?: readonly string[];
}

const cellOfGates: Readonly<Record<number, string>> = { 1: "rnn", 3: "gru", 4: "lstm" };

/** Paths of a recurrent layer's cells. */
interface KerasLayer {
  readonly name: string;
  readonly paths: Readonly<Partial<Record<Direction, string>>>;
}

/** Reads the weights of a model; `where` is the name of the file in messages. Throws a UserError if they do not fit. */
export function fromKeras(tensors: Arrays, where: string, options: KerasReadOptions = {}): NetworkWeights {
  checkedOptions("fromKeras", options, { layers: "list", cell: "string", embedding: "string", head: "string" });
  // Before version 3, Keras appended the output index to each name.
  const bag = new TensorBag(tensors, where, (name) => name.replace(/:0$/, ""));
  const { layers, assumed } = inOrder(bag, recurrentLayers(bag), options.layers, {
    readsItsOwn: (layer) => readsItsOwn(bag, layer),
    elsewhere: ", or read a .keras or .weights.h5 file, which records it",
  });
  const first = layers[0]?.paths.forward;
  if (first === undefined)
    return bag.fail("it has no recurrent_kernel of a forward layer, so these are not weights of a Keras RNN");
  checkWidths(bag, layers);
  const [units = 0, stacked = 0] = bag.shape(`${first}/recurrent_kernel`) ?? [];
  const gates = gateOrder(bag, stacked / units, bag.shape(`${first}/bias`), options.cell);
  const { cell, order, biases } = gates;
  const both = layers.some(({ paths }) => paths.backward !== undefined);
  const size = { units, features: bag.shape(`${first}/kernel`)?.[0] ?? 0, isBidirectional: both };
  const hasBias = bag.has(`${first}/bias`);
  const read = readLayers(size, layers.length, (i, direction, width) => {
    const { name, paths } = at(layers, i);
    const path = paths[direction] ?? bag.fail(`layer ${name} has no ${direction} direction, but other layers do`);
    return readDirection(bag, { path, order, biases: hasBias ? biases : 0, width, units });
  });
  const embedding = options.embedding ?? single(bag.left, "/embeddings");
  const head = options.head ?? single(bag.left, "/kernel");
  const table = embedding && bag.take(`${embedding}/embeddings`, [null, size.features], "it was named");
  const dense = head === undefined ? undefined : readDense(bag, head, widthBelow(size, layers.length));
  bag.expectEmpty("name the embedding and the head, and remove other layers from the file");
  const { features } = size;
  const all = [...assumed, ...gates.assumed, ...assumedModules(options, embedding, head)];
  return {
    ...{ cell, units, features, layers: read },
    ...(table && { embedding: table }),
    ...(dense && { head: dense }),
    ...(all.length > 0 && { assumed: all }),
  };
}

function recurrentLayers(bag: TensorBag): KerasLayer[] {
  const found = new Map<string, KerasLayer["paths"]>();
  for (const key of bag.left.filter((name) => name.endsWith("/recurrent_kernel"))) {
    const path = key.slice(0, key.lastIndexOf("/"));
    const { layer, direction } = placeOf(path);
    found.set(layer, { ...found.get(layer), [direction]: path });
  }
  return [...found].map(([name, paths]) => ({ name, paths })).sort((a, b) => byNumber(a.name, b.name));
}

function readsItsOwn(bag: TensorBag, { paths }: KerasLayer): boolean {
  const path = paths.forward ?? paths.backward;
  const [units = 0] = bag.shape(`${path}/recurrent_kernel`) ?? [];
  return bag.shape(`${path}/kernel`)?.[0] === units * Object.keys(paths).length;
}

/** All layers must have the same number of units. */
function checkWidths(bag: TensorBag, layers: readonly KerasLayer[]): void {
  const widths = layers.map(({ paths }) => bag.shape(`${paths.forward ?? paths.backward}/recurrent_kernel`)?.[0] ?? 0);
  checkOneWidth(
    layers.map(({ name }) => name),
    widths,
    (fault) => bag.fail(fault),
  );
}

/** `bidirectional_1/backward_gru/gru_cell` is the backward direction of `bidirectional_1`. */
function placeOf(path: string): { layer: string; direction: Direction } {
  const segments = path.split("/");
  const place = segments.findIndex((segment) => /^(forward|backward)_/.test(segment));
  if (place < 1) return { layer: path.replace(/\/[^/]*cell(_\d+)?$/, ""), direction: "forward" };
  const direction = at(segments, place).startsWith("forward_") ? "forward" : "backward";
  return { layer: segments.slice(0, place).join("/"), direction };
}

function gateOrder(bag: TensorBag, count: number, bias: readonly number[] | undefined, asked: string | undefined) {
  // A GRU without biases can be either; reset_after is Keras's default.
  const resetAfter = count === 3 && bias?.length !== 1;
  const cell = asked ?? (resetAfter ? "gru-reset-after" : cellOfGates[count]);
  if (cell === undefined) return bag.fail(`its layers have ${count} gates; SimpleRNN has 1, GRU 3 and LSTM 4`);
  const { order, biases } = layoutOf(cell).keras;
  if (order.length !== count) bag.fail(`its layers have ${count} gates, and cell ${cell} has ${order.length}`);
  const assumed: string[] = [];
  if (asked === undefined && count === 3 && bias === undefined)
    assumed.push(
      "reset_after is assumed to be True, because there are no biases that show it; give cell gru for False",
    );
  if (asked === undefined && count === 1) assumed.push(reluOrTanh);
  return { cell, order, biases, assumed };
}

interface DirectionPlace {
  readonly path: string;
  readonly order: readonly string[];
  readonly biases: number;
  readonly width: number;
  readonly units: number;
}

function readDirection(bag: TensorBag, { path, order, biases, width, units }: DirectionPlace): DirectionWeights {
  const total = order.length * units;
  const take = (name: string, shape: readonly number[]) => bag.take(`${path}/${name}`, shape, `${path} needs it`);
  const [kernel, recurrent] = [take("kernel", [width, total]), take("recurrent_kernel", [units, total])];
  const none = zeros([total]);
  const bias = biases === 0 ? none : take("bias", biases === 2 ? [2, total] : [total]);
  const [ofX, ofH] = biases === 2 ? [0, 1].map((i) => ({ ...rows(bias, i, 1), shape: [total] })) : [bias, none];
  return Object.fromEntries(
    order.map((name, gate) => [
      name,
      {
        input: columns(kernel, gate * units, units),
        recurrent: columns(recurrent, gate * units, units),
        inputBias: rows(ofX ?? none, gate * units, units),
        recurrentBias: rows(ofH ?? none, gate * units, units),
      },
    ]),
  );
}

/** Returns the weights with the paths of a new Keras 3 model of these layers. */
export function toKeras(weights: NetworkWeights): Record<string, NdArray> {
  const { cell, embedding, head } = weights;
  const { path, order, biases } = layoutOf(cell).keras;
  const both = isBidirectional(weights);
  const tensors: Record<string, NdArray> = {};
  if (embedding !== undefined) tensors["embedding/embeddings"] = embedding;
  eachDirection(weights, (direction, layer, name) => {
    const gates = order.map((gate) => gateOf(direction, gate));
    const scope = `${layerPath(path, layer, both ? name : undefined)}/${path}_cell`;
    const [ofX, ofH] = [
      stackRows(gates.map((gate) => gate.inputBias)),
      stackRows(gates.map((gate) => gate.recurrentBias)),
    ];
    tensors[`${scope}/kernel`] = stackColumns(gates.map(({ input }) => input));
    tensors[`${scope}/recurrent_kernel`] = stackColumns(gates.map(({ recurrent }) => recurrent));
    tensors[`${scope}/bias`] = biases === 2 ? stackRows([asRow(ofX), asRow(ofH)]) : sumOf(ofX, ofH);
  });
  if (head !== undefined) {
    tensors["dense/kernel"] = head.kernel;
    tensors["dense/bias"] = head.bias;
  }
  return tensors;
}

function layerPath(path: string, layer: number, direction: Direction | undefined): string {
  const number = layer === 0 ? "" : `_${layer}`;
  return direction === undefined ? `${path}${number}` : `bidirectional${number}/${direction}_${path}${number}`;
}

const asRow = (vector: NdArray): NdArray => ({ ...vector, shape: [1, ...vector.shape] });

/** The Python expression of a recurrent layer for these weights. */
export function kerasLayers(weights: NetworkWeights): string {
  const { layer, options } = layoutOf(weights.cell).keras;
  const one = `keras.layers.${layer}(${weights.units}, return_sequences=True${options})`;
  return isBidirectional(weights) ? `keras.layers.Bidirectional(${one})` : one;
}

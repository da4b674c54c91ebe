/**
 * @file Reads Flax weights by path: SimpleCell, LSTMCell, OptimizedLSTMCell and GRUCell of Linen or NNX in one direction,
 * of any depth, with an optional Embed before and an optional Dense or Linear after them. Paths are joined by `/` or `.`.
 *
 *   Linen and NNX   LSTM  ii if ig io/kernel [width, units]     hi hf hg ho/kernel [units, units], bias [units]
 *   Linen           GRU   ir iz in/kernel, bias                 hr hz hn/kernel, and hn/bias: r scales h·W + b, as in PyTorch
 *   Linen           simple  i/kernel, bias                      h/kernel
 *   NNX, stacked    dense_i/kernel [width, gates * units]       dense_h/kernel [units, gates * units]     i f g o or r z n
 *
 * Equations and names: https://flax.readthedocs.io/en/latest/api_reference/flax.linen/layers.html (Recurrent).
 */
import { at } from "../compiler/graph/errors.ts";
import { type NdArray, zeros } from "../compiler/graph/ndarray.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import { columns, rows } from "./matrices.ts";
import { byNumber, inOrder, readDense, single } from "./named-layers.ts";
import {
  assumedModules,
  checkOneWidth,
  type DirectionWeights,
  type GateWeights,
  type NetworkWeights,
  readLayers,
  reluOrTanh,
  widthBelow,
} from "./network-weights.ts";
import { quote, TensorBag } from "./tensor-bag.ts";

type Arrays = Readonly<Record<string, NdArray>>;

/** The roles of modules among Flax weights. */
export interface FlaxReadOptions {
  /** The cell, if the weights fit several: `relu-rnn` instead of `rnn`. */
  readonly cell?: string;
  /** Path of the Embed; by default the only module with an embedding. */
  readonly embedding?: string;
  /** Path of the Dense or Linear; by default the only module besides the cells that has a kernel. */
  readonly head?: string;
  /** The recurrent cells in order from the input, if names or sizes do not determine it. */
  readonly layers?: readonly string[];
}

/** A kind of cell: the letter of each gate in the names of Flax, in the order in which they are stacked. */
interface FlaxCell {
  readonly cell: string;
  readonly letters: Readonly<Record<string, string>>;
  /** The kernel [units, units or gates * units] that shows that a path is one of it. */
  readonly evidence: string;
  readonly isStacked?: true;
}

const lstm = { cell: "lstm", letters: { input: "i", forget: "f", candidate: "g", output: "o" } };
const gru = { cell: "gru-reset-after", letters: { reset: "r", update: "z", candidate: "n" } };
const simple = { cell: "rnn", letters: { hidden: "" } };
const kinds: readonly FlaxCell[] = [
  { ...lstm, evidence: "hi/kernel" },
  { ...gru, evidence: "hr/kernel" },
  { ...simple, evidence: "h/kernel" },
  { ...lstm, evidence: "dense_h/kernel", isStacked: true },
  { ...gru, evidence: "dense_h/kernel", isStacked: true },
  { ...simple, evidence: "dense_h/kernel", isStacked: true },
];

/** A cell in the file. */
interface Found {
  /** Its path, without the `cell` of an RNN module. */
  readonly name: string;
  /** What stands before the names of its tensors: nothing, or its path and a slash. */
  readonly prefix: string;
  readonly kind: FlaxCell;
  readonly units: number;
}

/** Reads the weights of a module; `where` is the name of the file in messages. Throws a UserError if they do not fit. */
export function fromFlax(tensors: Arrays, where: string, options: FlaxReadOptions = {}): NetworkWeights {
  checkedOptions("fromFlax", options, { layers: "list", cell: "string", embedding: "string", head: "string" });
  const bag = new TensorBag(tensors, where, plainName);
  const { layers, assumed } = inOrder(bag, cellsIn(bag), options.layers, {
    readsItsOwn: (cell) => inputWidth(bag, cell) === cell.units,
  });
  const [first] = layers;
  if (first === undefined)
    return bag.fail(
      "it has no hi/kernel, hr/kernel, dense_h/kernel or h/kernel, so these are not weights of a Flax LSTMCell, GRUCell or SimpleCell",
    );
  const { kind, units } = first;
  const other = layers.find((layer) => layer.kind.cell !== kind.cell);
  if (other !== undefined)
    bag.fail(`${first.name} is of cell ${kind.cell} and ${other.name} of ${other.kind.cell}; all must be of one`);
  checkOneWidth(
    layers.map(({ name }) => name),
    layers.map((layer) => layer.units),
    (fault) => bag.fail(fault),
  );
  const cell = options.cell ?? kind.cell;
  if (cell !== kind.cell && !(kind.cell === "rnn" && cell === "relu-rnn"))
    bag.fail(`its cells have the weights of ${kind.cell}, not of ${cell}`);
  const size = { units, features: inputWidth(bag, first), isBidirectional: false };
  const read = readLayers(size, layers.length, (i, _direction, width) => readCell(bag, at(layers, i), width));
  const embedding = options.embedding ?? single(bag.left, "/embedding");
  const head = options.head ?? single(bag.left, "/kernel");
  const { features } = size;
  const table =
    embedding === undefined ? undefined : bag.take(`${embedding}/embedding`, [null, features], "it was named");
  const dense = head === undefined ? undefined : readDense(bag, head, widthBelow(size, layers.length));
  bag.expectEmpty("name the embedding and the head, and remove other modules from the file");
  const notes = [
    ...assumed,
    ...(kind.cell === "rnn" && options.cell === undefined ? [reluOrTanh] : []),
    ...assumedModules(options, embedding, head),
  ];
  return {
    ...{ cell, units, features, layers: read },
    ...(table && { embedding: table }),
    ...(dense && { head: dense }),
    ...(notes.length > 0 && { assumed: notes }),
  };
}

/** The path without what only wraps it: the collection `params`, and the field of an NNX variable. */
function plainName(name: string): string {
  return name
    .replaceAll(".", "/")
    .replace(/^params\//, "")
    .replace(/\/value$/, "")
    .replace(/(^|\/)if_(?=\/)/, "$1if");
}

function cellsIn(bag: TensorBag): Found[] {
  const found = bag.left.flatMap((key): Found[] => {
    const kind = kinds.find(({ evidence }) => key === evidence || key.endsWith(`/${evidence}`));
    if (kind === undefined) return [];
    const prefix = key.slice(0, -kind.evidence.length);
    const name = prefix.replace(/(^|\/)(cell)?\/?$/, "");
    const [units = 0, stacked = 0] = bag.shape(key) ?? [];
    if (!kind.isStacked) return [{ name, prefix, kind, units }];
    const of = kinds.find(({ isStacked, letters }) => isStacked && Object.keys(letters).length * units === stacked);
    if (of === undefined)
      return bag.fail(
        `tensor ${quote(key)} is [${units}, ${stacked}]; expected [units, units] of a SimpleCell, or 3 (GRU) or 4 (LSTM) times as many columns`,
      );
    return [{ name, prefix, kind: of, units }];
  });
  return found.sort((a, b) => byNumber(a.name, b.name));
}

function inputWidth(bag: TensorBag, { prefix, kind }: Found): number {
  const [letter] = Object.values(kind.letters);
  return bag.shape(`${prefix}${kind.isStacked ? "dense_i" : `i${letter}`}/kernel`)?.[0] ?? 0;
}

function readCell(bag: TensorBag, { name, prefix, kind, units }: Found, width: number): DirectionWeights {
  const gates = Object.entries(kind.letters);
  const why = `${name === "" ? "the cell" : name} needs it`;
  const kernel = (part: string, from: number, to: number) => bag.take(`${prefix}${part}/kernel`, [from, to], why);
  const bias = (part: string, to: number) => {
    const path = `${prefix}${part}/bias`;
    return bag.has(path) ? bag.take(path, [to], why) : zeros([to]);
  };
  if (!kind.isStacked)
    return byGate(gates, ([, letter]) => ({
      input: kernel(`i${letter}`, width, units),
      recurrent: kernel(`h${letter}`, units, units),
      inputBias: bias(`i${letter}`, units),
      recurrentBias: bias(`h${letter}`, units),
    }));
  const total = gates.length * units;
  const [input, recurrent] = [kernel("dense_i", width, total), kernel("dense_h", units, total)];
  const [ofX, ofH] = [bias("dense_i", total), bias("dense_h", total)];
  return byGate(gates, (_, i) => ({
    input: columns(input, i * units, units),
    recurrent: columns(recurrent, i * units, units),
    inputBias: rows(ofX, i * units, units),
    recurrentBias: rows(ofH, i * units, units),
  }));
}

type Gate = readonly [name: string, letter: string];

function byGate(gates: readonly Gate[], weights: (gate: Gate, i: number) => GateWeights): DirectionWeights {
  return Object.fromEntries(gates.map((gate, i) => [gate[0], weights(gate, i)]));
}

/**
 * @file Reads and writes PyTorch state dicts: nn.RNN (tanh or relu), nn.LSTM and nn.GRU of any depth, in one direction or
 * both, with an optional nn.Embedding before and an optional nn.Linear after them.
 *
 *   weight_ih_l1_reverse [gates * hidden, width]    weight_hh_l1_reverse [gates * hidden, hidden]    bias_ih_…, bias_hh_…
 *   embedding.weight [symbols, width]               head.weight [outputs, width], head.bias [outputs]
 */
import { at } from "../compiler/graph/errors.ts";
import { type NdArray, zeros } from "../compiler/graph/ndarray.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import { rows, stackRows, transposed } from "./matrices.ts";
import {
  assumedModules,
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
  withBiasesOf,
} from "./network-weights.ts";
import { quote, TensorBag } from "./tensor-bag.ts";

type Arrays = Readonly<Record<string, NdArray>>;

/** The roles of modules in a state dict. */
export interface PyTorchReadOptions {
  /** Prefix of the recurrent module, such as `encoder.`. If given, only modules named by these options are read. */
  readonly prefix?: string;
  /** The cell, if the number of gates fits several: `relu-rnn` instead of `rnn`. */
  readonly cell?: string;
  /** The nn.Embedding, such as `tokens`; by default the only module with a weight and no bias. */
  readonly embedding?: string;
  /** The nn.Linear, such as `decoder`; by default the only other module with weight and bias. */
  readonly head?: string;
}

/** Names of modules in a state dict. */
export interface PyTorchNames {
  /** Prefix of the recurrent module: `rnn.` by default, or empty if it is the only module. */
  readonly prefix?: string;
  /** The nn.Embedding: `embedding` by default. */
  readonly embedding?: string;
  /** The nn.Linear: `head` by default. */
  readonly head?: string;
}

const ofNames = { prefix: "string", embedding: "string", head: "string" } as const;

const recurrentKey = /^(.*?)(?:weight|bias)_(?:ih|hh|hr)_l(\d+)(_reverse)?$/;
const cellOfGates: Readonly<Record<number, string>> = { 1: "rnn", 3: "gru-reset-after", 4: "lstm" };

/** Reads a state dict; `where` is its name in messages. Throws a UserError if it does not fit. */
export function fromPyTorch(tensors: Arrays, where: string, options: PyTorchReadOptions = {}): NetworkWeights {
  checkedOptions("fromPyTorch", options, { ...ofNames, cell: "string" });
  const bag = new TensorBag(tensors, where);
  const prefix = options.prefix ?? onlyPrefix(bag);
  const keys = bag.left.map((key) => recurrentKey.exec(key)).filter((found) => found?.[1] === prefix);
  if (bag.has(`${prefix}weight_hr_l0`)) bag.fail("the LSTM has projections (proj_size), which are not supported");
  const [stacked, units] = bag.shape(`${prefix}weight_hh_l0`) ?? [];
  if (stacked === undefined || units === undefined || stacked % units !== 0)
    return bag.fail(`tensor ${quote(`${prefix}weight_hh_l0`)} is missing or is not [gates * hidden, hidden]`);
  const order = gateOrder(bag, stacked / units, options.cell);
  const size = {
    units,
    features: bag.shape(`${prefix}weight_ih_l0`)?.[1] ?? 0,
    isBidirectional: keys.some((found) => found?.[3] !== undefined),
  };
  const hasBias = bag.left.some((key) => key.startsWith(`${prefix}bias_`));
  const count = Math.max(...keys.map((found) => Number(found?.[2]))) + 1;
  const layers = readLayers(size, count, (layer, direction, width) =>
    readDirection(bag, { prefix, suffix: suffixOf(layer, direction), gates: order.gates, width, units, hasBias }),
  );
  const width = widthBelow(size, count);
  const found = otherModules(bag, options, { features: size.features, width });
  const embedding = found.embedding && bag.take(weightOf(found.embedding), [null, size.features], "it was named");
  const head = found.head === undefined ? undefined : readLinear(bag, found.head, width);
  if (options.prefix === undefined)
    bag.expectEmpty("name the embedding and the head, or give the prefix of the recurrent module to ignore all others");
  const { features } = size;
  const assumed = [
    ...(order.cell === "rnn" && options.cell === undefined ? [reluOrTanh] : []),
    ...assumedModules(options, found.embedding, found.head),
  ];
  return {
    ...{ cell: order.cell, units, features, layers },
    ...(embedding && { embedding }),
    ...(head && { head }),
    ...(assumed.length > 0 && { assumed }),
  };
}

function onlyPrefix(bag: TensorBag): string {
  const prefixes = [
    ...new Set(bag.left.map((key) => recurrentKey.exec(key)?.[1]).filter((text) => text !== undefined)),
  ];
  const [prefix] = prefixes;
  if (prefix === undefined)
    return bag.fail("it has no weight_ih_l0, so it is not a state dict with an nn.RNN, nn.LSTM or nn.GRU");
  if (prefixes.length > 1)
    bag.fail(`it has several recurrent modules; choose one by its prefix: ${prefixes.join(", ")}`);
  return prefix;
}

function gateOrder(
  bag: TensorBag,
  count: number,
  asked: string | undefined,
): { cell: string; gates: readonly string[] } {
  const cell = asked ?? cellOfGates[count];
  if (cell === undefined) return bag.fail(`its layers have ${count} gates; nn.RNN has 1, nn.GRU 3 and nn.LSTM 4`);
  const gates = layoutOf(cell).pytorch?.order;
  if (gates === undefined) return bag.fail(`PyTorch has no module that computes cell ${cell}`);
  if (gates.length !== count) bag.fail(`its layers have ${count} gates, and cell ${cell} has ${gates.length}`);
  return { cell, gates };
}

interface DirectionPlace {
  readonly prefix: string;
  readonly suffix: string;
  readonly gates: readonly string[];
  readonly width: number;
  readonly units: number;
  readonly hasBias: boolean;
}

function readDirection(bag: TensorBag, place: DirectionPlace): DirectionWeights {
  const { prefix, suffix, gates, width, units, hasBias } = place;
  const total = gates.length * units;
  const why = `layer ${suffix} needs it`;
  const take = (kind: string, shape: readonly number[]) => bag.take(`${prefix}${kind}_${suffix}`, shape, why);
  const [ih, hh] = [take("weight_ih", [total, width]), take("weight_hh", [total, units])];
  const [ofX, ofH] = hasBias ? [take("bias_ih", [total]), take("bias_hh", [total])] : [zeros([total]), zeros([total])];
  const part = (stacked: NdArray, gate: number) => rows(stacked, gate * units, units);
  return Object.fromEntries(
    gates.map((name, gate) => [
      name,
      {
        input: transposed(part(ih, gate)),
        recurrent: transposed(part(hh, gate)),
        inputBias: part(ofX, gate),
        recurrentBias: part(ofH, gate),
      },
    ]),
  );
}

function suffixOf(layer: number, direction: Direction): string {
  return `l${layer}${direction === "backward" ? "_reverse" : ""}`;
}

/** The modules around the recurrent one: as named by options, or if the remaining modules fit in only one way. */
function otherModules(bag: TensorBag, { prefix, embedding, head }: PyTorchReadOptions, sizes: Sizes): Modules {
  if (prefix !== undefined) return { embedding, head };
  const unnamed = bag.left
    .filter((key) => key.endsWith(".weight"))
    .map((key) => key.slice(0, -".weight".length))
    .filter((name) => name !== embedding && name !== head);
  const alone = bag.left.find((key) => key.endsWith(".bias") && !bag.has(`${key.slice(0, -".bias".length)}.weight`));
  if (alone !== undefined)
    bag.fail(
      `tensor ${quote(alone)} has no matching weight; a weight shared by two modules must be stored under both names`,
    );
  // There are only two roles.
  if (unnamed.length > 2) return { embedding, head };
  const fits = (name: string | undefined, width: number) => {
    const shape = name === undefined ? undefined : bag.shape(weightOf(name));
    return name === undefined || (shape?.length === 2 && shape[1] === width);
  };
  // Each role is filled by the named module, an unnamed one, or none; every module must have a role.
  const places = (named: string | undefined) => (named === undefined ? [undefined, ...unnamed] : [named]);
  const readings = places(embedding).flatMap((e) => places(head).map((h): Modules => ({ embedding: e, head: h })));
  const possible = readings.filter(
    (reading) =>
      unnamed.every((name) => (name === reading.embedding) !== (name === reading.head)) &&
      (reading.embedding === embedding ||
        (!bag.has(`${reading.embedding}.bias`) && fits(reading.embedding, sizes.features))) &&
      (reading.head === head || fits(reading.head, sizes.width)),
  );
  const [only, ...others] = possible;
  if (only !== undefined && others.length === 0) return only;
  if (only === undefined) return { embedding, head };
  const ways = possible.map(describe).join(", or ");
  return bag.fail(`its modules can be read in several ways: ${ways}; name the embedding or the head (embedding, head)`);
}

const describe = ({ embedding, head }: Modules): string =>
  [embedding && `${embedding} is the embedding`, head && `${head} is the head`].filter(Boolean).join(" and ");

interface Sizes {
  /** Input width of the first layer, and output width of the last. */
  readonly features: number;
  readonly width: number;
}

interface Modules {
  readonly embedding: string | undefined;
  readonly head: string | undefined;
}

function readLinear(bag: TensorBag, name: string, width: number) {
  const weight = bag.take(weightOf(name), [null, width], `it is the weight of ${name}`);
  const outputs = at(weight.shape, 0);
  const hasBias = bag.has(`${name}.bias`);
  const bias = hasBias ? bag.take(`${name}.bias`, [outputs], `it is the bias of ${name}`) : zeros([outputs]);
  return { kernel: transposed(weight), bias };
}

const weightOf = (module: string) => `${module}.weight`;

/** Returns a state dict that PyTorch loads with `strict=True`. */
export function toPyTorch(weights: NetworkWeights, names: PyTorchNames = {}): Record<string, NdArray> {
  checkedOptions("toPyTorch", names, ofNames);
  const { cell, embedding, head } = weights;
  const isAlone = embedding === undefined && head === undefined;
  const { prefix = isAlone ? "" : "rnn." } = names;
  const { order } = pyTorchLayer(cell);
  const tensors: Record<string, NdArray> = {};
  if (embedding !== undefined) tensors[weightOf(names.embedding ?? "embedding")] = embedding;
  eachDirection(weights, (direction, layer, name) => {
    const gates = order.map((gate) => gateOf(direction, gate));
    const suffix = suffixOf(layer, name);
    tensors[`${prefix}weight_ih_${suffix}`] = stackRows(gates.map(({ input }) => transposed(input)));
    tensors[`${prefix}weight_hh_${suffix}`] = stackRows(gates.map(({ recurrent }) => transposed(recurrent)));
    tensors[`${prefix}bias_ih_${suffix}`] = stackRows(gates.map(({ inputBias }) => inputBias));
    tensors[`${prefix}bias_hh_${suffix}`] = stackRows(gates.map(({ recurrentBias }) => recurrentBias));
  });
  if (head !== undefined) {
    tensors[weightOf(names.head ?? "head")] = transposed(head.kernel);
    tensors[`${names.head ?? "head"}.bias`] = head.bias;
  }
  return tensors;
}

/**
 * Returns the state dict `original` with these weights under its names; its other tensors are unchanged. If nothing was
 * trained, the result equals the original bit for bit. `where` is its name in messages.
 */
export function toPyTorchLike(
  weights: NetworkWeights,
  original: Arrays,
  where: string,
  options: PyTorchReadOptions = {},
): Record<string, NdArray> {
  checkedOptions("toPyTorchLike", options, { ...ofNames, cell: "string" });
  return { ...original, ...writtenLike(weights, original, where, options) };
}

/** Returns the tensors of `original` that are overwritten. */
export function writtenLike(
  weights: NetworkWeights,
  original: Arrays,
  where: string,
  options: PyTorchReadOptions = {},
): Record<string, NdArray> {
  const before = fromPyTorch(original, where, { ...options, cell: weights.cell });
  const bag = new TensorBag(original, where);
  const { features, units } = before;
  const width = units * (isBidirectional(before) ? 2 : 1);
  const { embedding, head } = otherModules(bag, options, { features, width });
  const names = { prefix: options.prefix ?? onlyPrefix(bag), ...(embedding && { embedding }), ...(head && { head }) };
  const written = toPyTorch(withBiasesOf(weights, before), names);
  for (const [name, { shape, data }] of Object.entries(written)) {
    if (bag.has(name)) bag.take(name, shape, "it is written");
    // A layer without biases equals one with zero biases.
    else if (data.some((value) => value !== 0)) bag.fail(`it has no tensor ${quote(name)} to write to`);
  }
  return Object.fromEntries(Object.entries(written).filter(([name]) => Object.hasOwn(original, name)));
}

/** The Python expression of the recurrent module for these weights. */
export function pyTorchModule(weights: NetworkWeights): string {
  const { module, options } = pyTorchLayer(weights.cell);
  const both = isBidirectional(weights) ? ", bidirectional=True" : "";
  return `torch.nn.${module}(${weights.features}, ${weights.units}, num_layers=${weights.layers.length}${options}${both})`;
}

function pyTorchLayer(cell: string) {
  const { pytorch } = layoutOf(cell);
  if (pytorch !== undefined) return pytorch;
  return new TensorBag({}, cell).fail("PyTorch has no module that computes this cell");
}

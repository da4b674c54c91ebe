/**
 * @file Reads the configuration of a Keras model, from a .keras file or a whole model in HDF5: the order of its layers, and
 * whether they compute the same as cellgrad's cells. The weights do not show this.
 */
import { UserError } from "../compiler/graph/errors.ts";
import { quote } from "./tensor-bag.ts";

/** A network as described by its configuration. */
export interface KerasStack {
  /** Names of the recurrent layers, from the input on. */
  readonly layers: readonly string[];
  /** Name of the matching built-in cell. */
  readonly cell: string;
  readonly embedding?: string;
  readonly head?: string;
  /** Notes about parts that are left out. */
  readonly remarks: readonly string[];
  /** Class and name of every layer, in the model's order. */
  readonly all: readonly { readonly kind: string; readonly name: string }[];
}

type Json = Readonly<Record<string, unknown>>;

/** Layers that do nothing at inference. */
const inactive = ["InputLayer", "Dropout", "SpatialDropout1D", "GaussianNoise", "GaussianDropout", "AlphaDropout"];
const recurrent = ["SimpleRNN", "LSTM", "GRU"];

/** Reads a configuration; `where` is the name of the file in messages. Throws a UserError if it does not fit. */
export function readKerasConfig(text: string, where: string): KerasStack {
  const fail = (fault: string): never => {
    throw new UserError(`${where}: ${fault}`);
  };
  let model: unknown;
  try {
    model = JSON.parse(text);
  } catch (cause) {
    throw new UserError(`${where}: its configuration is not JSON`, { cause });
  }
  const described = recordOf(recordOf(model).config).layers;
  if (!Array.isArray(described)) return fail("its configuration lists no layers");
  const layers = described.map((layer) => layerOf(layer));
  checkChain(layers, fail);
  let [embedding, head, cell]: (string | undefined)[] = [];
  const [names, remarks]: [string[], string[]] = [[], []];
  for (const { kind, name, config } of layers) {
    const label = `its layer ${quote(name)}`;
    const inner = kind === "TimeDistributed" ? layerOf(config.layer) : { kind, config };
    if (inactive.includes(kind)) continue;
    if (kind === "Embedding" && embedding === undefined && names.length === 0) embedding = name;
    else if (recurrent.includes(kind) || kind === "Bidirectional") {
      if (head !== undefined)
        fail(`${label} comes after ${quote(head)}; recurrent layers must directly follow each other`);
      const found = cellOf(kind, config, label, fail);
      if (cell !== undefined && cell !== found)
        fail(`its layers are of two kinds, ${cell} and ${found}; they must all be the same`);
      cell = found;
      names.push(name);
    } else if (inner.kind === "Dense" && head === undefined && names.length > 0) {
      head = name;
      remarks.push(...remarkOf(inner.config, label, fail));
    } else if (kind === "Activation" && head !== undefined) remarks.push(...remarkOf(config, label, fail));
    else fail(`${label} is a ${kind}; supported are an Embedding, then recurrent layers, then a Dense`);
  }
  if (cell === undefined) return fail("it has no recurrent layer: no SimpleRNN, LSTM or GRU");
  const all = layers.map(({ kind, name }) => ({ kind, name }));
  return { layers: names, cell, ...(embedding && { embedding }), ...(head && { head }), remarks, all };
}

type Fail = (fault: string) => never;

interface Layer {
  readonly kind: string;
  readonly name: string;
  readonly config: Json;
  readonly inbound: unknown;
}

function layerOf(value: unknown): Layer {
  const { class_name: kind, config, name, inbound_nodes: inbound } = recordOf(value);
  const settings = recordOf(config);
  return { kind: String(kind), name: String(settings.name ?? name), config: settings, inbound };
}

const recordOf = (value: unknown): Json =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};

/** In a functional model, each layer must read only the one before it. */
function checkChain(layers: readonly Layer[], fail: Fail): void {
  for (const [i, { name, kind, inbound }] of layers.entries()) {
    if (inbound === undefined || kind === "InputLayer") continue;
    const sources = [...new Set(namesIn(inbound, new Set(layers.map((layer) => layer.name))))];
    const before = layers[i - 1]?.name;
    if (sources.length === 1 && sources[0] === before) continue;
    fail(`its layers are not a chain: ${quote(name)} reads ${sources.map(quote).join(", ") || "nothing"}`);
  }
}

/** Names of layers anywhere in a description of connections, whose format differs between versions. */
function namesIn(value: unknown, known: ReadonlySet<string>): string[] {
  if (typeof value === "string") return known.has(value) ? [value] : [];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap((item) => namesIn(item, known));
}

/** The built-in cell of a layer; the layer's settings must match it. */
function cellOf(kind: string, config: Json, label: string, fail: Fail): string {
  if (kind === "Bidirectional") {
    if ((config.merge_mode ?? "concat") !== "concat")
      fail(`${label} has merge_mode ${config.merge_mode}; only concat is supported`);
    const { kind: inner, config: settings } = layerOf(config.layer);
    if (!recurrent.includes(inner)) fail(`${label} is a bidirectional ${inner}, which is not supported`);
    return cellOf(inner, settings, label, fail);
  }
  const wanted = (setting: string, expected: string) => {
    const found = activationOf(config[setting], expected);
    if (found !== expected) fail(`${label} has ${setting} ${found}; only ${expected} is supported`);
  };
  if (config.go_backwards === true)
    fail(`${label} has go_backwards, which is not supported; reverse the sequence instead`);
  if (kind === "SimpleRNN") {
    const activation = activationOf(config.activation, "tanh");
    if (activation === "relu") return "relu-rnn";
    wanted("activation", "tanh");
    return "rnn";
  }
  wanted("activation", "tanh");
  wanted("recurrent_activation", "sigmoid");
  if (kind === "LSTM") return "lstm";
  return config.reset_after === false ? "gru" : "gru-reset-after";
}

/** A name, or an object that wraps one. */
function activationOf(value: unknown, otherwise: string): string {
  if (value === undefined || value === null) return otherwise;
  return typeof value === "string" ? value : String(recordOf(value).config ?? recordOf(value).class_name);
}

/** A note about the head's activation. Softmax is left out: it does not change which symbol is most likely. */
function remarkOf(config: Json, label: string, fail: Fail): string[] {
  const activation = activationOf(config.activation, "linear");
  if (activation === "linear") return [];
  if (activation === "softmax") return [`${label} ends with softmax, which is left out: the outputs are logits`];
  return fail(`${label} ends with ${activation}; a head supports only a linear activation or softmax`);
}

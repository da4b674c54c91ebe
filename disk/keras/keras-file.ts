/**
 * @file Reads Keras files: .keras (a zip with the configuration, and weights in HDF5), .weights.h5, and Keras 2 models or
 * weights in one .h5. Tensors get the paths that `fromKeras` expects; the file's layer order and cells become its options.
 *
 *   .weights.h5   layers/lstm_1/cell/vars/0 …    groups by class, numbered in the model's order; `vars` has the layer's name
 *   .h5           lists layer_names and, for each layer, weight_names; sometimes within model_weights
 */
import { messageOf, oneLine, UserError } from "../../compiler/graph/errors.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import type { KerasReadOptions } from "../../interchange/keras.ts";
import { type KerasStack, readKerasConfig } from "../../interchange/keras-config.ts";
import { readWhenAsked } from "../../train/files/safetensors.ts";
import { readBytes } from "../data-files.ts";
import { isHdf5, readHdf5, type Tree } from "./hdf5.ts";

/** The arguments of `fromKeras`. */
export interface KerasFile {
  /** Arrays by path, each read on demand. */
  readonly tensors: Readonly<Record<string, NdArray>>;
  /** The order of the layers, and their cells if the file records them. */
  readonly options: KerasReadOptions;
  /** Notes about parts of the model that the weights do not include. */
  readonly remarks: readonly string[];
}

/** The arrays of a layer by their path in it, such as cell/kernel or forward_layer/cell/bias. */
interface FileLayer {
  readonly group: string;
  readonly name: string;
  readonly arrays: Readonly<Record<string, () => NdArray>>;
}

const isZip = (bytes: Uint8Array) => [0x50, 0x4b, 0x03, 0x04].every((byte, i) => bytes[i] === byte);

export const isKerasFile = (bytes: Uint8Array) => isZip(bytes) || isHdf5(bytes);

/**
 * Reads a Keras file (.keras, .weights.h5, or a Keras 2 .h5) for `fromKeras(tensors, path, options)`. Runs no code from
 * the file.
 *
 * @throws UserError if the file does not exist, is damaged, or has layers that cellgrad does not support.
 */
export async function readKeras(path: string): Promise<KerasFile> {
  const bytes = await readBytes(path);
  if (!isKerasFile(bytes)) throw new UserError(`${path} is neither a zip nor an HDF5 file, so it is not a Keras file`);
  return readKerasFile(bytes, path);
}

/** Reads the bytes of a Keras file; `name` is its name in messages. Throws a UserError if they are invalid. */
export async function readKerasFile(bytes: Uint8Array, name: string): Promise<KerasFile> {
  if (!isZip(bytes)) {
    const tree = await readHdf5(bytes, name);
    return kerasFile(tree, tree.texts.model_config, name);
  }
  const { config, weights } = await unzipped(bytes, name);
  return kerasFile(await readHdf5(weights, name), new TextDecoder().decode(config), name);
}

/** Most bytes of one entry of a .keras file. */
const largestPart = 2 ** 31;

async function unzipped(bytes: Uint8Array, name: string) {
  const { unzipSync } = await import("fflate");
  const parts = { config: "config.json", weights: "model.weights.h5" };
  let files: Readonly<Record<string, Uint8Array>>;
  try {
    files = unzipSync(bytes, {
      filter: (file) => Object.values(parts).includes(file.name) && file.originalSize < largestPart,
    });
  } catch (cause) {
    throw new UserError(`${name} looks like a zip but cannot be unpacked: ${oneLine(messageOf(cause))}`, { cause });
  }
  const part = (file: string) => {
    const found = files[file];
    if (found === undefined) throw new UserError(`${name} is a zip without ${file}, so it is not a .keras file`);
    return found;
  };
  return { config: part(parts.config), weights: part(parts.weights) };
}

function kerasFile(tree: Tree, config: string | undefined, name: string): KerasFile {
  const stack = config === undefined ? undefined : readKerasConfig(config, name);
  const layers = layersOf(tree, name);
  const named = stack === undefined ? layers : namedLayers(layers, stack);
  const tensors = readWhenAsked(
    named.flatMap((layer) =>
      Object.entries(layer.arrays).map(([path, read]) => [`${layer.name}/${path}`, read] as const),
    ),
  );
  if (stack !== undefined) {
    const { remarks, all: _, ...options } = stack;
    return { tensors, options, remarks };
  }
  const isRecurrent = ({ arrays }: FileLayer) =>
    Object.keys(arrays).some((path) => /(^|\/)recurrent_kernel$/.test(path));
  const defaults = "activations are assumed to be Keras's defaults: a weights file does not record them";
  return { tensors, options: { layers: named.filter(isRecurrent).map((layer) => layer.name) }, remarks: [defaults] };
}

/** The layers with their names from the configuration: older weight files do not record them. */
function namedLayers(layers: readonly FileLayer[], { all }: KerasStack): readonly FileLayer[] {
  const counts = new Map<string, number>();
  const nameOfGroup = new Map<string, string>();
  for (const { kind, name } of all) {
    const stem = kind
      .replace(/(.)([A-Z][a-z0-9]+)/g, "$1_$2")
      .replace(/([a-z])([A-Z])/g, "$1_$2")
      .toLowerCase();
    const count = counts.get(stem) ?? 0;
    counts.set(stem, count + 1);
    nameOfGroup.set(count === 0 ? stem : `${stem}_${count}`, name);
  }
  const known = new Set(all.map(({ name }) => name));
  return layers.map((layer) =>
    known.has(layer.name) ? layer : { ...layer, name: nameOfGroup.get(layer.group) ?? layer.name },
  );
}

function layersOf(tree: Tree, name: string): readonly FileLayer[] {
  const legacy = tree.groups.model_weights ?? tree;
  const { layer_names: names } = legacy.lists;
  if (names !== undefined) return names.map((layer) => legacyLayer(legacy.groups[layer], layer));
  const groups = tree.groups.layers ?? tree.groups._layer_checkpoint_dependencies;
  if (groups === undefined)
    throw new UserError(`${name} has neither layers nor layer_names, so it is not a Keras file`);
  const found = Object.entries(groups.groups).map(([group, layer]): FileLayer => {
    const stem = group.replace(/_\d+$/, "");
    return { group, name: layer.groups.vars?.texts.name ?? group, arrays: arraysOf(layer, stem) };
  });
  return found.sort((a, b) => a.group.localeCompare(b.group, "en", { numeric: true }));
}

/** The arrays of a layer, named as its Keras class names its variables. */
function arraysOf(layer: Tree, stem: string): FileLayer["arrays"] {
  const { vars, cell, layer: wrapped, ...others } = layer.groups;
  if (wrapped !== undefined) return arraysOf(wrapped, "dense");
  const namesOf: Readonly<Record<string, readonly string[]>> = {
    cell: ["kernel", "recurrent_kernel", "bias"],
    embedding: ["embeddings"],
    dense: ["kernel", "bias"],
  };
  const named = (of: Tree | undefined, names: readonly string[] = []) =>
    Object.entries(of?.arrays ?? {}).map(([key, read]) => [names[Number(key)] ?? `variable ${key}`, read] as const);
  const inner = Object.entries(others).flatMap(([key, group]) =>
    // Random seeds, used only in training.
    key.includes("seed_generator")
      ? []
      : Object.entries(arraysOf(group, key)).map(([path, read]) => [`${key}/${path}`, read] as const),
  );
  const ofCell = named(cell?.groups.vars, namesOf.cell).map(([key, read]) => [`cell/${key}`, read] as const);
  return Object.fromEntries([...named(vars, namesOf[stem]), ...ofCell, ...inner]);
}

/** The arrays of a Keras 2 layer: `seq/lstm_in/lstm_cell/kernel:0` becomes cell/kernel. */
function legacyLayer(layer: Tree | undefined, name: string): FileLayer {
  const arrays = (layer?.lists.weight_names ?? []).flatMap((path) => {
    const segments = path.split("/");
    const leaf = segments.at(-1) ?? "";
    let group = layer;
    for (const segment of segments.slice(0, -1)) group = group?.groups[segment];
    const read = group?.arrays[leaf];
    const direction = segments.find((segment) => /^(forward|backward)_/.test(segment));
    const isOfCell = segments.some((segment) => /_cell(_\d+)?$/.test(segment));
    const place = [direction, isOfCell ? "cell" : undefined, leaf.replace(/:0$/, "")].filter(
      (part) => part !== undefined,
    );
    return read === undefined ? [] : [[place.join("/"), read] as const];
  });
  return { group: name, name, arrays: Object.fromEntries(arrays) };
}

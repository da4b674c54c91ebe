/**
 * @file The arena: all parameters one after the other in one flat f32 array. Gradients and optimizer slots have the
 * same layout, so that an update is elementwise over a handful of buffers however many parameters there are.
 */
import type { ParameterTensors } from "../compiler/dsl/parameters.ts";
import { formatShape, sameShape } from "../compiler/graph/dim.ts";
import { at, inWords, UserError } from "../compiler/graph/errors.ts";
import { type Graph, inputName, type NodeId, nodeAt } from "../compiler/graph/graph.ts";
import { type NdArray, sizeOfNumbers, valueFault } from "../compiler/graph/ndarray.ts";
import { concat, slice } from "../compiler/ops/pieces.ts";
import { fill, reshape } from "../compiler/ops/views.ts";
import type { Tensor } from "../compiler/trace/tensor.ts";

/** A parameter's location in the arena. */
export interface ArenaEntry {
  /** The parameter's path. */
  readonly path: string;
  /** The parameter's shape. */
  readonly shape: readonly number[];
  /** Index of its first element. */
  readonly offset: number;
  /** Number of elements. */
  readonly size: number;
}

/** The layout of the flat array of all parameters. */
export interface Arena {
  /** Total number of elements. */
  readonly size: number;
  /** The parameters, in their order in the array. */
  readonly entries: readonly ArenaEntry[];
}

/** Lays out parameters in the given order, without gaps. */
export function arenaOf(specs: readonly { readonly path: string; readonly shape: readonly number[] }[]): Arena {
  let offset = 0;
  const entries = specs.map(({ path, shape }) => {
    const size = sizeOfNumbers(shape);
    offset += size;
    return { path, shape, offset: offset - size, size };
  });
  return { size: offset, entries };
}

/** The shapes of the parameters, in their order. */
export function shapesOf({ entries }: Arena): readonly (readonly number[])[] {
  return entries.map(({ shape }) => shape);
}

/** The inputs of a graph that have the layout of the parameters, for `CompileOptions.parts`. */
export function partsOf(graph: Graph, arena: Arena): Readonly<Record<string, readonly (readonly number[])[]>> {
  const names = graph.inputs
    .map((id) => inputName(graph, id))
    .filter(
      (name, i) => (name === "parameters" || name.startsWith("slots/")) && isFlat(graph, at(graph.inputs, i), arena),
    );
  return Object.fromEntries(names.map((name) => [name, shapesOf(arena)]));
}

function isFlat(graph: Graph, input: NodeId, { size }: Arena): boolean {
  const { shape } = nodeAt(graph, input).aval;
  return shape.length === 1 && shape[0] === size;
}

/** Returns the parameters by path, as views of the flat tensor [size]. */
export function unpack(flat: Tensor<"f32">, arena: Arena): ParameterTensors {
  return Object.fromEntries(
    arena.entries.map(({ path, shape, offset, size }) => [path, reshape(slice(flat, 0, offset, size), shape)]),
  );
}

/** Concatenates tensors by path into one flat tensor [size]. */
export function pack(tensors: ParameterTensors, arena: Arena): Tensor<"f32"> {
  return concat(
    arena.entries.map(({ path, size }) => {
      const tensor = tensors[path];
      if (tensor === undefined) throw new UserError(`parameter ${path} is missing among those to pack`);
      return reshape(tensor, [size]);
    }),
  );
}

/** A flat tensor [size] in which every element of a parameter has the value that `numberOf` returns for it. */
export function perParameter(arena: Arena, numberOf: (entry: ArenaEntry) => number): Tensor<"f32"> {
  const runs: { size: number; readonly value: number }[] = [];
  for (const entry of arena.entries) {
    const [value, last] = [numberOf(entry), runs[runs.length - 1]];
    if (last?.value === value) last.size += entry.size;
    else runs.push({ size: entry.size, value });
  }
  return concat(runs.map(({ size, value }) => fill([size], value)));
}

/** Copies the parameters out of a flat array, into one array for each path. */
export function unpackArray(flat: NdArray, arena: Arena): Record<string, NdArray> {
  if (flat.data.length !== arena.size)
    throw new UserError(`the array has ${flat.data.length} numbers; the parameters need ${arena.size}`);
  return Object.fromEntries(
    arena.entries.map(({ path, shape, offset, size }) => [
      path,
      { dtype: "f32", shape, data: flat.data.slice(offset, offset + size) } satisfies NdArray,
    ]),
  );
}

/** The inverse of `unpackArray`: expects every parameter of the arena in its shape, and no others. */
export function packArrays(arrays: Readonly<Record<string, NdArray>>, arena: Arena): NdArray {
  // Callers in JavaScript can pass anything.
  if (typeof arrays !== "object" || arrays === null || Array.isArray(arrays))
    throw new UserError(`the parameters are ${inWords(arrays)}; expected an array for each path`);
  const known = new Set(arena.entries.map(({ path }) => path));
  const stranger = Object.keys(arrays).find((path) => !known.has(path));
  if (stranger !== undefined) throw new UserError(`the model has no parameter ${JSON.stringify(stranger)}`);
  const data = new Float64Array(arena.size);
  for (const { path, shape, offset } of arena.entries) {
    const array = Object.hasOwn(arrays, path) ? arrays[path] : undefined;
    if (array === undefined) throw new UserError(`parameter ${path} is missing`);
    const fault = valueFault(array, "f32");
    if (fault !== undefined) throw new UserError(`parameter ${path} ${fault}`);
    if (!sameShape(array.shape, shape))
      throw new UserError(`parameter ${path} is ${formatShape(array.shape)}; the model expects ${formatShape(shape)}`);
    data.set(array.data, offset);
  }
  return { dtype: "f32", shape: [arena.size], data };
}

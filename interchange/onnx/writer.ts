/**
 * @file Writes one ONNX graph, node by node. Graphs nest like the loops of the IR: a body reads values of outer graphs by
 * name, so names are unique over all of them, and values that depend only on sizes are written once, in the outermost.
 */
import { type Dim, dimCoefficient, dimFactors } from "../../compiler/graph/dim.ts";
import { at, UserError } from "../../compiler/graph/errors.ts";
import type { Aval } from "../../compiler/graph/graph.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { attributeTypes, dataTypes, type Message } from "./schema.ts";

/** Attributes of a node: a number, a list of numbers, a text, or a graph. */
export type Attributes = Readonly<Record<string, number | readonly number[] | string | Message<"Graph">>>;

/** An element type of ONNX: those of the IR, and int64 for sizes and indices. */
export type ElementType = keyof typeof dataTypes;

export class OnnxWriter {
  readonly #outer: OnnxWriter | undefined;
  readonly #nodes: Message<"Node">[] = [];
  // Shared with the outermost graph.
  readonly #initializers: Message<"Tensor">[];
  readonly #taken: Set<string>;
  readonly #once: Map<string, string>;
  readonly #symbols: Map<string, { readonly input: string; readonly axis: number }>;

  constructor(outer?: OnnxWriter) {
    this.#outer = outer;
    this.#initializers = outer === undefined ? [] : outer.#initializers;
    this.#taken = outer === undefined ? new Set() : outer.#taken;
    this.#once = outer === undefined ? new Map() : outer.#once;
    this.#symbols = outer === undefined ? new Map() : outer.#symbols;
  }

  /** Returns a unique name. */
  name(wanted: string): string {
    let name = wanted;
    for (let count = 1; this.#taken.has(name); count++) name = `${wanted}_${count}`;
    this.#taken.add(name);
    return name;
  }

  /** Adds an input, whose axes define the sizes of symbols. */
  input(wanted: string, aval: Aval): Message<"ValueInfo"> {
    const name = this.name(wanted);
    for (const [axis, dim] of aval.shape.entries())
      if (typeof dim === "string" && !this.#symbols.has(dim)) this.#symbols.set(dim, { input: name, axis });
    return valueInfo(name, aval);
  }

  /** Adds a node and returns the names of its results. */
  results(opType: string, inputs: readonly string[], attributes: Attributes, outputs: readonly string[]): string[] {
    const names = outputs.map((wanted) => this.name(wanted));
    this.#nodes.push({
      opType,
      input: inputs,
      output: names,
      name: at(names, 0),
      attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
    });
    return names;
  }

  /** Adds a node with one result and returns its name. */
  op(opType: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return at(this.results(opType, inputs, attributes, [opType.toLowerCase()]), 0);
  }

  /** Gives a value a second name, which was returned by `name`. */
  copy(value: string, name: string): void {
    this.#nodes.push({ opType: "Identity", input: [value], output: [name], name });
  }

  cast(value: string, to: ElementType): string {
    return this.op("Cast", [value], { to: dataTypes[to] });
  }

  /** Stores an array in the model. */
  initializer(wanted: string, { shape, data, dtype }: NdArray): string {
    return this.#store(wanted, shape, data, dtype);
  }

  #store(wanted: string, shape: readonly number[], values: ArrayLike<number>, type: ElementType): string {
    const name = this.name(wanted);
    this.#initializers.push({
      name,
      dims: shape.map(BigInt),
      dataType: dataTypes[type],
      rawData: bytesOf(values, type),
    });
    return name;
  }

  /** A list of integers, int64. */
  ints(values: readonly number[]): string {
    return this.#shared(`ints ${values.join(",")}`, (outermost) =>
      outermost.#store("ints", [values.length], values, "int64"),
    );
  }

  /** A scalar. */
  scalar(value: number, type: ElementType): string {
    return this.#shared(`${type} ${Object.is(value, -0) ? "-0" : value}`, (outermost) =>
      outermost.#store("scalar", [], [value], type),
    );
  }

  /** A dimension as a list of one number, int64. */
  dim(dim: Dim): string {
    if (typeof dim === "number") return this.ints([dim]);
    return this.#shared(`dim ${dim}`, (outermost) => {
      const coefficient = dimCoefficient(dim);
      const factors = [
        ...(coefficient === 1 ? [] : [outermost.ints([coefficient])]),
        ...dimFactors(dim).map((symbol) => outermost.#symbol(symbol)),
      ];
      return factors.reduce((product, factor) => outermost.op("Mul", [product, factor]));
    });
  }

  /** Dimensions as a list, int64. */
  dims(shape: readonly Dim[]): string {
    const known = shape.filter((dim) => typeof dim === "number");
    if (known.length === shape.length) return this.ints(known);
    return this.#shared(`dims ${shape.join(",")}`, (outermost) => {
      const parts = shape.map((dim) => outermost.dim(dim));
      return parts.length === 1 ? at(parts, 0) : outermost.op("Concat", parts, { axis: 0 });
    });
  }

  /** 0, 1, 2, … up to a dimension, i32. */
  counter(length: Dim): string {
    const [first, step] = [this.scalar(0, "int64"), this.scalar(1, "int64")];
    return this.cast(this.op("Range", [first, this.size(length), step]), "i32");
  }

  /** A dimension as an int64 scalar. */
  size(dim: Dim): string {
    return typeof dim === "number" ? this.scalar(dim, "int64") : this.op("Squeeze", [this.dim(dim)]);
  }

  graph(
    name: string,
    input: readonly Message<"ValueInfo">[],
    output: readonly Message<"ValueInfo">[],
  ): Message<"Graph"> {
    const own = this.#outer === undefined ? { initializer: this.#initializers } : {};
    return { name, node: this.#nodes, input, output, ...own };
  }

  #symbol(symbol: string): string {
    return this.#shared(`symbol ${symbol}`, (outermost) => {
      const source = outermost.#symbols.get(symbol);
      if (source === undefined)
        throw new UserError(`no input has an axis of size ${symbol}, so its size is unknown in ONNX`);
      return outermost.op("Shape", [source.input], { start: source.axis, end: source.axis + 1 });
    });
  }

  /** Writes a value once, in the outermost graph. */
  #shared(key: string, write: (outermost: OnnxWriter) => string): string {
    const known = this.#once.get(key);
    if (known !== undefined) return known;
    const name = this.#outer === undefined ? write(this) : this.#outer.#shared(key, write);
    this.#once.set(key, name);
    return name;
  }
}

export function valueInfo(name: string, { dtype, shape }: Aval): Message<"ValueInfo"> {
  const dim = shape.map((size) => (typeof size === "number" ? { dimValue: BigInt(size) } : { dimParam: size }));
  return { name, type: { tensorType: { elemType: dataTypes[dtype], shape: { dim } } } };
}

function attribute(name: string, value: Attributes[string]): Message<"Attribute"> {
  if (typeof value === "number") return { name, type: attributeTypes.i, i: BigInt(value) };
  if (typeof value === "string") return { name, type: attributeTypes.s, s: new TextEncoder().encode(value) };
  if (isList(value)) return { name, type: attributeTypes.ints, ints: value.map(BigInt) };
  return { name, type: attributeTypes.g, g: value };
}

const isList = (value: readonly number[] | Message<"Graph">): value is readonly number[] => Array.isArray(value);

/** Little-endian bytes, as in `raw_data`. */
function bytesOf(values: ArrayLike<number>, type: ElementType): Uint8Array {
  const width = { f32: 4, i32: 4, u32: 4, bool: 1, int64: 8 }[type];
  const view = new DataView(new ArrayBuffer(values.length * width));
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? 0;
    if (type === "f32") view.setFloat32(4 * i, value, true);
    else if (type === "i32") view.setInt32(4 * i, value, true);
    else if (type === "u32") view.setUint32(4 * i, value, true);
    else if (type === "bool") view.setUint8(i, Number(value !== 0));
    else view.setBigInt64(8 * i, BigInt(value), true);
  }
  return new Uint8Array(view.buffer);
}

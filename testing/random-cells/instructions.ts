/**
 * @file The instructions of a random cell. Each reads values of the step by index modulo their number, fits their shapes to
 * its op, and adds its results: every list of instructions is a valid step, and stays valid when some are deleted.
 *
 * Values are f32, [batch, n] or [batch, m, n]. Each has a bound on its magnitude: if an op would exceed `largest`, the value
 * is scaled by a power of two, so that products and powers do not overflow.
 */
import type { Dim, Shape } from "../../compiler/graph/dim.ts";
import { Named, type SourceWriter, type Value } from "./source-writer.ts";

export interface Instruction {
  readonly kind: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  /** A parameter: a size, an axis, or a variant. */
  readonly n: number;
}

export const largest = 100;
/** Elements of a value, at most, unless a plan says otherwise. */
const fewElements = 12;

/** A step under construction. */
export class StepInProgress {
  readonly writer: SourceWriter;
  readonly batch: Dim;
  readonly pool: Value[];
  /** The key of the dropout masks, u32, and the number of the step, [batch, 1]. */
  readonly key: Value;
  readonly counter: Value | undefined;
  readonly #widest: number | undefined;

  constructor(
    writer: SourceWriter,
    batch: Dim,
    pool: readonly Value[],
    {
      key,
      counter,
      widest,
    }: { readonly key: Value; readonly counter: Value | undefined; readonly widest?: number | undefined },
  ) {
    this.writer = writer;
    this.batch = batch;
    this.pool = [...pool];
    this.key = key;
    this.counter = counter;
    this.#widest = widest;
  }

  pick(index: number): Value {
    const value = this.pool[index % this.pool.length];
    if (value === undefined) throw new Error("a step needs at least one value");
    return value;
  }

  push(...values: readonly Value[]): void {
    for (const value of values) this.pool.push(this.smaller(this.limited(value, largest)));
  }

  /** The value, scaled down if it can exceed the limit. */
  limited(value: Value, limit: number): Value {
    if (value.bound <= limit) return value;
    const factor = 2 ** -Math.ceil(Math.log2(value.bound / limit));
    return this.writer.call("mul", [value, factor], value.bound * factor);
  }

  /** Truncates a value with too many elements. */
  smaller(value: Value): Value {
    const row = this.flat(value);
    const size = widthOf(row);
    const most = this.#widest ?? fewElements;
    return size <= most ? value : this.writer.call("slice", [row, 1, -most, most], value.bound);
  }

  /** Columns of a product: 1 to `few`, or up to the plan's width, odd ones and powers of two. */
  columns(n: number, few: number): number {
    const widest = this.#widest;
    if (widest === undefined) return 1 + (n % few);
    const known = [widest, 1, 4, 7, 8, 16, 31, 32, 33, 48, 64, 100, 128, 200, 256].filter((width) => width <= widest);
    return known[n % known.length] ?? widest;
  }

  /** [batch, m, n] as [batch, m*n]. */
  flat(value: Value): Value {
    const { shape } = value.tensor;
    const width = shape.slice(1).reduce<number>((product, dim) => product * Number(dim), 1);
    return shape.length === 2 ? value : this.reshaped(value, [width]);
  }

  /** [batch, n] as [batch, 1, n]. */
  matrix(value: Value): Value {
    const { shape } = value.tensor;
    return shape.length === 3 ? value : this.reshaped(value, [1, widthOf(value)]);
  }

  reshaped(value: Value, inner: readonly number[]): Value {
    return this.writer.call("reshape", [value, [this.batch, ...inner]], value.bound);
  }

  /** The value with another shape: truncated, or padded with zeros. */
  fit(value: Value, inner: Shape): Value {
    const { shape } = value.tensor;
    if (shape.length === inner.length + 1 && shape.slice(1).every((dim, i) => dim === inner[i])) return value;
    const size = inner.reduce<number>((product, dim) => product * Number(dim), 1);
    let row = this.flat(value);
    const width = widthOf(row);
    if (width > size) row = this.writer.call("slice", [row, 1, 0, size], value.bound);
    if (width < size) row = this.writer.call("pad", [row, 1, size - width, size], value.bound);
    return inner.length === 1 ? row : this.reshaped(row, inner.map(Number));
  }

  /** The value as an operand next to `other`: unchanged if the two broadcast. */
  beside(value: Value, other: Value): Value {
    const [mine, theirs] = [value.tensor.shape, other.tensor.shape];
    const fits = mine.length === theirs.length && mine.every((dim, i) => dim === theirs[i] || (i > 0 && dim === 1));
    return fits ? value : this.fit(value, theirs.slice(1));
  }

  parameter(name: string, shape: readonly number[], bound: number): Value {
    this.writer.uses("glorot");
    return this.writer.call("parameter", [name, shape, initializer], bound);
  }
}

/** Required but unused: tests provide their own parameter values. */
const initializer = new Named("glorot", { kind: "glorot" });

export function widthOf(value: Value): number {
  return Number(value.tensor.shape[value.tensor.shape.length - 1]);
}

export type Rule = (step: StepInProgress, instruction: Instruction) => void;

/** @file A kernel builder that knows where the program's values are stored, and how each dtype is stored. */

import { type Dim, divideDims } from "../../graph/dim.ts";
import { at, InternalError } from "../../graph/errors.ts";
import type { DType } from "../../graph/graph.ts";
import { globalArray, KernelBuilder } from "../../kernel/builder.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import type { Expr, GlobalArray, KernelCode, SharedPlace, Variable } from "../../kernel/ir.ts";
import { halfBits } from "../../kernel/math/half.ts";
import { fromStorage, toStorage } from "../../kernel/storage.ts";
import type { BufferSpec, Location } from "../program.ts";
import type { TileOptions } from "../stages/tiles.ts";

export class PlacedBuilder extends KernelBuilder {
  readonly #buffers: () => readonly Pick<BufferSpec, "name" | "element">[];
  /** Terms that one iteration of a product's loop should add, so that accumulators are read and written less often. */
  readonly termsPerTurn: number;
  /**
   * Whether products that are added to each other have loops of their own: all their operands at once do not fit the vector
   * registers of a CPU beside the sums.
   */
  readonly addsApart: boolean;
  override readonly isProvable: boolean;
  #inVectors = false;
  /** What values that are rounded to f16 were before. */
  readonly #unrounded = new Map<Expr, Expr>();
  /** Halves of words whose other half has not been stored yet. */
  readonly #waiting = new Map<string, { readonly bits: Expr; readonly place: Index; readonly isHigh: boolean }>();

  constructor(
    buffers: () => readonly Pick<BufferSpec, "name" | "element">[],
    { target, tuning }: Pick<TileOptions, "target" | "tuning"> = { target: "gpu" },
  ) {
    super();
    this.#buffers = buffers;
    this.isProvable = target === "gpu";
    this.addsApart = target === "cpu";
    // A CPU has 16 vector registers, for sums and for the terms to be added to them.
    this.termsPerTurn = tuning?.termsPerTurn ?? (target === "cpu" ? 1 : 2);
  }

  loadValue(location: Location, index: Index, dtype: DType): Expr {
    if (location.half !== undefined) return this.#loadHalf(location, index);
    const stored = this.load(this.#array(location), this.bound(this.#address(location, index)));
    const key = `load ${location.buffer} ${location.offset.join("+")} ${index.expr.id}`;
    return this.bind(key, fromStorage(this, stored, dtype), index.expr.depth);
  }

  storeValue(location: Location, index: Index, value: Expr, how: "set" | "add" = "set"): void {
    if (location.half !== undefined) {
      this.#storeHalf(location, index, value);
      return;
    }
    const array = this.#array(location);
    const { element } = at(this.#buffers(), location.buffer);
    this.storeElement(array, this.bound(this.#address(location, index)), toStorage(this, value, element), how);
  }

  /** A location as vectors of four elements, and the number of its first vector. Its offset is a multiple of four. */
  vectorsOf({ buffer, offset }: Location): { readonly array: GlobalArray; readonly first: Expr } {
    const { name } = at(this.#buffers(), buffer);
    const first = this.uniform(offset.map((dim) => divideDims(dim, 4) ?? Number.NaN));
    return { array: globalArray(buffer, { name, element: "f32x4" }), first };
  }

  override let(name: string, value: Expr): Variable {
    const variable = super.let(name, value);
    const x = this.#unrounded.get(value);
    if (x !== undefined) this.#unrounded.set(variable, x);
    return variable;
  }

  /** Says that `value` is `x` rounded to f16. */
  rounds(value: Expr, x: Expr): void {
    this.#unrounded.set(value, this.#unrounded.get(x) ?? x);
  }

  /** What a value was before it was rounded to f16; the value itself if it was not. */
  beforeRounding(value: Expr): Expr {
    return this.#unrounded.get(value) ?? value;
  }

  /** Two numbers as the f16 of a word, rounded. */
  halves(low: Expr, high: Expr): Expr {
    return this.#word(this.call(halfBits, [low]), this.call(halfBits, [high]));
  }

  #word(low: Expr, high: Expr): Expr {
    return this.bitOr(low, this.shiftLeft(high, this.u32(16)));
  }

  #loadHalf(location: Location, index: Index): Expr {
    const isShared = location.half !== "neighbours";
    const place = isShared ? index : this.index.div(index, this.index.dim(2));
    const key = `word ${location.buffer} ${location.offset.join("+")} ${place.expr.id}`;
    const stored = this.load(this.#array(location), this.bound(this.#address(location, place)));
    const word = this.bind(key, stored, place.expr.depth);
    if (location.half === 0 || location.half === 1)
      return this.bind(`half ${location.half} ${word.id}`, this.unpackHalf(word, location.half), word.depth);
    const isHigh = this.bound(this.index.mod(index, this.index.dim(2)));
    if (isHigh.kind === "literal") return this.unpackHalf(word, isHigh.value === 0 ? 0 : 1);
    const own = this.unpackHalf(this.shiftRight(word, this.shiftLeft(isHigh, this.u32(4))), 0);
    return this.bind(`half at ${word.id} ${isHigh.id}`, own, index.expr.depth);
  }

  /** A word is written once both of its halves are known: by the invocation that computes them, one after the other. */
  #storeHalf(location: Location, index: Index, value: Expr): void {
    const bits = this.call(halfBits, [this.beforeRounding(value)]);
    const place = location.half === "neighbours" ? this.index.div(index, this.index.dim(2)) : index;
    const key = `${location.buffer} ${location.offset.join("+")}`;
    const other = this.#waiting.get(key);
    if (other === undefined) {
      this.#waiting.set(key, { bits, place, isHigh: location.half === 1 });
      return;
    }
    this.#waiting.delete(key);
    const [low, high] = other.isHigh ? [bits, other.bits] : [other.bits, bits];
    this.storeElement(this.#array(location), this.bound(this.#address(location, other.place)), this.#word(low, high));
  }

  override finish(workgroupSize: number, sharedPlace?: SharedPlace): KernelCode {
    if (this.#waiting.size > 0) throw new InternalError("a number in f16 has no other one to share its word");
    return super.finish(workgroupSize, sharedPlace);
  }

  #array({ buffer }: Location): GlobalArray {
    return globalArray(buffer, at(this.#buffers(), buffer));
  }

  /**
   * Inside `write`, an offset that is a multiple of four is written as one, and constants are added last: so a compiler
   * sees which loads and stores are four neighbours from a multiple of four on, and does them in one instruction.
   */
  inVectors<T>(write: () => T): T {
    const before = this.#inVectors;
    this.#inVectors = true;
    try {
      return this.withConstantsLast(write);
    } finally {
      this.#inVectors = before;
    }
  }

  /** The sum of some sizes as an index: where a value begins in its buffer. */
  startAt(sum: readonly Dim[]): Index {
    const fours = this.#inVectors ? sum.map((dim) => divideDims(dim, 4)) : [undefined];
    if (!fours.every((dim): dim is Dim => dim !== undefined)) return this.index.of(this.uniform(sum));
    return this.index.mul(this.index.of(this.uniform(fours)), this.index.dim(4));
  }

  #address(location: Location, index: Index): Index {
    if (location.offset.every((dim) => dim === 0)) return index;
    // Even a known offset is a uniform: layers of one shape differ only in it, and so can share their kernels.
    return this.index.add(index, this.startAt(location.offset));
  }
}

/** @file A kernel builder that knows where the program's values are stored, and how each dtype is stored. */

import { at } from "../../graph/errors.ts";
import type { DType } from "../../graph/graph.ts";
import { globalArray, KernelBuilder } from "../../kernel/builder.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import type { Expr, GlobalArray } from "../../kernel/ir.ts";
import { fromStorage, toStorage } from "../../kernel/storage.ts";
import type { BufferSpec, Location } from "../program.ts";
import type { TileOptions } from "../stages/tiles.ts";

export class PlacedBuilder extends KernelBuilder {
  readonly #buffers: () => readonly BufferSpec[];
  /** Terms that one iteration of a product's loop should add, so that accumulators are read and written less often. */
  readonly termsPerTurn: number;
  override readonly isProvable: boolean;

  constructor(
    buffers: () => readonly BufferSpec[],
    { target, tuning }: Pick<TileOptions, "target" | "tuning"> = { target: "gpu" },
  ) {
    super();
    this.#buffers = buffers;
    this.isProvable = target === "gpu";
    // A CPU has 16 vector registers, for sums and for the terms to be added to them.
    this.termsPerTurn = tuning?.termsPerTurn ?? (target === "cpu" ? 1 : 2);
  }

  loadValue(location: Location, index: Index, dtype: DType): Expr {
    const stored = this.load(this.#array(location), this.bound(this.#address(location, index)));
    const key = `load ${location.buffer} ${location.offset.join("+")} ${index.expr.id}`;
    return this.bind(key, fromStorage(this, stored, dtype), index.expr.depth);
  }

  storeValue(location: Location, index: Index, value: Expr, how: "set" | "add" = "set"): void {
    const array = this.#array(location);
    this.storeElement(array, this.bound(this.#address(location, index)), toStorage(this, value, array.element), how);
  }

  #array({ buffer }: Location): GlobalArray {
    return globalArray(buffer, at(this.#buffers(), buffer));
  }

  #address(location: Location, index: Index): Index {
    if (location.offset.every((dim) => dim === 0)) return index;
    // Even a known offset is a uniform: layers of one shape differ only in it, and so can share their kernels.
    return this.index.add(index, this.index.of(this.uniform(location.offset)));
  }
}

/**
 * @file Slab allocation: where each value is stored in the program's slabs, and for how long. Sizes are symbolic, so
 * memory is reused only by a value of exactly the same size. Recurrent programs have many values of equal size, and the
 * total stays a plain sum.
 */
import { addDims, type Dim } from "../../graph/dim.ts";
import { type Storage, type StorageForm, storages } from "../../graph/storage.ts";
import type { BufferSpec, Location, Size } from "../program.ts";

interface Slot {
  readonly offset: Size;
  /** The last step that uses the value stored here; a value of a later step can reuse the slot. */
  busyUntil: number;
}

/** `busyUntil` of a slot that is not in use. */
const unused = Number.NEGATIVE_INFINITY;

/** Known sizes are rounded up to a multiple of this many elements. */
const alignment = 4;

class Slab {
  readonly name: string;
  readonly form: StorageForm;
  readonly buffer: number;
  /** By size and margin. */
  readonly #slots = new Map<Dim, Slot[]>();
  /** The total size, with like terms added up. */
  #size: Size = [0];

  constructor(name: string, form: StorageForm, buffer: number) {
    this.name = name;
    this.form = form;
    this.buffer = buffer;
  }

  get size(): Size {
    return this.#size;
  }

  get slots(): Slot[] {
    return [...this.#slots.values()].flat();
  }

  place(size: Dim, margin: number, from: number, until: number): Location {
    const key = margin === 0 ? size : `${size} + ${margin}`;
    const slots = this.#slots.get(key) ?? [];
    const free = slots.find(({ busyUntil }) => busyUntil < from);
    if (free !== undefined) {
      free.busyUntil = until;
      return { buffer: this.buffer, offset: free.offset, size: [size] };
    }
    const offset = this.#size;
    this.#slots.set(key, [...slots, { offset, busyUntil: until }]);
    this.#size = sum([...offset, aligned(size), aligned(margin)]);
    return { buffer: this.buffer, offset, size: [size] };
  }
}

/** Rounds known sizes up. */
function aligned(size: Dim): Dim {
  return typeof size === "number" ? Math.ceil(size / alignment) * alignment : size;
}

/** Adds up like terms; the empty sum is 0. */
function sum(terms: Size): Size {
  const added = addDims(terms);
  return added.length === 0 ? [0] : added;
}

/** The purpose of a slab; values of one class share a slab. Panels are matrices that kernels read in vectors. */
export type SlabClass = "work" | "panels";

/** The slabs that every program has: f32, and u32, which also holds i32 and bool. */
const first: readonly (readonly [name: string, storage: Storage])[] = [
  ["work", "f32"],
  ["workInts", "u32"],
];

/** The program's own memory: slabs by storage type and purpose, created on first use. */
export class Memory {
  readonly #slabs = new Map<string, Slab>();
  readonly #firstBuffer: number;

  constructor(firstBuffer: number) {
    this.#firstBuffer = firstBuffer;
    for (const [name, storage] of first) this.#add(slabKey(storage, "work"), name, storage);
  }

  #add(key: string, name: string, storage: Storage): Slab {
    const slab = new Slab(name, storages[storage], this.#firstBuffer + this.#slabs.size);
    this.#slabs.set(key, slab);
    return slab;
  }

  /** Allocates `size` elements that are written in step `from` and read up to step `until`. */
  place(storage: Storage, size: Dim, from: number, until: number, use: SlabClass = "work"): Location {
    return this.#slab(storage, use).place(size, 0, from, until);
  }

  /** Allocates f32 for kernels of step `order`; `margin` more of them exist after `size`. */
  scratch(size: Dim, margin: number, order: number): Location {
    return this.#slab("f32", "work").place(size, margin, order, order);
  }

  #slab(storage: Storage, use: SlabClass): Slab {
    const key = slabKey(storage, use);
    return this.#slabs.get(key) ?? this.#add(key, `${use}${this.#slabs.size}`, storage);
  }

  /**
   * Returns the results of the parts, only one of which will run: they may use the same memory, which stays busy for as
   * long as any of them needs it.
   */
  alternatives<T>(parts: readonly (() => T)[]): T[] {
    const before = new Map(this.#slots().map((slot) => [slot, slot.busyUntil]));
    const longest = new Map(before);
    const results = parts.map((part) => {
      for (const slot of this.#slots()) slot.busyUntil = before.get(slot) ?? unused;
      const result = part();
      for (const slot of this.#slots()) longest.set(slot, Math.max(slot.busyUntil, longest.get(slot) ?? unused));
      return result;
    });
    for (const [slot, until] of longest) slot.busyUntil = until;
    return results;
  }

  #slots(): Slot[] {
    return [...this.#slabs.values()].flatMap(({ slots }) => slots);
  }

  get buffers(): BufferSpec[] {
    return [...this.#slabs.values()].map(({ name, form, size }) => ({ name, ...form, size, role: "slab" }));
  }
}

/** Integers and booleans share a slab: they are loaded as u32 bits. */
function slabKey(storage: Storage, use: SlabClass): string {
  return `${storages[storage].element === "f32" ? "f32" : "u32"} ${use}`;
}

/**
 * @file Slab allocation: where each value is stored in the program's slabs, and for how long. Sizes are symbolic, so
 * memory is reused only by a value of exactly the same size. Recurrent programs have many values of equal size, and the
 * total stays a plain sum.
 *
 * A slab is one buffer. Where a device bounds the size of a buffer, values that do not fit go to another slab.
 */
import { addDims, type Dim, dimCoefficient, dimFactors, mulDims } from "../../graph/dim.ts";
import { type Storage, type StorageForm, storages } from "../../graph/storage.ts";
import type { BufferSpec, Location, Size } from "../program.ts";
import { TooLargeError } from "./too-large.ts";

interface Slot {
  readonly offset: Size;
  /** The last step that uses the value stored here; a value of a later step can reuse the slot. */
  busyUntil: number;
}

/** `busyUntil` of a slot that is not in use. */
const unused = Number.NEGATIVE_INFINITY;

/** Known sizes are rounded up to a multiple of this many elements, on a GPU those too that are known at run time. */
const alignment = 4;

/**
 * On a CPU, elements between two values: five cache lines. A step writes several values of equal size at once, and where
 * that is a multiple of 4 KiB their addresses would compete for the same lines of a cache, and stores delay loads that
 * differ only above the twelfth bit.
 */
const stagger = 80;

/**
 * How values lie beside each other: "dense"; "vectors", as on a GPU, each at a multiple of four elements at any sizes, so that it
 * can be read in vectors; or "staggered" for the caches of a CPU.
 */
export type SlabLayout = "dense" | "vectors" | "staggered";

class Slab {
  readonly name: string;
  readonly form: StorageForm;
  readonly buffer: number;
  /** By size and margin. */
  readonly #slots = new Map<Dim, Slot[]>();
  /** The total size, with like terms added up. */
  #size: Size = [0];
  /** The part of it that is known. */
  #known = 0;
  readonly #most: number;
  readonly #layout: SlabLayout;

  constructor(name: string, form: StorageForm, buffer: number, most: number, layout: SlabLayout) {
    this.name = name;
    this.form = form;
    this.buffer = buffer;
    this.#most = most;
    this.#layout = layout;
  }

  get size(): Size {
    return this.#size;
  }

  get slots(): Slot[] {
    return [...this.#slots.values()].flat();
  }

  hasFree(size: Dim, margin: number, from: number): boolean {
    return this.#free(slotKey(size, margin), from) !== undefined;
  }

  #free(key: Dim, from: number): Slot | undefined {
    return this.#slots.get(key)?.find(({ busyUntil }) => busyUntil < from);
  }

  hasRoom(size: Dim, margin: number): boolean {
    return this.#known + knownSize(size) + margin <= this.#most;
  }

  place(size: Dim, margin: number, from: number, until: number): Location {
    const key = slotKey(size, margin);
    const slots = this.#slots.get(key) ?? [];
    const free = this.#free(key, from);
    if (free !== undefined) {
      free.busyUntil = until;
      return { buffer: this.buffer, offset: free.offset, size: [size] };
    }
    const offset = this.#size;
    this.#slots.set(key, [...slots, { offset, busyUntil: until }]);
    const whole = typeof size === "number" || this.#layout === "vectors" ? aligned(size) : size;
    this.#size = sum([...offset, whole, aligned(margin), this.#layout === "staggered" ? stagger : 0]);
    this.#known += knownSize(whole) + Number(aligned(margin));
    return { buffer: this.buffer, offset, size: [size] };
  }
}

/** Slots of one size and margin replace each other. */
function slotKey(size: Dim, margin: number): Dim {
  return margin === 0 ? size : `${size} + ${margin}`;
}

const bytesOfWords = (words: number) => words * storages.f32.bytes;

/** A size, or 0 if it is not known yet. */
function knownSize(size: Dim): number {
  return typeof size === "number" ? size : 0;
}

/** Rounds the known part of a size up. */
function aligned(size: Dim): Dim {
  const known = dimCoefficient(size);
  const rounded = Math.ceil(known / alignment) * alignment;
  return known === rounded ? size : dimFactors(size).reduce<Dim>(mulDims, rounded);
}

/** Adds up like terms; the empty sum is 0. */
function sum(terms: Size): Size {
  const added = addDims(terms);
  return added.length === 0 ? [0] : added;
}

/** A value is small if a page holds this many of them. */
const smallPart = 8;

/** The purpose of a slab; values of one class share a slab. Panels are matrices that kernels read in vectors. */
export type SlabClass = "work" | "panels";

/** The slabs that every program has: f32, and u32, which also holds i32 and bool. */
const first: readonly (readonly [name: string, storage: Storage])[] = [
  ["work", "f32"],
  ["workInts", "u32"],
];

/** The program's own memory: slabs by storage type and purpose, created on first use. */
export class Memory {
  readonly #slabs: Slab[] = [];
  /** The slabs of each storage type and purpose: more than one if they hold more than a buffer. */
  readonly #pages = new Map<string, Slab[]>();
  readonly #firstBuffer: number;
  readonly #most: number;
  readonly #keepsSmall: boolean;
  readonly #layout: SlabLayout;
  #choices = 0;

  /**
   * `most` is the largest number of elements of one buffer; sizes that are not known yet do not count. With `keepsSmall`, the
   * first slab of each kind is for small values only: kernels read many of them, and can bind few buffers.
   */
  constructor(firstBuffer: number, most = Number.POSITIVE_INFINITY, keepsSmall = false, layout: SlabLayout = "dense") {
    this.#firstBuffer = firstBuffer;
    this.#most = most;
    this.#keepsSmall = keepsSmall;
    this.#layout = layout;
    for (const [name, storage] of first) this.#add(slabKey(storage, "work"), name, storage);
  }

  #add(key: string, name: string, storage: Storage): Slab {
    const pages = this.#pages.get(key) ?? [];
    const suffix = pages.length === 0 ? "" : `/page ${pages.length}`;
    const slab = new Slab(
      `${name}${suffix}`,
      storages[storage],
      this.#firstBuffer + this.#slabs.length,
      this.#most,
      this.#layout,
    );
    this.#slabs.push(slab);
    this.#pages.set(key, [...pages, slab]);
    return slab;
  }

  /** Whether it has several slabs of one kind. */
  get isPaged(): boolean {
    return [...this.#pages.values()].some(({ length }) => length > 1);
  }

  /** Allocates `size` elements that are written in step `from` and read up to step `until`. */
  place(storage: Storage, size: Dim, from: number, until: number, use: SlabClass = "work"): Location {
    return this.#place(storage, use, size, 0, from, until);
  }

  /** Allocates f32 for kernels of step `order`; `margin` more of them exist after `size`. */
  scratch(size: Dim, margin: number, order: number): Location {
    return this.#place("f32", "work", size, margin, order, order);
  }

  #place(storage: Storage, use: SlabClass, size: Dim, margin: number, from: number, until: number): Location {
    const elements = knownSize(size) + margin;
    if (elements > this.#most) throw new TooLargeError(undefined, bytesOfWords(elements), bytesOfWords(this.#most));
    const key = slabKey(storage, use);
    const all = this.#pages.get(key) ?? [];
    const isKept = this.#keepsSmall && elements > this.#most / smallPart;
    const pages = isKept ? all.slice(1) : all;
    const page =
      pages.find((each) => each.hasFree(size, margin, from)) ??
      pages.find((each) => each.hasRoom(size, margin)) ??
      this.#add(key, all[0]?.name ?? `${use}${this.#slabs.length}`, storage);
    return page.place(size, margin, from, until);
  }

  /**
   * Returns the results of the parts, only one of which will run: they may use the same memory, which stays busy for as
   * long as any of them needs it.
   */
  alternatives<T>(parts: readonly (() => T)[]): T[] {
    const before = new Map(this.#slots().map((slot) => [slot, slot.busyUntil]));
    const longest = new Map(before);
    this.#choices += 1;
    const results = parts.map((part) => {
      for (const slot of this.#slots()) slot.busyUntil = before.get(slot) ?? unused;
      const result = part();
      for (const slot of this.#slots()) longest.set(slot, Math.max(slot.busyUntil, longest.get(slot) ?? unused));
      return result;
    });
    this.#choices -= 1;
    for (const [slot, until] of longest) slot.busyUntil = until;
    return results;
  }

  /** Whether it allocates for one of several alternatives. */
  get isChoosing(): boolean {
    return this.#choices > 0;
  }

  #slots(): Slot[] {
    return this.#slabs.flatMap(({ slots }) => slots);
  }

  get buffers(): BufferSpec[] {
    return this.#slabs.map(({ name, form, size }) => ({ name, ...form, size, role: "slab" }));
  }
}

/** Integers and booleans share a slab: they are loaded as u32 bits. */
function slabKey(storage: Storage, use: SlabClass): string {
  return `${storages[storage].element === "f32" ? "f32" : "u32"} ${use}`;
}

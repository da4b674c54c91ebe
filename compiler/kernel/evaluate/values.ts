/**
 * @file What expressions and statements are compiled to when a kernel is evaluated, and where its values are stored.
 */
import { type Dim, type DimSizes, evaluateDim } from "../../graph/dim.ts";
import { InternalError } from "../../graph/errors.ts";
import type { KernelArray, KernelCode, PartPlaces, Type, Variable } from "../ir.ts";
import { arrayAt, sumAt } from "../places.ts";
import { type BufferMemory, type Clock, type Fault, RegisterMemory, SharedMemory } from "./memory.ts";

/** A number per lane: an f32, a component of f32x4, an integer, or 0 or 1 for a bool. */
export type Value = (lane: number) => number;

/** Runs a statement for these lanes; returns those that continue. */
export type Action = (lanes: readonly number[]) => readonly number[];

/** Memory as statements use it: only f32x4 has more than one component. Slots are stored one after another. */
export interface Memory {
  read(index: number, lane: number, component: number): number;
  write(index: number, value: number, lane: number, component: number): void;
}

/** Storage of a variable, by lane: its components, and the faults of invalid values. */
export interface Place {
  readonly numbers: readonly Float64Array[];
  /** Empty as long as all values are valid. */
  readonly faults: (Fault | undefined)[];
}

export function componentsOf(type: Type): number {
  return type === "f32x4" ? 4 : 1;
}

/** The arguments of a dispatch. */
export interface Given {
  readonly buffers: readonly BufferMemory[];
  readonly sizes: DimSizes;
  readonly counts: readonly number[];
  readonly end: number;
}

const placesTogether = 100;

/** The values of one kernel while it runs: each variable and array of registers has storage for every lane. */
export class Frame {
  readonly clock: Clock;
  readonly lanes: number;
  readonly subgroupSize: number;
  given: Given = { buffers: [], sizes: {}, counts: [], end: 0 };
  /** The number of the workgroup within its part. */
  group = 0;
  /** Those of the part whose actions are made. */
  places: PartPlaces | undefined;
  /** Lanes that take part in the current statement, if it reads other lanes. */
  readonly isActive: Uint8Array;
  #free = new Float64Array();
  readonly #builtins = new Map<Variable, Value>();
  readonly #variables = new Map<Variable, Place>();
  readonly #arrays = new Map<KernelArray, Memory>();

  constructor(clock: Clock, { workgroupSize, parts, shared, steps }: KernelCode, subgroupSize: number) {
    this.clock = clock;
    this.lanes = workgroupSize;
    this.subgroupSize = subgroupSize;
    this.isActive = new Uint8Array(workgroupSize);
    for (const { group, lane } of parts) {
      this.#builtins.set(group, () => this.group);
      this.#builtins.set(lane, (number) => number);
    }
    for (const [nesting, count] of steps.counts.entries())
      this.#builtins.set(count, () => this.given.counts[nesting] ?? Number.NaN);
    if (steps.end !== undefined) this.#builtins.set(steps.end, () => this.given.end);
    for (const array of shared) this.#arrays.set(array, new SharedMemory(clock, array));
  }

  declare(variable: Variable): Place {
    const place: Place = {
      numbers: Array.from({ length: componentsOf(variable.type) }, () => this.#numbers()),
      faults: [],
    };
    this.#variables.set(variable, place);
    return place;
  }

  /** One number per lane. A kernel has thousands of variables, so they share a few arrays. */
  #numbers(): Float64Array {
    if (this.#free.length < this.lanes) this.#free = new Float64Array(this.lanes * placesTogether);
    const place = this.#free.subarray(0, this.lanes);
    this.#free = this.#free.subarray(this.lanes);
    return place;
  }

  placeOf(variable: Variable): Place {
    return this.#variables.get(variable) ?? this.#missing(variable.name);
  }

  valueOf(variable: Variable, component: number): Value {
    const builtin = this.#builtins.get(variable);
    if (builtin !== undefined) return builtin;
    const { numbers, faults } = this.placeOf(variable);
    const own = numbers[component] ?? this.#missing(variable.name);
    const { clock } = this;
    return (lane) => {
      if (faults.length > 0) clock.fault ??= faults[lane];
      return own[lane] as number;
    };
  }

  declareRegisters(array: KernelArray): Memory {
    if (array.space === "global") return this.#missing(array.name);
    const memory = new RegisterMemory(this.clock, array);
    this.#arrays.set(array, memory);
    return memory;
  }

  memoryOf(array: KernelArray): Memory {
    if (array.space !== "global") return this.#arrays.get(array) ?? this.#missing(array.name);
    const { buffer, name, element } = arrayAt(array, this.places);
    const width = componentsOf(element);
    const memory = () => this.given.buffers[buffer] ?? this.#missing(name);
    return {
      read: (index, lane, component) => memory().read(index * width + component, lane),
      write: (index, value, lane) => memory().write(index, value, lane),
    };
  }

  /** A sum of dimensions, computed once per run. */
  sum(given: readonly Dim[]): Value {
    const dims = sumAt(given, this.places);
    let known: Given | undefined;
    let sum = 0;
    return () => {
      if (known !== this.given) {
        known = this.given;
        sum = dims.reduce<number>((total, dim) => total + evaluateDim(dim, this.given.sizes), 0) >>> 0;
      }
      return sum;
    };
  }

  #missing(name: string): never {
    throw new InternalError(`kernel ${this.clock.kernel} reads ${name}, which is not declared`);
  }
}

/**
 * @file Memory of an evaluated kernel. It checks every access: an index out of bounds, an uninitialized element, and
 * two invocations that race at an element without a barrier between them are faults. A faulty write is an error at
 * once. A faulty read returns an invalid number, which a `select` may discard; it is an error only if it is used.
 */
import { InternalError } from "../../graph/errors.ts";
import type { LocalArray } from "../ir.ts";

export type Words = Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/** Why a number is invalid. */
export interface Fault {
  readonly array: string;
  readonly index: number;
  readonly what: string;
}

/** The current point of an evaluation. All memory that it touches shares one clock. */
export class Clock {
  kernel = "";
  lanes = 1;
  /** The number of the first invocation of this dispatch; invocations are numbered across dispatches. */
  dispatch = 1;
  /** The number of the first invocation of this workgroup. */
  workgroup = 1;
  /** Number of barriers so far; the start of a workgroup or dispatch counts as one. */
  epoch = 1;
  /** The epoch in which this workgroup began. */
  start = 1;
  /** The epoch in which this dispatch began. */
  #began = 1;
  /**
   * Elements that were read before another invocation wrote them, and which invocation wrote: faults if the read value
   * is used.
   */
  readonly #overwritten = new Map<string, { readonly number: number; readonly epoch: number }>();
  #isAgain = false;
  /** Why the value of the current expression is invalid. */
  fault: Fault | undefined = undefined;

  /**
   * Begins a dispatch, or begins it again: in the second run, reads of elements that were overwritten in the first are
   * faults.
   */
  begin(isAgain: boolean): void {
    this.dispatch = this.workgroup + this.lanes;
    this.workgroup = this.dispatch;
    this.epoch += 1;
    this.#began = this.epoch;
    this.#isAgain = isAgain;
    if (!isAgain) this.#overwritten.clear();
  }

  /** Whether anything was read that another invocation overwrote. */
  get hasOverwritten(): boolean {
    return this.#overwritten.size > 0;
  }

  /**
   * Records that an invocation overwrites an element that another one has read; `epoch` is that of the read, if known.
   */
  overwrite(array: string, index: number, invocation: number, epoch?: number): void {
    if (this.#isAgain) return;
    const by = { number: invocation - this.dispatch, epoch: this.epoch - this.#began };
    this.#overwritten.set(this.#key(array, index, epoch), by);
  }

  /**
   * Which invocation overwrites an element that this one reads, with nothing that orders the two; found in the first
   * run.
   */
  overwriterOf(array: string, index: number, invocation: number, epoch?: number): number | undefined {
    const by = this.#isAgain ? this.#overwritten.get(this.#key(array, index, epoch)) : undefined;
    if (by === undefined || by.number + this.dispatch === invocation) return undefined;
    const isBesides = Math.floor(by.number / this.lanes) === (this.workgroup - this.dispatch) / this.lanes;
    return isBesides && this.epoch - this.#began < by.epoch ? undefined : by.number + this.dispatch;
  }

  #key(array: string, index: number, epoch = this.#began): string {
    return `${array} ${index} ${epoch - this.#began}`;
  }

  nameOf(invocation: number): string {
    const number = invocation - this.dispatch;
    return `lane ${number % this.lanes} of workgroup ${Math.floor(number / this.lanes)}`;
  }

  fail(array: string, index: number, what: string): never {
    throw new InternalError(`kernel ${this.kernel}, ${array}[${index}]: ${what}`);
  }

  /** Called where an expression is used: fails if its value is invalid. */
  expectNoFault(): void {
    if (this.fault !== undefined) this.fail(this.fault.array, this.fault.index, this.fault.what);
  }

  /** Records the fault of an invalid read, and returns a number in its place. */
  invalidRead(array: string, index: number, what: string): number {
    this.fault ??= { array, index, what };
    return 0;
  }
}

/**
 * A buffer of the program. Within a dispatch no invocation may read an element that another one writes: a barrier makes
 * only workgroup memory visible. It does order writes after earlier reads within a workgroup.
 */
export class BufferMemory {
  readonly name: string;
  readonly data: Words;
  readonly #clock: Clock;
  /** Whether each element has been written. */
  readonly #known: Uint8Array;
  /** The last invocation that wrote each element, and the last that read it. */
  readonly #writer: Float64Array;
  readonly #reader: Float64Array;
  /** The last dispatch in which several invocations read the element. */
  readonly #shared: Float64Array;

  constructor(clock: Clock, name: string, data: Words, isKnown: boolean) {
    this.#clock = clock;
    this.name = name;
    this.data = data;
    this.#known = new Uint8Array(data.length).fill(Number(isKnown));
    this.#writer = new Float64Array(data.length);
    this.#reader = new Float64Array(data.length);
    this.#shared = new Float64Array(data.length);
  }

  /** Reads an element; buffers have no vector elements, so there is only one component. */
  read(index: number, lane: number): number {
    const clock = this.#clock;
    const value = this.data[index];
    if (value === undefined)
      return clock.invalidRead(this.name, index, `read out of bounds: it has ${this.data.length} elements`);
    if (this.#known[index] === 0) return clock.invalidRead(this.name, index, "read before it was written");
    const invocation = clock.workgroup + lane;
    const overwriter = clock.overwriterOf(this.name, index, invocation);
    const writer = overwriter ?? (this.#writer[index] as number);
    if (writer >= clock.dispatch && writer !== invocation)
      return clock.invalidRead(
        this.name,
        index,
        `${clock.nameOf(invocation)} reads what ${clock.nameOf(writer)} writes`,
      );
    const reader = this.#reader[index] as number;
    if (reader >= clock.dispatch && reader !== invocation) this.#shared[index] = clock.dispatch;
    this.#reader[index] = invocation;
    return value;
  }

  write(index: number, value: number, lane: number): void {
    const clock = this.#clock;
    if (index >= this.data.length)
      clock.fail(this.name, index, `written out of bounds: it has ${this.data.length} elements`);
    const invocation = clock.workgroup + lane;
    const writer = this.#writer[index] as number;
    const before = this.data[index] as number;
    this.data[index] = value;
    if (writer >= clock.dispatch && writer !== invocation && !Object.is(before, this.data[index]))
      clock.fail(this.name, index, `${clock.nameOf(invocation)} and ${clock.nameOf(writer)} both write it`);
    const reader = this.#reader[index] as number;
    const isRead = reader >= clock.dispatch && (reader !== invocation || this.#shared[index] === clock.dispatch);
    if (isRead) clock.overwrite(this.name, index, invocation);
    this.#writer[index] = invocation;
    this.#known[index] = 1;
  }

  /** A number that the device itself reads between dispatches. */
  numberAt(index: number): number {
    if (this.#known[index] !== 1)
      this.#clock.fail(this.name, index, "read as a number of workgroups before it was written");
    return this.words[index] ?? 0;
  }

  /** Returns a function that restores the current contents. */
  snapshot(): () => void {
    const [data, known] = [this.data.slice(), this.#known.slice()];
    return () => {
      this.data.set(data);
      this.#known.set(known);
    };
  }

  /** Copies the bits of elements. */
  copyTo(other: BufferMemory, from: number, to: number, count: number): void {
    if (from + count > this.data.length) this.#clock.fail(this.name, from + count - 1, "copied out of bounds");
    if (to + count > other.data.length) this.#clock.fail(other.name, to + count - 1, "copied to out of bounds");
    other.words.set(this.words.subarray(from, from + count), to);
    other.#known.set(this.#known.subarray(from, from + count), to);
  }

  get words(): Uint32Array<ArrayBuffer> {
    return new Uint32Array(this.data.buffer);
  }
}

/** Workgroup memory: uninitialized at the start of each workgroup; a barrier ends an epoch. */
export class SharedMemory {
  readonly name: string;
  readonly #length: number;
  readonly #width: number;
  readonly #data: Float64Array;
  readonly #clock: Clock;
  readonly #writer: Int32Array;
  readonly #written: Float64Array;
  readonly #reader: Int32Array;
  readonly #read: Float64Array;
  /** The last epoch in which several lanes read each element. */
  readonly #shared: Float64Array;

  constructor(clock: Clock, { name, element, length: ofSlot, slots }: LocalArray) {
    const length = ofSlot * slots;
    this.#clock = clock;
    this.name = name;
    this.#length = length;
    this.#width = element === "f32x4" ? 4 : 1;
    this.#data = new Float64Array(length * this.#width);
    this.#writer = new Int32Array(length);
    this.#written = new Float64Array(length);
    this.#reader = new Int32Array(length);
    this.#read = new Float64Array(length);
    this.#shared = new Float64Array(length);
  }

  read(index: number, lane: number, component: number): number {
    const clock = this.#clock;
    if (index >= this.#length)
      return clock.invalidRead(this.name, index, `read out of bounds: it has ${this.#length} elements`);
    const written = this.#written[index] as number;
    if (written < clock.start)
      return clock.invalidRead(this.name, index, `lane ${lane} reads it before it was written`);
    const overwriter = clock.overwriterOf(this.name, index, clock.workgroup + lane, clock.epoch);
    const writer = overwriter === undefined ? (this.#writer[index] as number) : overwriter - clock.workgroup;
    if ((written === clock.epoch || overwriter !== undefined) && writer !== lane)
      return clock.invalidRead(
        this.name,
        index,
        `lane ${lane} reads what lane ${writer} writes without a barrier between`,
      );
    if (this.#read[index] === clock.epoch && this.#reader[index] !== lane) this.#shared[index] = clock.epoch;
    this.#reader[index] = lane;
    this.#read[index] = clock.epoch;
    return this.#data[index * this.#width + component] as number;
  }

  write(index: number, value: number, lane: number, component: number): void {
    const clock = this.#clock;
    if (index >= this.#length) clock.fail(this.name, index, `written out of bounds: it has ${this.#length} elements`);
    const [writer, reader] = [this.#writer[index] as number, this.#reader[index] as number];
    if (this.#written[index] === clock.epoch && writer !== lane)
      clock.fail(this.name, index, `lane ${lane} writes what lane ${writer} wrote without a barrier between`);
    const isShared = this.#shared[index] === clock.epoch;
    if (this.#read[index] === clock.epoch && (reader !== lane || isShared))
      clock.overwrite(this.name, index, clock.workgroup + lane, clock.epoch);
    this.#writer[index] = lane;
    this.#written[index] = clock.epoch;
    this.#data[index * this.#width + component] = value;
  }
}

/** An array of registers per lane. */
export class RegisterMemory {
  readonly name: string;
  readonly #length: number;
  readonly #width: number;
  readonly #data: Float64Array;
  readonly #clock: Clock;

  constructor(clock: Clock, { name, element, length }: LocalArray) {
    this.#clock = clock;
    this.name = name;
    this.#length = length;
    this.#width = element === "f32x4" ? 4 : 1;
    this.#data = new Float64Array(clock.lanes * length * this.#width);
  }

  read(index: number, lane: number, component: number): number {
    if (index >= this.#length)
      return this.#clock.invalidRead(this.name, index, `read out of bounds: it has ${this.#length} elements`);
    return this.#data[(lane * this.#length + index) * this.#width + component] as number;
  }

  write(index: number, value: number, lane: number, component: number): void {
    if (index >= this.#length)
      this.#clock.fail(this.name, index, `written out of bounds: it has ${this.#length} elements`);
    this.#data[(lane * this.#length + index) * this.#width + component] = value;
  }
}

/** @file The buffers that a run reads its inputs from: the buffer of a device array, or one that host values are written to. */
import { UserError } from "../compiler/graph/errors.ts";
import type { DType } from "../compiler/graph/graph.ts";
import { type NdArray, ofAnotherDevice, valueFault } from "../compiler/graph/ndarray.ts";
import type { Program, ProgramInput } from "../compiler/plan/program.ts";
import type { DeviceArray } from "./device-array.ts";
import type { Inputs } from "./program-inputs.ts";
import { type DeviceWords, toDeviceWords } from "./words.ts";

/** An array of this kind of device. */
export interface FoundArray<B> {
  /** Whether it is on this device. */
  readonly isOwn: boolean;
  readonly dtype: DType;
  /** Undefined once it was destroyed or donated. */
  readonly buffer: B | undefined;
}

/** Arrays and memory of a device; `B` is its buffer type. */
export interface InputMemory<B> {
  /** The array if `given` is one of this kind of device; "result" if it can only be read by the host. */
  readonly find: (given: NdArray | DeviceArray | undefined) => FoundArray<B> | "result" | undefined;
  readonly take: (bytes: number, label: string) => B;
  readonly write: (buffer: B, words: DeviceWords) => void;
  readonly destroy: (buffer: B) => void;
}

/** `size` of a buffer is in bytes. */
export class InputBuffers<B extends { readonly size: number }> {
  readonly #memory: InputMemory<B>;
  readonly #program: string;
  readonly #inputs: readonly ProgramInput[];
  readonly #donated: ReadonlySet<string>;
  readonly #uploads = new Map<string, B>();

  constructor(memory: InputMemory<B>, { name, inputs, outputs }: Pick<Program, "name" | "inputs" | "outputs">) {
    this.#memory = memory;
    this.#program = name;
    this.#inputs = inputs;
    this.#donated = new Set(outputs.flatMap(({ donated }) => (donated === undefined ? [] : [donated])));
  }

  /** Stores the buffer of each input in `buffers`. Throws a UserError if an input does not fit. */
  placeIn(buffers: (B | undefined)[], given: Inputs): void {
    const readers = new Map<B, string>();
    for (const input of this.#inputs) {
      const buffer = this.#bufferOf(input, given[input.name]);
      const other = readers.get(buffer);
      if (other !== undefined && [input.name, other].some((name) => this.#donated.has(name)))
        throw new UserError(
          `${this.#program}: inputs ${other} and ${input.name} are the same array, and a donated one is overwritten; give two arrays`,
        );
      readers.set(buffer, input.name);
      buffers[input.buffer] = buffer;
    }
  }

  /** Throws a UserError if an input has its numbers on the host. */
  checkOnDevice(given: Inputs): void {
    for (const { name } of this.#inputs)
      if (given[name] !== undefined && this.#memory.find(given[name]) === undefined)
        throw new UserError(
          `${this.#program}: input ${name} is not on the device, and commands that are submitted later read it then; upload it first`,
        );
  }

  #bufferOf(input: ProgramInput, given: NdArray | DeviceArray | undefined): B {
    const fail = (fault: string): never => {
      throw new UserError(`${this.#program}: input ${input.name} ${fault}`);
    };
    const array = this.#memory.find(given);
    if (array === "result")
      return fail("is a readback result, which only the host can read; compile its producer without readback");
    if (array !== undefined) {
      if (!array.isOwn) fail(ofAnotherDevice);
      if (array.dtype !== input.dtype) fail(`is ${array.dtype}; expected ${input.dtype}`);
      return array.buffer ?? fail("was destroyed, or donated to an earlier run; upload it again");
    }
    if (this.#donated.has(input.name)) fail("is donated, so it must be a device array: upload it");
    const value = given as NdArray;
    const fault = valueFault(value, input.dtype);
    if (fault !== undefined) fail(fault);
    return this.#upload(input.name, value);
  }

  #upload(name: string, value: NdArray): B {
    const words = toDeviceWords(value);
    let buffer = this.#uploads.get(name);
    if (buffer === undefined || buffer.size < words.byteLength) {
      if (buffer !== undefined) this.#memory.destroy(buffer);
      // If there is no memory for a larger one, the next run tries again.
      this.#uploads.delete(name);
      buffer = this.#memory.take(words.byteLength, `${this.#program}: ${name}`);
      this.#uploads.set(name, buffer);
    }
    this.#memory.write(buffer, words);
    return buffer;
  }

  destroy(): void {
    for (const buffer of this.#uploads.values()) this.#memory.destroy(buffer);
    this.#uploads.clear();
  }
}

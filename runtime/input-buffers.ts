/** @file The buffers that a run reads its inputs from: an array's own, or one that the numbers are written to first. */
import { UserError } from "../compiler/graph/errors.ts";
import { type NdArray, ofAnotherDevice, valueFault } from "../compiler/graph/ndarray.ts";
import type { Program, ProgramInput } from "../compiler/plan/program.ts";
import { GpuArray, StagedArray, toDeviceWords } from "./arrays.ts";
import { storageUsage } from "./buffers.ts";
import type { GpuContext } from "./context.ts";
import type { DeviceArray } from "./device-array.ts";

export class InputBuffers {
  readonly #context: GpuContext;
  readonly #program: string;
  readonly #inputs: readonly ProgramInput[];
  readonly #donated: ReadonlySet<string>;
  readonly #uploads = new Map<string, GPUBuffer>();

  constructor(context: GpuContext, { name, inputs, outputs }: Program) {
    this.#context = context;
    this.#program = name;
    this.#inputs = inputs;
    this.#donated = new Set(outputs.flatMap(({ donated }) => (donated === undefined ? [] : [donated])));
  }

  /** Puts the buffer of each input where the program finds it. Throws a UserError where what is given cannot be it. */
  placeIn(buffers: (GPUBuffer | undefined)[], given: Readonly<Record<string, NdArray | DeviceArray>>): void {
    const readers = new Map<GPUBuffer, string>();
    for (const input of this.#inputs) {
      const buffer = this.#bufferOf(input, given[input.name]);
      const other = readers.get(buffer);
      if (other !== undefined && [input.name, other].some((name) => this.#donated.has(name)))
        throw new UserError(
          `${this.#program}: inputs ${other} and ${input.name} are one array, and a donated one is written over; give two`,
        );
      readers.set(buffer, input.name);
      buffers[input.buffer] = buffer;
    }
  }

  #bufferOf(input: ProgramInput, given: NdArray | DeviceArray | undefined): GPUBuffer {
    const fail = (fault: string): never => {
      throw new UserError(`${this.#program}: input ${input.name} ${fault}`);
    };
    if (given instanceof StagedArray)
      return fail("is a result that only the host reads; compile what made it without readback");
    if (given instanceof GpuArray) {
      if (!given.isOn(this.#context)) fail(ofAnotherDevice);
      if (given.dtype !== input.dtype) fail(`is ${given.dtype}; expected ${input.dtype}`);
      return given.buffer ?? fail("was destroyed, or donated to an earlier run; upload it again");
    }
    if (this.#donated.has(input.name)) fail("is donated, so it must be an array of the device: upload it");
    const value = given as NdArray;
    const fault = valueFault(value, input.dtype);
    if (fault !== undefined) fail(fault);
    return this.#upload(input.name, value);
  }

  #upload(name: string, value: NdArray): GPUBuffer {
    const { pool } = this.#context;
    const words = toDeviceWords(value);
    let buffer = this.#uploads.get(name);
    if (buffer === undefined || buffer.size < words.byteLength) {
      if (buffer !== undefined) pool.destroy(buffer);
      buffer = pool.take(words.byteLength, storageUsage(), `${this.#program}: ${name}`);
      this.#uploads.set(name, buffer);
    }
    this.#context.write(buffer, words);
    return buffer;
  }

  destroy(): void {
    for (const buffer of this.#uploads.values()) this.#context.pool.destroy(buffer);
    this.#uploads.clear();
  }
}

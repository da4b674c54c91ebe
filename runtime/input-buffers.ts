/** @file The buffers that a run reads its inputs from: an array's own, or one that the numbers are written to first. */
import { UserError } from "../compiler/graph/errors.ts";
import type { NdArray } from "../compiler/graph/ndarray.ts";
import type { Program, ProgramInput } from "../compiler/plan/program.ts";
import { GpuArray, StagedArray, storageUsage, toDeviceWords } from "./arrays.ts";
import type { GpuContext } from "./context.ts";
import type { DeviceArray } from "./device.ts";

export class InputBuffers {
  readonly #context: GpuContext;
  readonly #program: string;
  readonly #donated: ReadonlySet<string>;
  readonly #uploads = new Map<string, GPUBuffer>();

  constructor(context: GpuContext, { name, outputs }: Program) {
    this.#context = context;
    this.#program = name;
    this.#donated = new Set(outputs.flatMap(({ donated }) => (donated === undefined ? [] : [donated])));
  }

  /** Where the program finds an input. Throws a UserError where what is given cannot be it. */
  bufferOf(input: ProgramInput, given: NdArray | DeviceArray | undefined): GPUBuffer {
    const fail = (fault: string): never => {
      throw new UserError(`${this.#program}: input ${input.name} ${fault}`);
    };
    if (given instanceof StagedArray)
      return fail("is a result that only the host reads; compile without readback for it");
    if (given instanceof GpuArray) {
      if (given.dtype !== input.dtype) fail(`is ${given.dtype}; expected ${input.dtype}`);
      return given.buffer ?? fail("was destroyed or donated before");
    }
    if (this.#donated.has(input.name)) fail("is donated, so it must be an array of the device: upload it");
    const value = given as NdArray;
    if (value.dtype !== input.dtype) fail(`is ${value.dtype}; expected ${input.dtype}`);
    return this.#upload(input.name, value);
  }

  #upload(name: string, value: NdArray): GPUBuffer {
    const { pool, device } = this.#context;
    const words = toDeviceWords(value);
    let buffer = this.#uploads.get(name);
    if (buffer === undefined || buffer.size < words.byteLength) {
      if (buffer !== undefined) pool.destroy(buffer);
      buffer = pool.take(words.byteLength, storageUsage(), `${this.#program}: ${name}`);
      this.#uploads.set(name, buffer);
    }
    device.queue.writeBuffer(buffer, 0, words as Float32Array<ArrayBuffer>);
    return buffer;
  }

  destroy(): void {
    for (const buffer of this.#uploads.values()) this.#context.pool.destroy(buffer);
    this.#uploads.clear();
  }
}

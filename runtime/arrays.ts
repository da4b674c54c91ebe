/** @file Arrays on a WebGPU device. */

import { UserError } from "../compiler/graph/errors.ts";
import type { DType } from "../compiler/graph/graph.ts";
import type { NdArray } from "../compiler/graph/ndarray.ts";
import { sizeOfNumbers } from "../compiler/graph/ndarray.ts";
import { storages } from "../compiler/graph/storage.ts";
import type { GpuContext } from "./context.ts";
import type { DeviceArray } from "./device-array.ts";
import { bufferUsage } from "./gpu-flags.ts";
import type { FoundArray } from "./input-buffers.ts";
import { fromDeviceWords, toDeviceWords } from "./words.ts";

export class GpuArray implements DeviceArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Whether the buffer has another owner. */
  readonly isWrapped: boolean;
  readonly #context: GpuContext;
  /** The error of the run that produces this array; undefined if it succeeded. */
  readonly #outcome: Promise<Error | undefined>;
  #buffer: GPUBuffer | undefined;

  constructor(
    context: GpuContext,
    buffer: GPUBuffer,
    dtype: DType,
    shape: readonly number[],
    outcome?: Promise<Error | undefined>,
  ) {
    this.#context = context;
    this.#buffer = buffer;
    this.isWrapped = !context.pool.has(buffer);
    this.dtype = dtype;
    this.shape = shape;
    this.#outcome = outcome ?? Promise.resolve(undefined);
  }

  get size(): number {
    return sizeOfNumbers(this.shape);
  }

  /** The error of the run or upload that produces this array; undefined if it succeeded. */
  get outcome(): Promise<Error | undefined> {
    return this.#outcome;
  }

  isOn(context: GpuContext): boolean {
    return this.#context === context;
  }

  /** The buffer, or undefined once the array was destroyed or donated. */
  get memory(): GPUBuffer | undefined {
    return this.#buffer;
  }

  get buffer(): GPUBuffer {
    return this.#held();
  }

  #held(): GPUBuffer {
    if (this.#buffer === undefined)
      throw new UserError("this array was destroyed, or donated to a run that wrote over it; read it before that");
    return this.#buffer;
  }

  /** Gives up the buffer; the array can no longer be used. */
  detach(): void {
    this.#buffer = undefined;
  }

  read = async (): Promise<NdArray> => {
    const buffer = this.#held();
    if ((buffer.usage & bufferUsage.COPY_SRC) === 0)
      throw new UserError(
        "this array is a GPUBuffer without usage COPY_SRC, so it cannot be read; its owner must create it with GPUBufferUsage.COPY_SRC",
      );
    const bytes = this.#context.readBuffer(buffer, this.size * storages[this.dtype].bytes);
    // The read can fail before the outcome of the run is known, and is not awaited if the run failed.
    bytes.catch(() => {});
    const failure = await this.#outcome;
    if (failure !== undefined) throw failure;
    return { dtype: this.dtype, shape: this.shape, data: fromDeviceWords(await bytes, this.dtype, this.size) };
  };

  destroy = (): void => {
    if (this.#buffer !== undefined) this.#context.pool.release(this.#buffer);
    this.#buffer = undefined;
  };
}

/**
 * A small result for the host: the run that produces it also copies it to a staging buffer, so that reading it needs no
 * extra submit and causes no stall.
 */
export class StagedArray implements DeviceArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly #context: GpuContext;
  readonly #staging: GPUBuffer;
  readonly #outcome: Promise<Error | undefined>;
  readonly #action: string;
  #numbers: Promise<NdArray> | undefined;
  #isDestroyed = false;

  constructor(
    context: GpuContext,
    staging: GPUBuffer,
    dtype: DType,
    shape: readonly number[],
    outcome: Promise<Error | undefined>,
    action: string,
  ) {
    this.#context = context;
    this.#staging = staging;
    this.#action = action;
    this.dtype = dtype;
    this.shape = shape;
    this.#outcome = outcome;
  }

  read = (): Promise<NdArray> => {
    this.#numbers ??= this.#read();
    return this.#numbers;
  };

  async #read(): Promise<NdArray> {
    if (this.#isDestroyed) throw new UserError("this result was destroyed; read it before that");
    const count = sizeOfNumbers(this.shape);
    const bytes = await this.#context.mapAndRelease(
      this.#staging,
      count * storages[this.dtype].bytes,
      this.#action,
      this.#outcome,
    );
    return { dtype: this.dtype, shape: this.shape, data: fromDeviceWords(bytes, this.dtype, count) };
  }

  get buffer(): never {
    throw new UserError(
      "this is a readback result, which only the host can read; compile its producer without readback",
    );
  }

  destroy = (): void => {
    // A read returns the staging buffer to the pool; without one, it is returned here.
    if (this.#numbers === undefined && !this.#isDestroyed) this.#context.pool.release(this.#staging);
    this.#isDestroyed = true;
  };
}

/** Copies an array to the device. */
export function uploadArray(context: GpuContext, value: NdArray): GpuArray {
  const words = toDeviceWords(value);
  const { buffer, outcome } = context.bufferOf(words, `an array [${value.shape.join(", ")}]`);
  return new GpuArray(context, buffer, value.dtype, value.shape, outcome);
}

/** Looks up an input among WebGPU's arrays. */
export function findArray(
  context: GpuContext,
  given: NdArray | DeviceArray | undefined,
): FoundArray<GPUBuffer> | "result" | undefined {
  if (given instanceof StagedArray) return "result";
  if (!(given instanceof GpuArray)) return undefined;
  return { isOwn: given.isOn(context), dtype: given.dtype, buffer: given.memory };
}

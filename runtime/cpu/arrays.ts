/** @file Arrays in the memory of the CPU device. */
import { UserError } from "../../compiler/graph/errors.ts";
import type { DType } from "../../compiler/graph/graph.ts";
import { type NdArray, sizeOfNumbers } from "../../compiler/graph/ndarray.ts";
import { storages } from "../../compiler/graph/storage.ts";
import { megabytes } from "../buffers.ts";
import type { DeviceArray } from "../device-array.ts";
import type { FoundArray } from "../input-buffers.ts";
import { fromDeviceWords, toDeviceWords } from "../words.ts";
import type { CpuContext } from "./context.ts";
import { type Block, endOf } from "./heap.ts";

/** The error of the command that produces an array; undefined if it succeeded. */
export type Outcome = Promise<Error | undefined>;

export class CpuArray implements DeviceArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly #context: CpuContext;
  readonly #outcome: Outcome;
  #block: Block | undefined;

  constructor(context: CpuContext, block: Block, dtype: DType, shape: readonly number[], outcome: Outcome) {
    this.#context = context;
    this.#block = block;
    this.dtype = dtype;
    this.shape = shape;
    this.#outcome = outcome;
  }

  isOn(context: CpuContext): boolean {
    return this.#context === context;
  }

  /** Its memory, or undefined once the array was destroyed or donated. */
  get block(): Block | undefined {
    return this.#block;
  }

  /** Gives up the memory; the array can no longer be used. */
  detach(): void {
    this.#block = undefined;
  }

  read = async (): Promise<NdArray> => {
    const block = this.#block;
    if (block === undefined)
      throw new UserError("this array was destroyed, or donated to a run that wrote over it; read it before that");
    this.#context.check();
    const count = sizeOfNumbers(this.shape);
    const range = { address: block.address, bytes: count * storages[this.dtype].bytes, count: 1, stride: 0 };
    const reply = this.#context.read({ reads: [range], end: endOf([block]) });
    const done = this.#context.done(reply, "read an array", "an array that is read");
    // The read can fail before the outcome is known, and is not awaited if the command failed.
    done.catch(() => {});
    const failure = await this.#outcome;
    if (failure !== undefined) throw failure;
    const [bytes = new ArrayBuffer(0)] = (await done).reads;
    return { dtype: this.dtype, shape: this.shape, data: fromDeviceWords(bytes, this.dtype, count) };
  };

  destroy = (): void => {
    if (this.#block !== undefined) this.#context.heap.free(this.#block);
    this.#block = undefined;
  };
}

/** A result for the host: it arrives with the message that the run is done. */
export class CpuResult implements DeviceArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly #bytes: Promise<ArrayBuffer>;
  #numbers: Promise<NdArray> | undefined;
  #isDestroyed = false;

  constructor(bytes: Promise<ArrayBuffer>, dtype: DType, shape: readonly number[]) {
    this.#bytes = bytes;
    this.dtype = dtype;
    this.shape = shape;
  }

  read = (): Promise<NdArray> => {
    this.#numbers ??= this.#read();
    return this.#numbers;
  };

  async #read(): Promise<NdArray> {
    if (this.#isDestroyed) throw new UserError("this result was destroyed; read it before that");
    const count = sizeOfNumbers(this.shape);
    const data = fromDeviceWords(await this.#bytes, this.dtype, count);
    return { dtype: this.dtype, shape: this.shape, data };
  }

  destroy = (): void => {
    this.#isDestroyed = true;
  };
}

/** Copies an array to the device. */
export function uploadCpuArray(context: CpuContext, value: NdArray): CpuArray {
  context.check();
  const words = toDeviceWords(value);
  const label = `an array [${value.shape.join(", ")}]`;
  const block = context.take(words.byteLength, label);
  const plan = megabytes(words.byteLength);
  const reply = context.upload({ address: block.address, words, end: endOf([block]) });
  const outcome = context.done(reply, `upload ${label}`, label, plan).then(
    () => undefined,
    (error: Error) => error,
  );
  return new CpuArray(context, block, value.dtype, value.shape, outcome);
}

/** Looks up an input among the CPU device's arrays. */
export function findCpuArray(
  context: CpuContext,
  given: NdArray | DeviceArray | undefined,
): FoundArray<Block> | "result" | undefined {
  if (given instanceof CpuResult) return "result";
  if (!(given instanceof CpuArray)) return undefined;
  return { isOwn: given.isOn(context), dtype: given.dtype, buffer: given.block };
}

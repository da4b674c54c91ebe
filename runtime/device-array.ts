/** @file The public interface of an array on a device. */
import type { DType } from "../compiler/graph/graph.ts";
import type { NdArray } from "../compiler/graph/ndarray.ts";
import type { GpuGlobal } from "./gpu-types.ts";

/** An array stored on a device. */
export interface DeviceArray {
  /** Type of the elements. */
  readonly dtype: DType;
  /** The dimensions, slowest first. */
  readonly shape: readonly number[];
  /** Reads the values, after all previously enqueued work. Rejects with the error of the run that produced the array. */
  readonly read: () => Promise<NdArray>;
  /**
   * On WebGPU, the GPUBuffer with the values, for commands of one's own: row-major from byte 0, 4 bytes each (bool is u32 0 or
   * 1). The buffer can be larger. It is valid until the array is destroyed or donated, which throws a UserError here, as do
   * results of `readback` and arrays in several buffers. Undefined on other devices.
   */
  readonly buffer?: GpuGlobal<"GPUBuffer"> | undefined;
  /** Frees the memory. The array cannot be read afterwards. */
  readonly destroy: () => void;
}

/** What the numbers in a GPUBuffer are: row-major from byte 0, 4 bytes each. */
export interface WrapOptions {
  /** The dimensions, slowest first. */
  readonly shape: readonly number[];
  /** Type of the elements, by default "f32"; bool is u32, 0 or 1. */
  readonly dtype?: DType;
}

/** @file The public interface of an array on a device. */
import type { DType } from "../compiler/graph/graph.ts";
import type { NdArray } from "../compiler/graph/ndarray.ts";

/** An array stored on a device. */
export interface DeviceArray {
  /** Type of the elements. */
  readonly dtype: DType;
  /** The dimensions, slowest first. */
  readonly shape: readonly number[];
  /** Reads the values, after all previously enqueued work. Rejects with the error of the run that produced the array. */
  readonly read: () => Promise<NdArray>;
  /** Frees the memory. The array cannot be read afterwards. */
  readonly destroy: () => void;
}

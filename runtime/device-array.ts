/** @file An array on a device, to those who hold one. */
import type { DType } from "../compiler/graph/graph.ts";
import type { NdArray } from "../compiler/graph/ndarray.ts";

/** An array that lives on a device. */
export interface DeviceArray {
  /** What its elements are. */
  readonly dtype: DType;
  /** The dimensions, slowest first; all known. */
  readonly shape: readonly number[];
  /** Its numbers, once everything that was enqueued before has run. Rejects with the error of the run that made it. */
  readonly read: () => Promise<NdArray>;
  /** Gives its memory back. It cannot be read afterwards. */
  readonly destroy: () => void;
}

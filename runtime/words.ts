/** @file Converts numbers to the words of a device's memory and back. */
import type { DType } from "../compiler/graph/graph.ts";
import type { NdArray } from "../compiler/graph/ndarray.ts";

export type DeviceWords = Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/** Float64 numbers as a device stores them: bool as u32. */
export function toDeviceWords(value: NdArray): DeviceWords {
  // Constructors copy; `from` would iterate, which takes several times as long.
  if (value.dtype === "f32") return new Float32Array(value.data);
  return value.dtype === "i32" ? new Int32Array(value.data) : new Uint32Array(value.data);
}

export function fromDeviceWords(bytes: ArrayBuffer, dtype: DType, count: number): Float64Array {
  const words =
    dtype === "f32"
      ? new Float32Array(bytes, 0, count)
      : dtype === "i32"
        ? new Int32Array(bytes, 0, count)
        : new Uint32Array(bytes, 0, count);
  return new Float64Array(words);
}

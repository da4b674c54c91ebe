/** @file An array on a device that is larger than a buffer may be: one array for each of its pages. */
import { at, UserError } from "../compiler/graph/errors.ts";
import type { DType } from "../compiler/graph/graph.ts";
import { type NdArray, sizeOfNumbers } from "../compiler/graph/ndarray.ts";
import { type Parts, pageShape, pagesOf } from "../compiler/graph/pages.ts";
import type { DeviceArray } from "./device.ts";

export class PagedArray implements DeviceArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly pages: readonly DeviceArray[];

  constructor(dtype: DType, shape: readonly number[], pages: readonly DeviceArray[]) {
    this.dtype = dtype;
    this.shape = shape;
    this.pages = pages;
  }

  get size(): number {
    return sizeOfNumbers(this.shape);
  }

  read = async (): Promise<NdArray> => {
    // All reads are enqueued before the first await, so that they belong to the same run.
    const read = await Promise.all(this.pages.map((page) => page.read()));
    const data = new Float64Array(this.size);
    let from = 0;
    for (const page of read) {
      data.set(page.data, from);
      from += page.data.length;
    }
    return { dtype: this.dtype, shape: this.shape, data };
  };

  get buffer(): never {
    throw new UserError(
      `this array is in ${this.pages.length} GPUBuffers, since one cannot hold it; read it, or make it smaller`,
    );
  }

  destroy = (): void => {
    for (const page of this.pages) page.destroy();
  };
}

/** Copies an array to the device, in pages if it is larger than a buffer may be. */
export function uploadPages(
  value: NdArray,
  parts: Parts | undefined,
  bufferBytes: number,
  upload: (value: NdArray) => DeviceArray,
): DeviceArray {
  const most = Math.floor(bufferBytes / 16) * 4;
  const pages = value.data.length > most ? pagesOf(parts ?? [value.shape], most) : undefined;
  if (pages === undefined) return upload(value);
  const arrays = pages.map(({ from, size }) =>
    upload({ dtype: value.dtype, shape: pageShape(value.shape, size), data: value.data.slice(from, from + size) }),
  );
  return arrays.length === 1 ? at(arrays, 0) : new PagedArray(value.dtype, value.shape, arrays);
}

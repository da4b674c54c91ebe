/** @file Slices and concatenations of arrays on the host, for converting weights between layouts. */
import { at } from "../compiler/graph/errors.ts";
import { type NdArray, sizeOfNumbers } from "../compiler/graph/ndarray.ts";

/** [m, n] -> [n, m]. */
export function transposed({ dtype, shape, data }: NdArray): NdArray {
  const [m, n] = [at(shape, 0), at(shape, 1)];
  const turned = new Float64Array(data.length);
  for (const [position, value] of data.entries()) turned[(position % n) * m + Math.floor(position / n)] = value;
  return { dtype, shape: [n, m], data: turned };
}

/** A slice of `size` entries along the first axis, from `start`. */
export function rows({ dtype, shape, data }: NdArray, start: number, size: number): NdArray {
  const width = sizeOfNumbers(shape.slice(1));
  return { dtype, shape: [size, ...shape.slice(1)], data: data.slice(start * width, (start + size) * width) };
}

/** A slice of `size` entries along the second axis, from `start`. */
export function columns(matrix: NdArray, start: number, size: number): NdArray {
  return transposed(rows(transposed(matrix), start, size));
}

/** Concatenates arrays along the first axis. */
export function stackRows(parts: readonly NdArray[]): NdArray {
  const { dtype, shape } = at(parts, 0);
  const data = new Float64Array(parts.reduce((total, part) => total + part.data.length, 0));
  let start = 0;
  for (const part of parts) {
    data.set(part.data, start);
    start += part.data.length;
  }
  return { dtype, shape: [parts.reduce((total, part) => total + at(part.shape, 0), 0), ...shape.slice(1)], data };
}

/** Concatenates matrices along the second axis. */
export function stackColumns(parts: readonly NdArray[]): NdArray {
  return transposed(stackRows(parts.map(transposed)));
}

/** a + b; if b is zero, exactly a, including the sign of a zero. */
export function sumOf(a: NdArray, b: NdArray): NdArray {
  return { ...a, data: a.data.map((value, i) => (b.data[i] === 0 ? value : value + (b.data[i] ?? 0))) };
}

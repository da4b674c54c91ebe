/**
 * @file Distances between results. A gradient is one vector, even if stored in several arrays. Its error is measured
 * relative to its length or, if larger, to its change when the inputs are jittered by 1e-6: a gradient that is so sensitive
 * to a change near the f32 resolution is not determined any better.
 */
import { at } from "../../compiler/graph/errors.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { generator } from "./random-data.ts";

/** Euclidean norm of a vector stored in several arrays. */
export function norm(arrays: readonly NdArray[]): number {
  return Math.sqrt(arrays.reduce((sum, { data }) => data.reduce((total, value) => total + value * value, sum), 0));
}

/** Whether an array contains no NaN and no infinity. */
export function isFiniteArray({ data }: NdArray): boolean {
  return data.every((value) => Number.isFinite(value));
}

export function difference(a: readonly NdArray[], b: readonly NdArray[]): NdArray[] {
  if (a.length !== b.length) throw new Error(`${a.length} arrays against ${b.length}`);
  return a.map((array, i) => {
    const other = at(b, i);
    if (array.shape.join() !== other.shape.join()) {
      throw new Error(`array ${i} has shape [${array.shape.join(", ")}] against [${other.shape.join(", ")}]`);
    }
    return { ...array, data: array.data.map((value, k) => value - (other.data[k] ?? Number.NaN)) };
  });
}

export const jitter = 1e-6;

/** The arrays with each number changed by a relative random amount of up to `jitter`, in the arrays marked by `moves`. */
export function jittered(arrays: readonly NdArray[], moves: readonly boolean[], seed: number): NdArray[] {
  const random = generator(seed);
  return arrays.map((array, i) =>
    moves[i] ? { ...array, data: array.data.map((value) => value * (1 + jitter * (2 * random() - 1))) } : array,
  );
}

/** |got - reference| / |reference|, as norms of whole vectors; 0 if both are 0, infinite for a NaN. */
export function relativeError(got: readonly NdArray[], reference: readonly NdArray[], scale = norm(reference)): number {
  const distance = norm(difference(got, reference));
  if (distance === 0) return 0;
  return Number.isFinite(distance) ? distance / scale : Number.POSITIVE_INFINITY;
}

/**
 * @file How far apart two results are. A gradient is one vector, whatever arrays it comes in; its error is measured
 * against its own length, or against how much it changes when the inputs are jittered by 1e-6, where that is more: a
 * gradient that changes so much under a change that f32 hardly sees is not determined any better than that.
 */
import { at } from "../../compiler/graph/errors.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { generator } from "./random-data.ts";

/** Euclidean length of a vector that is held in several arrays. */
export function norm(arrays: readonly NdArray[]): number {
  return Math.sqrt(arrays.reduce((sum, { data }) => data.reduce((total, value) => total + value * value, sum), 0));
}

/** Whether an array has neither NaN nor infinity. */
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

/** The arrays with each number moved by up to `jitter` of itself; only those that `moves` says. */
export function jittered(arrays: readonly NdArray[], moves: readonly boolean[], seed: number): NdArray[] {
  const random = generator(seed);
  return arrays.map((array, i) =>
    moves[i] ? { ...array, data: array.data.map((value) => value * (1 + jitter * (2 * random() - 1))) } : array,
  );
}

/** |got - reference| / |reference|, each the length of one vector; 0 where both are 0, infinite for a NaN. */
export function relativeError(got: readonly NdArray[], reference: readonly NdArray[], scale = norm(reference)): number {
  const distance = norm(difference(got, reference));
  if (distance === 0) return 0;
  return Number.isFinite(distance) ? distance / scale : Number.POSITIVE_INFINITY;
}

/** @file Reproducible random numbers for tests: the same seed gives the same sequence. */
import type { Aval } from "../../compiler/graph/graph.ts";
import { type NdArray, ndarray, sizeOfNumbers } from "../../compiler/graph/ndarray.ts";

/** Uniform numbers in [0, 1), by the mulberry32 generator. */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** An array of numbers, uniform in ±scale and exact in f32, so that every executor sees the same input. */
export function randomFloats(random: () => number, shape: readonly number[], scale = 1): NdArray {
  const data = Array.from({ length: sizeOfNumbers(shape) }, () => Math.fround((2 * random() - 1) * scale));
  return ndarray(shape, data);
}

/** An array of integers in [0, bound). */
export function randomIntegers(
  random: () => number,
  shape: readonly number[],
  bound: number,
  dtype: Exclude<Aval["dtype"], "f32">,
): NdArray {
  const data = Array.from({ length: sizeOfNumbers(shape) }, () => Math.floor(random() * bound));
  return ndarray(shape, data, dtype);
}

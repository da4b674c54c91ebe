/** @file Normalizes columns of numbers to mean 0 and standard deviation 1, and back. */
import { at } from "../../compiler/graph/errors.ts";

/** Mean and standard deviation of each column. */
export interface Normalisation {
  /** Mean of each column. */
  readonly mean: readonly number[];
  /** Standard deviation of each column; 1 where the column is constant. */
  readonly deviation: readonly number[];
}

/** Mean and standard deviation of each column over the first `length` rows; 1 is the deviation of a constant column. */
export function normalisationOf(values: ArrayLike<number>, features: number, length: number): Normalisation {
  const moments = new Moments(features, length);
  moments.addToMean(values);
  moments.addToDeviation(values);
  return moments.normalisation();
}

/**
 * Mean and standard deviation of columns whose rows come in chunks: all chunks once for the mean, and once more for the
 * deviation. Numbers are added in the order of the rows, so the result does not depend on the chunks.
 */
export class Moments {
  readonly #length: number;
  readonly #sums: Float64Array;
  readonly #squares: Float64Array;
  /** The first row: differences from it add up without rounding error when a column is constant. */
  readonly #first: Float64Array;
  /** Number of rows in the sums, and in the squares. */
  #inSums = 0;
  #inSquares = 0;

  /** Counts the first `length` rows and ignores the others. */
  constructor(features: number, length: number) {
    this.#length = length;
    this.#sums = new Float64Array(features);
    this.#squares = new Float64Array(features);
    this.#first = new Float64Array(features);
  }

  /** Adds the next rows, row-major. */
  addToMean = (values: ArrayLike<number>): void => {
    if (this.#inSums === 0) for (const i of this.#first.keys()) this.#first[i] = values[i] ?? 0;
    this.#inSums = this.#add(values, this.#sums, this.#inSums, (x, i) => x - (this.#first[i] ?? 0));
  };

  /** Adds the same rows again, after all have been added to the mean. */
  addToDeviation = (values: ArrayLike<number>): void => {
    const mean = this.#mean();
    this.#inSquares = this.#add(values, this.#squares, this.#inSquares, (x, i) => (x - at(mean, i)) ** 2);
  };

  normalisation(): Normalisation {
    const mean = this.#mean();
    const deviation = Array.from(this.#squares, (sum, i) => {
      const root = Math.sqrt(sum / this.#length);
      // A column that varies only in the last bits of f64 is constant up to rounding, however far from 0 it is.
      return root > 8 * Number.EPSILON * Math.abs(at(mean, i)) ? root : 1;
    });
    return { mean, deviation };
  }

  #mean(): readonly number[] {
    return Array.from(this.#sums, (sum, i) => (this.#first[i] ?? 0) + sum / this.#length);
  }

  #add(
    values: ArrayLike<number>,
    sums: Float64Array,
    before: number,
    term: (x: number, column: number) => number,
  ): number {
    const features = sums.length;
    const rows = Math.min(this.#length - before, values.length / features);
    for (let row = 0; row < rows; row++) {
      for (let i = 0; i < features; i++) sums[i] = (sums[i] ?? 0) + term(values[row * features + i] ?? Number.NaN, i);
    }
    return before + rows;
  }
}

/** (value - mean) / deviation, column by column. */
export function normalise(values: ArrayLike<number>, { mean, deviation }: Normalisation): Float64Array {
  return Float64Array.from(values, (value, i) => (value - at(mean, i % mean.length)) / at(deviation, i % mean.length));
}

/** Undoes `normalise`: values [rows, columns] in their own units. */
export function denormalise(values: ArrayLike<number>, { mean, deviation }: Normalisation): Float64Array {
  return Float64Array.from(values, (value, i) => value * at(deviation, i % mean.length) + at(mean, i % mean.length));
}

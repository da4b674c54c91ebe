/** @file Numeric series: rows of a table, one per time step and one column per feature. */
import { at, expectArgument, UserError } from "../../compiler/graph/errors.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import {
  type Batches,
  type BatchSizes,
  batchesOf,
  ofBatches,
  type RecordingEntries,
  trainingLength,
} from "./batches.ts";
import { Extremes } from "./reach.ts";
import { type TableOptions, TableReader, type TableRow } from "./table.ts";

/** A table of numbers, a row for each time step. */
export interface Series {
  /** Names of the columns. */
  readonly columns: readonly string[];
  /** [length, columns], row-major. */
  readonly values: Float64Array;
  /** Number of rows. */
  readonly length: number;
  /** Names of the table's columns that are left out, such as those of dates. */
  readonly skipped?: readonly string[];
}

/** What was subtracted from, and divided out of, each column. */
export interface Normalisation {
  /** Of each column. */
  readonly mean: readonly number[];
  /** Standard deviation of each column; 1 where the column is constant. */
  readonly deviation: readonly number[];
}

/**
 * The series in the fields of a table; `name` is what messages call it. A first row in which no field is a number or a
 * date names the columns. Columns of dates are skipped. Every other field must be a number, with a decimal point or comma and
 * thousands or without: a UserError gives the line (from 1) and the column of the first hole, or of a field that may mean
 * two numbers where no other tells.
 */
export function parseSeries(table: readonly (readonly string[])[], name: string, options?: TableOptions): Series {
  const other = Array.isArray(table) ? table.find((row) => !Array.isArray(row)) : table;
  const words = "a list of rows, each a list of fields";
  expectArgument(other === undefined, "parseSeries: the table, or a row of it,", other, words);
  return seriesOf(
    table.map((fields, i) => ({ fields, line: i + 1 })),
    name,
    options,
  );
}

/** The series in rows that know their lines; see `parseSeries`. */
export function seriesOf(table: readonly TableRow[], name: string, options?: TableOptions): Series {
  const reader = new TableReader(name, options);
  const numbers = table.filter((row) => reader.look(row));
  reader.end();
  const rows = reader.numbersOf(numbers);
  const { columns, skipped } = reader;
  return {
    columns,
    values: Float64Array.from(rows.flat()),
    length: rows.length,
    ...(skipped.length > 0 && { skipped }),
  };
}

/** Mean and deviation of each column over its first `length` rows; a constant column gets deviation 1. */
export function normalisationOf(values: ArrayLike<number>, features: number, length: number): Normalisation {
  const moments = new Moments(features, length);
  moments.addToMean(values);
  moments.addToDeviation(values);
  return moments.normalisation();
}

/**
 * Mean and deviation of columns whose rows come in parts: all parts once for the mean, and once more for the deviation.
 * Numbers are added in the order of the rows, so it makes no difference how they are parted.
 */
export class Moments {
  readonly #length: number;
  readonly #sums: Float64Array;
  readonly #squares: Float64Array;
  /** The first row: sums of differences from it leave no rest of rounding where a column is constant. */
  readonly #first: Float64Array;
  /** Rows that were added to each. */
  #inSums = 0;
  #inSquares = 0;

  /** Of the first `length` rows; those that follow do not count. */
  constructor(features: number, length: number) {
    this.#length = length;
    this.#sums = new Float64Array(features);
    this.#squares = new Float64Array(features);
    this.#first = new Float64Array(features);
  }

  /** The next rows, row-major. */
  addToMean = (values: ArrayLike<number>): void => {
    if (this.#inSums === 0) for (const i of this.#first.keys()) this.#first[i] = values[i] ?? 0;
    this.#inSums = this.#add(values, this.#sums, this.#inSums, (x, i) => x - (this.#first[i] ?? 0));
  };

  /** The same rows again, after all have been added to the mean. */
  addToDeviation = (values: ArrayLike<number>): void => {
    const mean = this.#mean();
    this.#inSquares = this.#add(values, this.#squares, this.#inSquares, (x, i) => (x - at(mean, i)) ** 2);
  };

  normalisation(): Normalisation {
    const mean = this.#mean();
    const deviation = Array.from(this.#squares, (sum, i) => {
      const root = Math.sqrt(sum / this.#length);
      // What differs in the last bits of f64 alone is constant but for rounding, however far from 0 it lies.
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

/** Throws a UserError where a value of a series, called `name`, is too far off for f32 once it is normalised. */
export function checkReach({ columns, values }: Series, normalisation: Normalisation, name: string): void {
  const extremes = new Extremes();
  const width = columns.length;
  for (let row = 0; row * width < values.length; row++)
    extremes.add([...values.subarray(row * width, (row + 1) * width)], `row ${row + 1}`);
  extremes.check(name, columns, normalisation);
}

/** Batches of a series, with what was done to its columns. */
export interface SeriesBatches extends Batches {
  /** Of the training part; batches are normalised with it. */
  readonly normalisation: Normalisation;
}

/** How a series is cut into batches. */
export interface SeriesBatchSizes extends BatchSizes {
  /** How many rows later the row stands that is to be predicted; 1, the next one, by default. */
  readonly horizon?: number;
}

export const ofSeriesBatches = { ...ofBatches, horizon: "number" } as const;

/**
 * Batches of normalised values, f32 [T, B, features]; each target is the row that follows, or stands at the horizon.
 *
 * @throws UserError where there are too few rows, or a value is so far from the others that f32 cannot hold its square.
 */
export function seriesBatches(series: Series, sizes: SeriesBatchSizes): SeriesBatches {
  checkedOptions("seriesBatches", sizes, ofSeriesBatches);
  expectArgument(
    Array.isArray(series?.columns),
    "seriesBatches: the series",
    series,
    "what parseSeries gives: { columns, values, length }",
  );
  const { columns, values, length } = series;
  const features = columns.length;
  const normalisation = normalisationOf(values, features, trainingLength(length, sizes));
  checkReach(series, normalisation, "the series");
  const data = normalise(values, normalisation);
  const { horizon: _, ...cut } = sizes;
  return { ...batchesOf({ ...seriesEntries(features, sizes), data }, cut), normalisation };
}

/** What a series is a sequence of. */
export function seriesEntries(features: number, { horizon: ahead = 1 }: SeriesBatchSizes): RecordingEntries {
  if (!Number.isInteger(ahead) || ahead < 1)
    throw new UserError(`horizon must be a whole number above 0, got ${ahead}`);
  return { name: "the series", entries: "rows", dtype: "f32", shape: [features], ahead };
}

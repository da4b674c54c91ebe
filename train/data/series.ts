/** @file Numeric series: rows of a table, one per time step and one column per feature. */
import { at, UserError } from "../../compiler/graph/errors.ts";
import { type Batches, type BatchSizes, batchesOf, trainingLength } from "./batches.ts";

/** A table of numbers, a row for each time step. */
export interface Series {
  /** Names of the columns. */
  readonly columns: readonly string[];
  /** [length, columns], row-major. */
  readonly values: Float64Array;
  /** Number of rows. */
  readonly length: number;
}

/** What was subtracted from, and divided out of, each column. */
export interface Normalisation {
  /** Of each column. */
  readonly mean: readonly number[];
  /** Standard deviation of each column; 1 where the column is constant. */
  readonly deviation: readonly number[];
}

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

/** A field as a number; undefined for anything but a decimal number that f32 can hold. */
function numberOf(field: string): number | undefined {
  const text = field.trim();
  const value = decimal.test(text) ? Number(text) : Number.NaN;
  return Math.abs(value) < 3.4e38 ? value : undefined;
}

/**
 * The series in the fields of a table; `name` is what messages call it. A first row in which no field is a number names
 * the columns. Every other field must be a number: a UserError gives the line (from 1) and the column of the first hole.
 */
export function parseSeries(table: readonly (readonly string[])[], name: string): Series {
  const lines = table.slice(0, table.findLastIndex((fields) => fields.some((field) => field.trim() !== "")) + 1);
  const [first] = lines;
  if (first === undefined) throw new UserError(`${name} is empty; give it a row of numbers for each time step`);
  const named = first.every((field) => numberOf(field) === undefined);
  const columns = first.map((field, i) => (named && field.trim() !== "" ? field.trim() : `column ${i + 1}`));
  const start = named ? 1 : 0;
  const length = lines.length - start;
  if (length < 1) throw new UserError(`${name} has no row of numbers`);
  const values = new Float64Array(length * columns.length);
  for (let row = 0; row < length; row++) {
    const fields = at(lines, start + row);
    const line = `${name}, line ${start + row + 1}`;
    if (fields.length !== columns.length)
      throw new UserError(`${line}: expected ${columns.length} fields, as in line 1, got ${fields.length}`);
    for (const [i, field] of fields.entries()) {
      const value = numberOf(field);
      if (value === undefined) {
        const what = field.trim() === "" ? "is empty" : `is ${JSON.stringify(field.trim().slice(0, 40))}`;
        throw new UserError(`${line}, ${columns[i]}: the field ${what}; expected a number`);
      }
      values[row * columns.length + i] = value;
    }
  }
  return { columns, values, length };
}

/** Mean and deviation of each column over its first `length` rows; a constant column gets deviation 1. */
export function normalisationOf(values: ArrayLike<number>, features: number, length: number): Normalisation {
  const columnOf = (column: number) =>
    Array.from({ length }, (_, row) => values[row * features + column] ?? Number.NaN);
  const moments = Array.from({ length: features }, (_, i) => {
    const column = columnOf(i);
    const mean = column.reduce((sum, x) => sum + x, 0) / length;
    const deviation = Math.sqrt(column.reduce((sum, x) => sum + (x - mean) ** 2, 0) / length);
    // Summing equal numbers may leave a rest of rounding, which is no deviation either.
    return { mean, deviation: deviation > 1e-12 * Math.abs(mean) ? deviation : 1 };
  });
  return { mean: moments.map(({ mean }) => mean), deviation: moments.map(({ deviation }) => deviation) };
}

/** (value - mean) / deviation, column by column. */
export function normalise(values: ArrayLike<number>, { mean, deviation }: Normalisation): Float64Array {
  return Float64Array.from(values, (value, i) => (value - at(mean, i % mean.length)) / at(deviation, i % mean.length));
}

/** Undoes `normalise`: values [rows, columns] in their own units. */
export function denormalise(values: ArrayLike<number>, { mean, deviation }: Normalisation): Float64Array {
  return Float64Array.from(values, (value, i) => value * at(deviation, i % mean.length) + at(mean, i % mean.length));
}

/** Batches of a series, with what was done to its columns. */
export interface SeriesBatches extends Batches {
  /** Of the training part; batches are normalised with it. */
  readonly normalisation: Normalisation;
}

/** Batches of normalised values, f32 [T, B, features]; each target is the row that follows. */
export function seriesBatches({ columns, values, length }: Series, sizes: BatchSizes): SeriesBatches {
  const features = columns.length;
  const normalisation = normalisationOf(values, features, trainingLength(length, sizes));
  const data = normalise(values, normalisation);
  const batches = batchesOf({ name: "the series", entries: "rows", dtype: "f32", shape: [features], data }, sizes);
  return { ...batches, normalisation };
}

/** @file Numeric series: a table with one row per time step and one column per feature. */
import { expectArgument, UserError } from "../../compiler/graph/errors.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import {
  type Batches,
  type BatchSizes,
  batchesOf,
  ofBatches,
  type RecordingEntries,
  trainingLength,
} from "./batches.ts";
import { type Normalisation, normalisationOf, normalise } from "./normalisation.ts";
import { Extremes } from "./reach.ts";
import { type TableOptions, TableReader, type TableRow } from "./table.ts";

/** A table of numbers, one row per time step. */
export interface Series {
  /** Names of the columns. */
  readonly columns: readonly string[];
  /** [length, columns], row-major. */
  readonly values: Float64Array;
  /** Number of rows. */
  readonly length: number;
  /** Names of the columns that are left out, such as those of dates. */
  readonly skipped?: readonly string[];
}

/**
 * Reads a series from the fields of a table; `name` is its name in messages. A first row without a number or a date is a
 * header. Columns of dates are skipped. Every other field must be a number, with a decimal point or comma, with or without
 * thousands separators: a UserError gives the line (from 1) and the column of the first field that is missing or invalid, or
 * that stays ambiguous after all fields are read.
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

/** Reads a series from rows with line numbers; see `parseSeries`. */
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

/** Throws a UserError if a normalised value of a series is too large for f32; `name` is the series in messages. */
export function checkReach({ columns, values }: Series, normalisation: Normalisation, name: string): void {
  const extremes = new Extremes();
  const width = columns.length;
  for (let row = 0; row * width < values.length; row++)
    extremes.add([...values.subarray(row * width, (row + 1) * width)], `row ${row + 1}`);
  extremes.check(name, columns, normalisation);
}

/** Batches of a series, with its normalisation. */
export interface SeriesBatches extends Batches {
  /** Mean and deviation of the training part; all batches are normalised with them. */
  readonly normalisation: Normalisation;
}

/** How a series is cut into batches. */
export interface SeriesBatchSizes extends BatchSizes {
  /** How many rows ahead the target is; 1, the next row, by default. */
  readonly horizon?: number;
}

export const ofSeriesBatches = { ...ofBatches, horizon: "number" } as const;

/**
 * Batches of normalised values, f32 [T, B, features]; each target is the next row, or the one at the horizon.
 *
 * @throws UserError if there are too few rows, or a value is so far from the others that its square overflows f32.
 */
export function seriesBatches(series: Series, sizes: SeriesBatchSizes): SeriesBatches {
  checkedOptions("seriesBatches", sizes, ofSeriesBatches);
  expectArgument(
    Array.isArray(series?.columns),
    "seriesBatches: the series",
    series,
    "the result of parseSeries: { columns, values, length }",
  );
  const { columns, values, length } = series;
  const features = columns.length;
  const normalisation = normalisationOf(values, features, trainingLength(length, sizes));
  checkReach(series, normalisation, "the series");
  const data = normalise(values, normalisation);
  const { horizon: _, ...cut } = sizes;
  return { ...batchesOf({ ...seriesEntries(features, sizes), data }, cut), normalisation };
}

/** The entries of a series. */
export function seriesEntries(features: number, { horizon: ahead = 1 }: SeriesBatchSizes): RecordingEntries {
  if (!Number.isInteger(ahead) || ahead < 1)
    throw new UserError(`horizon must be a whole number above 0, got ${ahead}`);
  return { name: "the series", entries: "rows", dtype: "f32", shape: [features], ahead };
}

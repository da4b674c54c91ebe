/** @file Numeric series: rows of a table, one per time step and one column per feature. */
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

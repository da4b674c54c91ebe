/** @file Reads training data: a UTF-8 text, or a table of numbers (CSV or TSV). */
import { readFile, stat } from "node:fs/promises";
import { parse } from "csv-parse/sync";
import { UserError } from "../compiler/graph/errors.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import { type LabelledSequences, parseLabelled } from "../train/data/labelled.ts";
import { type Series, seriesOf } from "../train/data/series.ts";
import { ofTable, type TableOptions, type TableRow } from "../train/data/table.ts";
import { type LayoutOptions, ofLayout, parsedTable } from "../train/data/table-layout.ts";
import { decodeText } from "../train/data/utf8.ts";
import { fileFault } from "./file-faults.ts";

/** Whether a file is read as a numeric series (.csv, .tsv); all others are read as text. */
export function isSeriesFile(path: string): boolean {
  return /\.(csv|tsv)$/i.test(path);
}

/** Throws a UserError if the file is missing, empty, or a directory. */
export async function checkFile(path: string): Promise<void> {
  const found = await stat(path).catch((error: unknown) => {
    throw fileFault(path, error);
  });
  if (found.isDirectory()) throw new UserError(`${path} is a directory, not a file`);
  if (found.isFile() && found.size === 0) throw new UserError(`${path} is empty`);
}

/** Reads the bytes of a file; an empty file is a UserError. */
export async function readBytes(path: string): Promise<Uint8Array> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw fileFault(path, error);
  });
  if (bytes.length === 0) throw new UserError(`${path} is empty`);
  return bytes;
}

/**
 * Reads a UTF-8 text file, without its byte order mark.
 *
 * @throws UserError if the file cannot be read, is empty, or is not UTF-8; the message gives the offset of the first
 *   invalid byte.
 */
export async function readText(path: string): Promise<string> {
  return decodeText(path, await readBytes(path));
}

/**
 * Reads a table of numbers, one row per time step. If no field of the first row is a number, the row names the columns. The
 * separator and the number format are detected, or set by the options.
 *
 * @throws UserError if the file cannot be read, or a field is empty, not a number or ambiguous; the message gives line and
 *   column.
 */
export async function readSeries(path: string, options: TableOptions & LayoutOptions = {}): Promise<Series> {
  checkedOptions("readSeries", options, { ...ofTable, ...ofLayout });
  const { separator, columns, decimal, missing } = options;
  return seriesOf(await readRows(path, { separator, decimal }), path, { columns, decimal, missing });
}

/**
 * Reads labelled sequences from JSON lines, each {"x": …, "label": …}.
 *
 * @throws UserError if the file cannot be read or a line is invalid; the message gives the line.
 */
export async function readLabelled(path: string): Promise<LabelledSequences> {
  return parseLabelled((await readText(path)).split("\n"), path);
}

/** The rows of a table, with fields as text; empty lines are rows too. */
export async function readRows(path: string, options: LayoutOptions = {}): Promise<TableRow[]> {
  return parsedTable(await readText(path), path, options, parse);
}

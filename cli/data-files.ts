/** @file Reads what is trained on: a text file in UTF-8, or a table of numbers (CSV or TSV). */
import { readFile, stat } from "node:fs/promises";
import { parse } from "csv-parse/sync";
import { messageOf, UserError } from "../compiler/graph/errors.ts";
import { type LabelledSequences, parseLabelled } from "../train/data/labelled.ts";
import { parseSeries, type Series } from "../train/data/series.ts";
import { delimiterOf } from "./data/table-source.ts";
import { decodeText } from "./data/utf8.ts";
import { fileFault } from "./errors.ts";
import { oneLine } from "./one-line.ts";

/** Tables are numeric series; every other file is text. */
export function isSeriesFile(path: string): boolean {
  return /\.(csv|tsv)$/i.test(path);
}

/** Refuses what is not there, is no file, or is empty: the first thing to be said of a file. */
export async function checkFile(path: string): Promise<void> {
  const found = await stat(path).catch((error: unknown) => {
    throw fileFault(path, error);
  });
  if (found.isDirectory()) throw new UserError(`${path}: this is a directory, not a file`);
  if (found.isFile() && found.size === 0) throw new UserError(`${path} is empty`);
}

/** The bytes of a file that must hold something. */
export async function readBytes(path: string): Promise<Uint8Array> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw fileFault(path, error);
  });
  if (bytes.length === 0) throw new UserError(`${path} is empty`);
  return bytes;
}

/**
 * A text file in UTF-8; a byte order mark is not part of the text.
 *
 * @throws UserError where the file cannot be read, is empty, or is not UTF-8; the message names the first bad byte.
 */
export async function readText(path: string): Promise<string> {
  return decodeText(path, await readBytes(path));
}

/**
 * A table of numbers (CSV, or TSV by its name), a row for each time step; a first row in which no field is a number names
 * the columns.
 *
 * @throws UserError where the file cannot be read, or a field is empty or no number; the message names line and column.
 */
export async function readSeries(path: string): Promise<Series> {
  return parseSeries(await readRows(path), path);
}

/**
 * Labelled sequences from JSON lines: {"x": …, "label": …} on each.
 *
 * @throws UserError where the file cannot be read, or a line is not as it should be; the message names the line.
 */
export async function readLabelled(path: string): Promise<LabelledSequences> {
  return parseLabelled((await readText(path)).split("\n"), path);
}

/** The rows of a table, cells as text. Row i is line i + 1 of the file: empty lines are kept, except at the end. */
export async function readRows(path: string): Promise<string[][]> {
  const text = await readText(path);
  let rows: string[][];
  try {
    rows = parse(text.replace(/[\r\n]+$/, ""), { delimiter: delimiterOf(path), relax_column_count: true, trim: true });
  } catch (cause) {
    throw new UserError(`${path}: ${oneLine(messageOf(cause))}`, { cause });
  }
  if (rows.length === 0) throw new UserError(`${path} is empty`);
  return rows;
}

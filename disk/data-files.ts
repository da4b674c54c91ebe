/** @file Reads what is trained on: a text file in UTF-8, or a table of numbers (CSV or TSV). */
import { readFile, stat } from "node:fs/promises";
import { parse } from "csv-parse/sync";
import { UserError } from "../compiler/graph/errors.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import { type LabelledSequences, parseLabelled } from "../train/data/labelled.ts";
import { type Series, seriesOf } from "../train/data/series.ts";
import { ofTable, type TableOptions, type TableRow } from "../train/data/table.ts";
import { type LayoutOptions, ofLayout, parsedTable } from "../train/data/table-layout.ts";
import { fileFault } from "./file-faults.ts";
import { decodeText } from "./utf8.ts";

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
 * A table of numbers, a row for each time step; a first row in which no field is a number names the columns. What separates
 * the fields and how numbers are written is found in the text, or said by the options.
 *
 * @throws UserError where the file cannot be read, a field is empty or no number, or may mean two numbers; the message names
 *   line and column.
 */
export async function readSeries(path: string, options: TableOptions & LayoutOptions = {}): Promise<Series> {
  checkedOptions("readSeries", options, { ...ofTable, ...ofLayout });
  const { separator, columns, decimal, missing } = options;
  return seriesOf(await readRows(path, { separator, decimal }), path, { columns, decimal, missing });
}

/**
 * Labelled sequences from JSON lines: {"x": …, "label": …} on each.
 *
 * @throws UserError where the file cannot be read, or a line is not as it should be; the message names the line.
 */
export async function readLabelled(path: string): Promise<LabelledSequences> {
  return parseLabelled((await readText(path)).split("\n"), path);
}

/** The rows of a table, cells as text; empty lines are rows too. */
export async function readRows(path: string, options: LayoutOptions = {}): Promise<TableRow[]> {
  return parsedTable(await readText(path), path, options, parse);
}

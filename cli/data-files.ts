/** @file Reads what is trained on: a text file in UTF-8, or a table of numbers (CSV or TSV). */
import { readFile } from "node:fs/promises";
import { parse } from "csv-parse/sync";
import { messageOf, UserError } from "../compiler/graph/errors.ts";
import { parseSeries, type Series } from "../train/data/series.ts";
import { fileFault, oneLine } from "./errors.ts";

/** Tables are numeric series; every other file is text. */
export function isSeriesFile(path: string): boolean {
  return /\.(csv|tsv)$/i.test(path);
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
  const bytes = await readBytes(path);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new UserError(`${path} is not UTF-8 text: the bytes from offset ${firstFault(bytes)} on are no character`, {
      cause,
    });
  }
}

/** Offset of the first character that is none: where a faulty sequence of bytes starts. */
function firstFault(bytes: Uint8Array): number {
  // `fine` is the length of a prefix without a fault (a character cut off at its end is none), `faulty` of one with it.
  let [fine, faulty] = decodes(bytes, true) ? [bytes.length, bytes.length] : [0, bytes.length];
  while (faulty - fine > 1) {
    const middle = (fine + faulty) >> 1;
    if (decodes(bytes.subarray(0, middle), true)) fine = middle;
    else faulty = middle;
  }
  if (decodes(bytes.subarray(0, fine), false)) return fine;
  let start = fine - 1;
  while (start > 0 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start--;
  return start;
}

function decodes(bytes: Uint8Array, mayEndWithin: boolean): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: mayEndWithin });
    return true;
  } catch {
    return false;
  }
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

/** The rows of a table, cells as text. Row i is line i + 1 of the file: empty lines are kept, except at the end. */
export async function readRows(path: string): Promise<string[][]> {
  const text = await readText(path);
  const delimiter = /\.tsv$/i.test(path) ? "\t" : ",";
  let rows: string[][];
  try {
    rows = parse(text.replace(/[\r\n]+$/, ""), { delimiter, relax_column_count: true, trim: true });
  } catch (cause) {
    throw new UserError(`${path}: ${oneLine(messageOf(cause))}`, { cause });
  }
  if (rows.length === 0) throw new UserError(`${path} is empty`);
  return rows;
}

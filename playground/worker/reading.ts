/** @file Text and tables that visitors paste or drop: what cannot be trained on is refused in one line. */
import { parse } from "csv-parse/browser/esm/sync";
import { UserError } from "../../compiler/graph/errors.ts";
import { type Series, seriesOf } from "../../train/data/series.ts";
import { parsedTable } from "../../train/data/table-layout.ts";

/** Characters: more would fill the memory of a phone, and no page trains on them in an hour. */
const longest = 8_000_000;

/** The text of a file; a byte order mark is not part of it. */
export function readText(name: string, given: string | Uint8Array): string {
  const size = given.length;
  if (size === 0) throw new UserError(`${name} is empty; give it some thousand characters`);
  if (size > longest) {
    const millions = (length: number) => `${(length / 1e6).toFixed(1)} million`;
    throw new UserError(
      `${name} has ${millions(size)} characters; a page takes ${millions(longest)} at the most: cut a part out`,
    );
  }
  const text = typeof given === "string" ? given.replace(/^\uFEFF/, "") : decoded(name, given);
  if (text.includes("\0")) throw notText(name);
  return text;
}

function decoded(name: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw notText(name);
  }
}

function notText(name: string): UserError {
  return new UserError(`${name} is no text in UTF-8: it looks like an image, an archive or another binary file`);
}

/** The numbers in a table, a row for each time step. */
export function readSeries(name: string, given: string | Uint8Array): Series {
  const rows = parsedTable(readText(name, given), name, {}, parse);
  return seriesOf(rows, name);
}

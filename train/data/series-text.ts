/**
 * @file Reads a table from a text or a Blob, for web pages. The rules and messages are those of the command line's reader of
 * files; both use csv-parse, here in its build for browsers.
 */
import { expectArgument, UserError } from "../../compiler/graph/errors.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import { type Series, seriesOf } from "./series.ts";
import { ofTable, type TableOptions } from "./table.ts";
import { type LayoutOptions, ofLayout, parsedTable } from "./table-layout.ts";
import { decodeText } from "./utf8.ts";

/** A Blob or a File; TypeScript programs without DOM types have neither. */
export interface TextBlob {
  /** Its bytes. */
  readonly arrayBuffer: () => Promise<ArrayBuffer>;
}

/**
 * Reads a series from the text of a CSV or TSV, or from a Blob of it, such as a file that was dropped on a page; `name` is
 * its name in messages. The separator and the notation of numbers are detected, or set by the options; a first row without a
 * number or a date is a header, and columns of dates are skipped. The parser is loaded with the first call.
 *
 * @throws UserError (the promise rejects) if a field is empty, not a number, or ambiguous: the message names line and
 *   column.
 */
export async function parseSeriesText(
  source: string | TextBlob,
  name: string,
  options: TableOptions & LayoutOptions = {},
): Promise<Series> {
  expectArgument(
    typeof name === "string" && name !== "",
    "parseSeriesText: the name",
    name,
    'the name of the table in messages, such as "prices.csv"',
  );
  checkedOptions("parseSeriesText", options, { ...ofTable, ...ofLayout });
  const { separator, columns, decimal, missing } = options;
  const isText = typeof source === "string";
  expectArgument(
    isText || typeof source?.arrayBuffer === "function",
    "parseSeriesText: the table",
    source,
    "its text, or a Blob of it",
  );
  const text = isText ? source.replace(/^\uFEFF/, "") : decodeText(name, new Uint8Array(await source.arrayBuffer()));
  if (text === "") throw new UserError(`${name} is empty`);
  const { parse } = await import("csv-parse/browser/esm/sync");
  return seriesOf(parsedTable(text, name, { separator, decimal }, parse), name, { columns, decimal, missing });
}

/**
 * @file A table as a text, where there are no files: what a page was given. The rules and messages are those of the command
 * line's reader, which takes its tables from files; the parser of CSV under both is csv-parse, in its build for pages here.
 */
import { expectArgument, UserError } from "../../compiler/graph/errors.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import { type Series, seriesOf } from "./series.ts";
import { ofTable, type TableOptions } from "./table.ts";
import { type LayoutOptions, ofLayout, parsedTable } from "./table-layout.ts";
import { decodeText } from "./utf8.ts";

/** A Blob or a File, whose types not every program has. */
export interface TextBlob {
  /** Its bytes. */
  readonly arrayBuffer: () => Promise<ArrayBuffer>;
}

/**
 * The series in the text of a CSV or TSV, or in a Blob of it, such as a file that was dropped on a page; `name` is what
 * messages call it. What separates the fields and how numbers are written is found in the text, or said by the options; a
 * first row in which no field is a number or a date names the columns, and columns of dates are skipped. The parser is loaded
 * with the first call.
 *
 * @throws UserError (the promise rejects) where a field is empty or not a number, or may mean two numbers: the message names
 *   line and column.
 */
export async function parseSeriesText(
  source: string | TextBlob,
  name: string,
  options: TableOptions & LayoutOptions = {},
): Promise<Series> {
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

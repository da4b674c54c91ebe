/**
 * @file How the text of a table is laid out: what separates its fields, and lines above it that are none of it. It is found
 * in the first lines, whatever the file is called.
 */
import { messageOf, UserError } from "../../compiler/graph/errors.ts";
import { type Decimal, decimals, isReadable } from "./field.ts";
import type { TableRow } from "./table.ts";

/** How a table is read, where its text does not tell. */
export interface LayoutOptions {
  /** What separates the fields: `comma`, `semicolon`, `tab`, `space`, or a character. */
  readonly separator?: string | undefined;
  /** What stands before the decimals of a number. */
  readonly decimal?: Decimal | undefined;
}

export const ofLayout = { separator: "string", decimal: decimals } as const;

/** What is known of a table before its first row is read. */
export interface TableLayout {
  readonly separator: string;
  /** Lines at the start that are no rows: comments with `#`, and `sep=;`. */
  readonly linesBefore: number;
}

const named: Readonly<Record<string, string>> = { comma: ",", semicolon: ";", tab: "\t", space: " ", bar: "|" };
/** Characters of a table in which its layout is found. */
export const firstBytes = 65536;
/** In the order in which they are preferred where a table fits several. */
const candidates = ["\t", ";", ",", "|"];
/** Lines that are looked at. */
const enough = 40;

/** Of a table whose text starts so; `isWhole` where that is all of it. `name` is the file's, and what messages call it. */
export function layoutOf(start: string, isWhole: boolean, name: string, options: LayoutOptions = {}): TableLayout {
  const asked = options.separator === undefined ? undefined : separatorOf(options.separator);
  const all = start.replace(quoted, "$10").split(lineEnd);
  // The last one may be cut.
  const lines = isWhole || all.length < 2 ? all : all.slice(0, -1);
  const stated = /^sep=(.)$/i.exec(lines[0]?.trim() ?? "")?.[1];
  if (stated !== undefined) return { separator: asked ?? stated, linesBefore: 1 };
  const rows = lines.filter((line) => line.trim() !== "" && !line.startsWith("#")).slice(0, enough);
  const separator = asked ?? found(rows, /\.tsv$/i.test(name) ? "\t" : ",", options.decimal);
  const first = Math.max(
    0,
    lines.findIndex((line) => line.trim() !== "" && !line.startsWith("#")),
  );
  // A line with # names the columns where numbers follow on it, as many as it has fields.
  const [before, fields] = [lines[first - 1]?.split(separator) ?? [], rows[0]?.split(separator) ?? []];
  const isHead = before.length > 1 && before.length === fields.length && fields.every(isReadable);
  return { separator, linesBefore: isHead ? first - 1 : first };
}

/** A field in quotes may hold anything; a quote within a field is a character like others. */
const quoted = /(^|[,;|\t\r\n])[ ]*"(?:[^"]|"")*"/g;
const lineEnd = /\r\n|\n|\r/;

function separatorOf(text: string): string {
  const separator = Object.hasOwn(named, text) ? named[text] : text;
  if (separator !== undefined && /^[\t -~]$/.test(separator) && !/[\w"'.+-]/.test(separator)) return separator;
  throw new UserError(
    `separator is ${JSON.stringify(text)}; expected ${Object.keys(named).join(", ")}, or a character that is in no number`,
  );
}

/** The candidate that cuts all rows alike, and best into numbers and dates; `otherwise` where none does. */
function found(rows: readonly string[], otherwise: string, decimal: Decimal | undefined): string {
  const possible = candidates.filter((separator) => decimal !== "comma" || separator !== ",");
  const fitting = possible.filter((separator) => cutsAlike(rows, separator));
  const [only, another] = fitting;
  if (only === undefined) return possible.includes(otherwise) ? otherwise : ";";
  if (another === undefined) return only;
  const readable = (separator: string) => {
    const fields = rows.slice(rows.length > 1 ? 1 : 0).flatMap((row) => row.split(separator));
    return fields.filter(isReadable).length / fields.length;
  };
  const preferred = [otherwise, ...fitting].filter((separator) => fitting.includes(separator));
  return preferred.reduce((best, separator) => (readable(separator) > readable(best) ? separator : best));
}

/** Whether all rows have as many fields, more than one; names of columns may have one more or less that is empty. */
function cutsAlike([head = "", ...rows]: readonly string[], separator: string): boolean {
  const count = (row: string) => row.split(separator).length;
  const width = count(rows[0] ?? head);
  const isEmptyAtEnd = (row: string) => row.trimEnd().endsWith(separator);
  const extra = count(head) - width;
  const headFits = extra === 0 || (extra === 1 && isEmptyAtEnd(head)) || (extra === -1 && rows.every(isEmptyAtEnd));
  return width > 1 && headFits && rows.every((row) => count(row) === width);
}

/** What csv-parse is told of the rows: their line ends may differ, and a quote within a field is a character like others. */
interface CsvOptions {
  readonly delimiter: string;
  readonly record_delimiter: string[];
  readonly relax_column_count: true;
  readonly relax_quotes: true;
  readonly trim: true;
  /** Takes a row, and the line on which it ends. */
  readonly on_record: (fields: string[], place: { readonly lines: number }) => null;
}

/** csv-parse, of which Node and pages have one each. */
export type ParseCsv = (text: string, options: CsvOptions) => unknown;

/** The rows of a text with the lines on which they start; `before` lines come ahead of it. Throws what `parse` throws. */
export function parsedRows(parse: ParseCsv, text: string, { separator }: TableLayout, before: number): TableRow[] {
  const rows: TableRow[] = [];
  let end = 0;
  parse(text, {
    ...{ delimiter: separator, record_delimiter: ["\r\n", "\n", "\r"] },
    ...{ relax_column_count: true, relax_quotes: true, trim: true },
    on_record: (fields, { lines }) => {
      rows.push({ fields, line: before + end + 1 });
      end = lines;
      return null;
    },
  });
  return rows;
}

/** What csv-parse says of a fault, with the line of the whole file in it. */
export function faultOf(message: string, before: number): string {
  return message.replace(/\bline (\d+)/, (_, line) => `line ${before + Number(line)}`);
}

/** A text without its first lines. */
export function withoutLines(text: string, count: number): string {
  let start = 0;
  for (let line = 0; line < count; line++) {
    const [end] = lineEnd.exec(text.slice(start)) ?? [];
    if (end === undefined) return "";
    start = text.indexOf(end, start) + end.length;
  }
  return text.slice(start);
}

/** The rows of a table in memory, as fields. */
export function parsedTable(text: string, name: string, options: LayoutOptions, parse: ParseCsv): TableRow[] {
  const layout = layoutOf(text.slice(0, firstBytes), text.length <= firstBytes, name, options);
  const { linesBefore } = layout;
  try {
    return parsedRows(parse, withoutLines(text, linesBefore), layout, linesBefore);
  } catch (cause) {
    throw new UserError(`${name}: ${faultOf(messageOf(cause), linesBefore).replaceAll("\n", " ")}`, { cause });
  }
}

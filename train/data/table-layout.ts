/**
 * @file Detects the layout of a table from its first lines: the separator of its fields, and lines above the table that are
 * not part of it.
 */
import { messageOf, UserError } from "../../compiler/graph/errors.ts";
import { type Decimal, decimals, isReadable } from "./field.ts";
import type { TableRow } from "./table.ts";

/** Options that override the detected layout of a table. */
export interface LayoutOptions {
  /** The separator of fields: `comma`, `semicolon`, `tab`, `space`, or a character. */
  readonly separator?: string | undefined;
  /** The decimal separator of numbers. */
  readonly decimal?: Decimal | undefined;
}

export const ofLayout = { separator: "string", decimal: decimals } as const;

/** The layout of a table. */
export interface TableLayout {
  readonly separator: string;
  /** Number of lines at the start that are not rows: comments with `#`, and `sep=;`. */
  readonly linesBefore: number;
}

const named: Readonly<Record<string, string>> = { comma: ",", semicolon: ";", tab: "\t", space: " ", bar: "|" };
/** Number of characters of a table from which its layout is detected. */
export const firstBytes = 65536;
/** In order of preference. */
const candidates = ["\t", ";", ",", "|"];
/** Number of lines from which the separator is detected. */
const enough = 40;

/** Detects the layout from the start of a text, or all of it (`isWhole`); `name` is the file's, also in messages. */
export function layoutOf(start: string, isWhole: boolean, name: string, options: LayoutOptions = {}): TableLayout {
  const asked = options.separator === undefined ? undefined : separatorOf(options.separator);
  const all = start.replace(quoted, "$10").split(lineEnd);
  // The last line can be incomplete.
  const lines = isWhole || all.length < 2 ? all : all.slice(0, -1);
  const stated = /^sep=(.)$/i.exec(lines[0]?.trim() ?? "")?.[1];
  if (stated !== undefined) return { separator: asked ?? stated, linesBefore: 1 };
  const rows = lines.filter((line) => line.trim() !== "" && !line.startsWith("#")).slice(0, enough);
  const separator = asked ?? found(rows, /\.tsv$/i.test(name) ? "\t" : ",", options.decimal);
  const first = Math.max(
    0,
    lines.findIndex((line) => line.trim() !== "" && !line.startsWith("#")),
  );
  // A line with # is a header if a row of as many numbers follows it.
  const [before, fields] = [lines[first - 1]?.split(separator) ?? [], rows[0]?.split(separator) ?? []];
  const isHead = before.length > 1 && before.length === fields.length && fields.every(isReadable);
  return { separator, linesBefore: isHead ? first - 1 : first };
}

/** A quoted field can hold anything; a quote inside an unquoted field is an ordinary character. */
const quoted = /(^|[,;|\t\r\n])[ ]*"(?:[^"]|"")*"/g;
const lineEnd = /\r\n|\n|\r/;

function separatorOf(text: string): string {
  const separator = Object.hasOwn(named, text) ? named[text] : text;
  if (separator !== undefined && /^[\t -~]$/.test(separator) && !/[\w"'.+-]/.test(separator)) return separator;
  throw new UserError(
    `separator is ${JSON.stringify(text)}; expected ${Object.keys(named).join(", ")}, or a character that does not occur in numbers`,
  );
}

/** The candidate that splits all rows into equally many fields, most of them numbers and dates; else `otherwise`. */
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

/** Whether all rows have equally many fields, more than one; the header can have one empty field more or less. */
function cutsAlike([head = "", ...rows]: readonly string[], separator: string): boolean {
  const count = (row: string) => row.split(separator).length;
  const width = count(rows[0] ?? head);
  const isEmptyAtEnd = (row: string) => row.trimEnd().endsWith(separator);
  const extra = count(head) - width;
  const headFits = extra === 0 || (extra === 1 && isEmptyAtEnd(head)) || (extra === -1 && rows.every(isEmptyAtEnd));
  return width > 1 && headFits && rows.every((row) => count(row) === width);
}

/** Options of csv-parse: line ends can differ, and a quote inside an unquoted field is an ordinary character. */
interface CsvOptions {
  readonly delimiter: string;
  readonly record_delimiter: string[];
  readonly relax_column_count: true;
  readonly relax_quotes: true;
  readonly trim: true;
  /** Called with each row, and the line on which it ends. */
  readonly on_record: (fields: string[], place: { readonly lines: number }) => null;
}

/** csv-parse, which has one build for Node and one for browsers. */
export type ParseCsv = (text: string, options: CsvOptions) => unknown;

/** The rows of a text with the lines on which they start, after `before` skipped lines. Throws what `parse` throws. */
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

/** An error message of csv-parse, with the line number of the whole file. */
export function faultOf(message: string, before: number): string {
  return message.replace(/\bline (\d+)/, (_, line) => `line ${before + Number(line)}`);
}

/** Removes the first `count` lines of a text. */
export function withoutLines(text: string, count: number): string {
  let start = 0;
  for (let line = 0; line < count; line++) {
    const [end] = lineEnd.exec(text.slice(start)) ?? [];
    if (end === undefined) return "";
    start = text.indexOf(end, start) + end.length;
  }
  return text.slice(start);
}

/** Splits a table in memory into rows and fields. */
export function parsedTable(text: string, name: string, options: LayoutOptions, parse: ParseCsv): TableRow[] {
  const layout = layoutOf(text.slice(0, firstBytes), text.length <= firstBytes, name, options);
  const { linesBefore } = layout;
  try {
    return parsedRows(parse, withoutLines(text, linesBefore), layout, linesBefore);
  } catch (cause) {
    throw new UserError(`${name}: ${faultOf(messageOf(cause), linesBefore).replaceAll("\n", " ")}`, { cause });
  }
}

/**
 * @file Reads the rows of a table as numbers: chooses and names its columns, and explains invalid fields. Rows come from
 * memory or, in chunks, from a file of any length: all are inspected once before any is converted, since a single row can
 * show how the numbers of all others are written.
 *
 * A column whose first field under the header is a date or a time of day is skipped: rows are in the order of time.
 */
import { at, expectArgument, UserError } from "../../compiler/graph/errors.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import { type Decimal, decimals, isDate, isMissing, isNumeral, readingsOf } from "./field.ts";

/** Options of reading a table. */
export interface TableOptions {
  /** Names of the columns to read, or their numbers from 1 on; by default all that are not dates. */
  readonly columns?: readonly string[] | undefined;
  /** The decimal separator of numbers; detected by default. */
  readonly decimal?: Decimal | undefined;
  /** How to treat a missing value: an error by default; `last` repeats the value before it. */
  readonly missing?: "last" | undefined;
}

export const ofTable = { columns: "list", decimal: decimals, missing: { last: true } } as const;

/** A row as text, and the line of the file on which it starts. */
export interface TableRow {
  readonly fields: readonly string[];
  readonly line: number;
}

/** A field that shows how numbers are written. */
interface Evidence {
  readonly line: number;
  readonly title: string;
  readonly text: string;
}

/** Reads a table row by row. A UserError gives the line (from 1) and the column of the first fault. */
export class TableReader {
  readonly #name: string;
  readonly #options: TableOptions;
  /** The line of the first row. */
  #first: number | undefined;
  #names: readonly string[] = [];
  #isNamed = false;
  /** Positions of the columns that are read; set at the first row of numbers. */
  #read: readonly number[] | undefined;
  /** Positions of columns with neither a name nor a value. */
  #empty: readonly number[] = [];
  /** The first blank line: only blank lines can follow. */
  #blank: number | undefined;
  readonly #evidence: Partial<Record<Decimal | "either", Evidence>> = {};
  #decimal: Decimal | undefined;
  /** The last field of each column that is read. */
  #last: readonly string[] = [];

  constructor(name: string, options: TableOptions = {}) {
    this.#name = name;
    this.#options = checkedOptions("parseSeries", options, ofTable);
    this.#decimal = options.decimal;
  }

  /** Names of all columns of a table with this first row. */
  static namesIn(row: TableRow, name: string): readonly string[] {
    const reader = new TableReader(name);
    reader.#begin(row.fields, row.line);
    return reader.#names;
  }

  /** Names of the columns that are read. */
  get columns(): readonly string[] {
    return (this.#read ?? []).map((position) => at(this.#names, position));
  }

  /** Names of the columns that are not read, because they hold dates or nothing, or were not asked for. */
  get skipped(): readonly string[] {
    return this.#names.filter((_, position) => !this.#read?.includes(position));
  }

  /** The last inspected field of each column that is read; it replaces a missing value after it. */
  get last(): readonly string[] {
    return this.#last;
  }

  /** Converts inspected rows to numbers; `before` is the value of `last` before the first of them. */
  numbersOf(rows: readonly TableRow[], before: readonly string[] = []): readonly (readonly number[])[] {
    const positions = this.#read ?? [];
    let last = before;
    return rows.map(({ fields }) => {
      last = positions.map((position, i) => this.#filled(fields[position] ?? "", last[i]));
      return last.map((field) => readingsOf(field)[this.#decimal ?? "point"] ?? Number.NaN);
    });
  }

  /** Inspects the next row. Returns whether it holds numbers: it is neither blank nor the header. */
  look({ fields: given, line }: TableRow): boolean {
    const other = given.find((field) => typeof field !== "string");
    expectArgument(other === undefined, `${this.#name}: a field of row ${line}`, other, "a text");
    const isBlank = given.every((field) => field.trim() === "");
    if (this.#first === undefined && !isBlank) {
      this.#first = line;
      this.#begin(given, line);
      if (this.#isNamed) return false;
    }
    if (isBlank) {
      this.#blank ??= line;
      return false;
    }
    if (this.#blank !== undefined) throw this.#gap(this.#blank, given, line);
    const fields = this.#trimmed(given, line);
    this.#read ??= this.#chosen(fields, line);
    for (const position of this.#empty) {
      const text = fields[position]?.trim() ?? "";
      if (text !== "")
        throw this.#fault(
          line,
          `, ${this.#names[position]}: the field is ${shown(text)}, in a column that began empty`,
        );
    }
    this.#last = this.#read.map((position, i) => {
      const field = this.#filled(at(fields, position), this.#last[i]);
      this.#check(field, line, at(this.#names, position));
      return field;
    });
    return true;
  }

  /** Ends the inspection. Throws if there was no row of numbers, or their notation stays ambiguous. */
  end(): void {
    if (this.#first === undefined)
      throw new UserError(`${this.#name} is empty; give it a row of numbers for each time step`);
    if (this.#read === undefined) throw new UserError(`${this.#name} has no row of numbers`);
    const { point, comma, either } = this.#evidence;
    if (this.#decimal === undefined && either !== undefined && point === undefined && comma === undefined) {
      const { point: thousands, comma: decimals } = readingsOf(either.text);
      throw this.#fault(
        either.line,
        `, ${either.title}: the field is ${shown(either.text)}, which means ${thousands} or ${decimals}, and no other field shows which; set option decimal to point or comma`,
      );
    }
    this.#decimal ??= comma === undefined ? "point" : "comma";
  }

  #begin(fields: readonly string[], line: number): void {
    this.#isNamed = fields.every((field) => !isNumeral(field) && !isDate(field));
    this.#names = fields.map((field, i) => (this.#isNamed && field.trim() !== "" ? field.trim() : `column ${i + 1}`));
    const again = this.#names.find((name, i) => this.#names.indexOf(name) < i);
    if (again === undefined) return;
    throw this.#fault(line, `: two columns are called ${shown(again)}; give each its own name`);
  }

  #filled(field: string, last: string | undefined): string {
    return this.#options.missing === "last" && isMissing(field) ? (last ?? field) : field;
  }

  /** Returns one field for each column: an empty field more or less at the end comes from a trailing separator. */
  #trimmed(fields: readonly string[], line: number): readonly string[] {
    const width = this.#names.length;
    const isEmpty = (text: string | undefined) => text?.trim() === "";
    if (fields.length === width + 1 && isEmpty(fields[width])) return fields.slice(0, -1);
    const isHeadLonger = fields.length === width - 1 && this.#names[width - 1] === `column ${width}`;
    if (isHeadLonger && this.#isNamed && this.#read === undefined) {
      this.#names = this.#names.slice(0, -1);
      return fields;
    }
    if (fields.length === width) return fields;
    const hint =
      fields.length < width
        ? ""
        : "; put a field with a separator into quotes, or set the options separator and decimal";
    throw this.#fault(
      line,
      `: expected ${width} ${width === 1 ? "field" : "fields"}, as in line ${this.#first}, got ${fields.length}${hint}`,
    );
  }

  #check(field: string, line: number, title: string): void {
    const readings = readingsOf(field);
    const text = field.trim();
    const { point, comma } = readings;
    const wanted = this.#decimal;
    if (point === undefined && comma === undefined) throw this.#noNumber(text, line, title);
    if (wanted !== undefined) {
      if (readings[wanted] === undefined)
        throw this.#fault(line, `, ${title}: the field is ${shown(text)}; expected a number with a decimal ${wanted}`);
      return;
    }
    if (point === comma) return;
    // "1.234" has a decimal point, unless a field elsewhere has a decimal comma.
    const says =
      point === undefined ? "comma" : comma === undefined ? "point" : text.includes(",") ? "either" : undefined;
    if (says === undefined) return;
    this.#evidence[says] ??= { line, title, text };
    const { point: one, comma: other } = this.#evidence;
    if (one === undefined || other === undefined) return;
    const [earlier, later] = one.line <= other.line ? [one, other] : [other, one];
    throw this.#fault(
      later.line,
      `, ${later.title}: the field is ${shown(later.text)} and in line ${earlier.line}, ${earlier.title}, it is ${shown(earlier.text)}: one has a decimal point and one a decimal comma; use one of them everywhere`,
    );
  }

  #noNumber(text: string, line: number, title: string): UserError {
    const what = text === "" ? "is empty" : `is ${shown(text)}`;
    const hint = isMissing(text)
      ? this.#options.missing === "last"
        ? ", and there is no earlier value to repeat"
        : " (option missing: last repeats the previous value)"
      : isNumeral(text)
        ? " in the range of float32"
        : isDate(text)
          ? ", and dates cannot be read"
          : /^[^\d.,]*[\d.,]+[^\d.,]*$/.test(text)
            ? ": remove currencies and units, or leave the column out (option columns)"
            : /[;\t| ]/.test(text)
              ? "; name the separator of the fields (option separator)"
              : "";
    return this.#fault(line, `, ${title}: the field ${what}; expected a number${hint}`);
  }

  #gap(blank: number, fields: readonly string[], line: number): UserError {
    if (this.#names.length === 1)
      return this.#fault(blank, `, ${this.#names[0]}: the field is empty; expected a number`);
    const text = fields.find((field) => field.trim() !== "") ?? "";
    return this.#fault(
      blank,
      `: the line is empty, and ${shown(text)} follows in line ${line}; remove empty lines, and text that is not part of the table`,
    );
  }

  #chosen(fields: readonly string[], line: number): readonly number[] {
    const { columns: asked } = this.#options;
    if (asked === undefined) {
      const titleOf = (position: number) => (this.#isNamed ? at(this.#names, position) : "");
      const isEmpty = (position: number) => this.#isNamed && titleOf(position) === `column ${position + 1}`;
      this.#empty = fields.flatMap((field, i) => (isEmpty(i) && field.trim() === "" ? [i] : []));
      const numeric = fields.flatMap((field, i) => (isDate(field, titleOf(i)) || this.#empty.includes(i) ? [] : [i]));
      if (numeric.length > 0) return numeric;
      throw this.#fault(line, ": all fields are dates; a series needs a column of numbers as well");
    }
    const positions = asked.map((column) => this.#position(column));
    const again = positions.findIndex((position, i) => positions.indexOf(position) < i);
    if (again < 0) return positions;
    throw new UserError(
      `${this.#name}: column ${JSON.stringify(this.#names[at(positions, again)])} is asked for twice; name each once`,
    );
  }

  #position(column: string): number {
    const named = this.#names.indexOf(column);
    const position = named < 0 && /^[1-9]\d*$/.test(column) ? Number(column) - 1 : named;
    if (position >= 0 && position < this.#names.length) return position;
    const known = this.#names.slice(0, 20).join(", ");
    throw new UserError(
      `${this.#name} has no column ${shown(column)}; it has ${known}${this.#names.length > 20 ? ", …" : ""}`,
    );
  }

  #fault(line: number, what: string): UserError {
    return new UserError(`${this.#name}, line ${line}${what}`);
  }
}

const shown = (text: string): string => JSON.stringify(text.slice(0, 40));

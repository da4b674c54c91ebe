/**
 * @file The rows of a table, one after the other, as numbers: which columns are read, what they are called, and what is
 * said where a field is no number. Rows come from memory or, piece by piece, from a file of any length.
 *
 * A column whose first field under the header is a date or a time of day is skipped: the order of the rows is their time.
 */
import { at, UserError } from "../../compiler/graph/errors.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import { Extremes } from "./reach.ts";
import type { Normalisation } from "./series.ts";

/** Which columns of a table are read. */
export interface TableOptions {
  /** Their names, or their numbers from 1 on; without it all that are not dates. */
  readonly columns?: readonly string[] | undefined;
}

export const ofTable = { columns: "list" } as const;

const hintOfSeparator = "; a .csv has commas between its fields, a .tsv tabs";
const decimal = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const timeOfDay = String.raw`\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?\s*([AaPp][Mm])?\s*(Z|[+-]\d{2}:?\d{2})?`;
const day = String.raw`(\d{4}[-/.]\d{1,2}([-/.]\d{1,2})?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})`;
const date = new RegExp(`^(${day}([T\\s]\\s*${timeOfDay})?|${timeOfDay})$`);

/** A field as a number; undefined for anything but a decimal number that f32 can hold. */
function numberOf(field: string): number | undefined {
  const text = field.trim();
  const value = decimal.test(text) ? Number(text) : Number.NaN;
  return Math.abs(value) < 3.4e38 ? value : undefined;
}

function isDate(field: string): boolean {
  return numberOf(field) === undefined && date.test(field.trim());
}

/** Reads a table row by row. A UserError gives the line (from 1) and the column of the first fault. */
export class TableReader {
  readonly #name: string;
  readonly #asked: readonly string[] | undefined;
  #line = 0;
  #names: readonly string[] = [];
  #isNamed = false;
  /** Positions of the columns that are read; known from the first row of numbers on. */
  #read: readonly number[] | undefined;
  /** The first line that was blank: only blank ones may follow. */
  #blank: number | undefined;
  readonly #extremes = new Extremes();

  constructor(name: string, options: TableOptions = {}) {
    const { columns } = checkedOptions("parseSeries", options, ofTable);
    this.#name = name;
    this.#asked = columns;
  }

  /** Names of the columns that are read. */
  get columns(): readonly string[] {
    return (this.#read ?? []).map((position) => at(this.#names, position));
  }

  /** Names of the columns that are not, because they hold dates or were not asked for. */
  get skipped(): readonly string[] {
    return this.#names.filter((_, position) => !this.#read?.includes(position));
  }

  /** Rows at the start that name the columns. */
  get headerRows(): number {
    return this.#isNamed ? 1 : 0;
  }

  /** The numbers of a row that was read before. */
  numbersOf = (fields: readonly string[]): readonly number[] =>
    (this.#read ?? []).map((position) => Number(fields[position]));

  /** The numbers of the next row; none where it names the columns or is blank. */
  next(fields: readonly string[]): readonly number[] | undefined {
    this.#line += 1;
    const isBlank = fields.every((field) => field.trim() === "");
    if (this.#line === 1 && !isBlank) {
      this.#isNamed = fields.every((field) => numberOf(field) === undefined && !isDate(field));
      this.#names = fields.map((field, i) => (this.#isNamed && field.trim() !== "" ? field.trim() : `column ${i + 1}`));
      if (this.#isNamed) {
        this.#checkNames();
        return undefined;
      }
    }
    if (isBlank) {
      this.#blank ??= this.#line;
      return undefined;
    }
    if (this.#blank !== undefined) {
      const width = this.#names.length;
      throw this.#fault(
        this.#blank,
        width === 1 ? `, ${this.#names[0]}: the field is empty; expected a number` : ": the line is empty",
      );
    }
    if (fields.length !== this.#names.length)
      throw this.#fault(this.#line, `: expected ${this.#names.length} fields, as in line 1, got ${fields.length}`);
    this.#read ??= this.#chosen(fields);
    const numbers = this.#read.map((position) => this.#number(at(fields, position), position));
    this.#extremes.add(numbers, `line ${this.#line}`);
    return numbers;
  }

  /** Throws where a value of the rows that were read is too far off for f32 once it is normalised. */
  checkReach(normalisation: Normalisation): void {
    this.#extremes.check(this.#name, this.columns, normalisation);
  }

  /** Throws where there was no row of numbers. */
  end(): void {
    if (this.#names.length === 0)
      throw new UserError(`${this.#name} is empty; give it a row of numbers for each time step`);
    if (this.#read === undefined) throw new UserError(`${this.#name} has no row of numbers`);
  }

  #number(field: string, position: number): number {
    const value = numberOf(field);
    if (value !== undefined) return value;
    const text = field.trim();
    const what = text === "" ? "is empty" : `is ${JSON.stringify(text.slice(0, 40))}`;
    const hint = decimal.test(text)
      ? " that float32 holds"
      : isDate(field)
        ? ", and dates are not read"
        : /[;\t]/.test(text)
          ? hintOfSeparator
          : "";
    throw this.#fault(this.#line, `, ${this.#names[position]}: the field ${what}; expected a number${hint}`);
  }

  #chosen(fields: readonly string[]): readonly number[] {
    if (this.#asked === undefined) {
      const numeric = fields.flatMap((field, position) => (isDate(field) ? [] : [position]));
      if (numeric.length > 0) return numeric;
      throw this.#fault(this.#line, ": all fields are dates; a series needs a column of numbers beside them");
    }
    const positions = this.#asked.map((column) => this.#position(column));
    const again = positions.findIndex((position, i) => positions.indexOf(position) < i);
    if (again < 0) return positions;
    throw new UserError(
      `${this.#name}: column ${JSON.stringify(this.#names[at(positions, again)])} is asked for twice; name each once`,
    );
  }

  #checkNames(): void {
    const again = this.#names.find((name, i) => this.#names.indexOf(name) < i);
    if (again === undefined) return;
    const name = JSON.stringify(again.slice(0, 40));
    throw this.#fault(1, `: two columns are called ${name}; give each a name of its own`);
  }

  #position(column: string): number {
    const named = this.#names.indexOf(column);
    const position = named < 0 && /^[1-9]\d*$/.test(column) ? Number(column) - 1 : named;
    if (position >= 0 && position < this.#names.length) return position;
    const known = this.#names.slice(0, 20).join(", ");
    throw new UserError(
      `${this.#name} has no column ${JSON.stringify(column.slice(0, 40))}; it has ${known}${this.#names.length > 20 ? ", …" : ""}`,
    );
  }

  #fault(line: number, what: string): UserError {
    return new UserError(`${this.#name}, line ${line}${what}`);
  }
}

/** @file Where in a visitor's source something went wrong. */
import type { SourceFault } from "./messages.ts";

/** An error whose place is known, as far as it is. */
export class FaultyLine extends Error {
  readonly line: number | undefined;
  readonly column: number | undefined;

  constructor(message: string, line?: number, column?: number) {
    super(message);
    this.line = line;
    this.column = column;
  }
}

/** Line and column, both from 1, of an offset. */
export function positionOf(text: string, offset: number): { readonly line: number; readonly column: number } {
  const before = text.slice(0, offset);
  return { line: before.split("\n").length, column: offset - before.lastIndexOf("\n") };
}

/** What was thrown, as one line with its place: told by the error, by the library ("add at cell.ts:3:9: …"), or by the stack. */
export function faultFrom(error: unknown, file: string): SourceFault {
  if (error instanceof FaultyLine) return placed(error.message, error.line, error.column);
  if (!(error instanceof Error)) return { message: oneLine(`the code threw ${String(error)}`) };
  const site = new RegExp(`${file.replaceAll(".", "\\.")}:(\\d+):(\\d+)`);
  const told = site.exec(error.message);
  const [, line, column] = told ?? site.exec(error.stack ?? "") ?? [];
  const words = told === null ? error.message : error.message.replace(new RegExp(` ?(?:at )?${site.source}`), "");
  const kind = error.name === "UserError" || error.name === "Error" ? "" : `${error.name}: `;
  return placed(oneLine(kind + words), toNumber(line), toNumber(column));
}

function placed(message: string, line: number | undefined, column: number | undefined): SourceFault {
  return { message, ...(line !== undefined && { line }), ...(column !== undefined && { column }) };
}

function toNumber(digits: string | undefined): number | undefined {
  return digits === undefined ? undefined : Number(digits);
}

function oneLine(text: string): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  return line.length > 600 ? `${line.slice(0, 600)}…` : line;
}

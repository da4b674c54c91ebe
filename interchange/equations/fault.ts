/** @file What is wrong in a .cell file, and at which character. */
import { UserError } from "../../compiler/graph/errors.ts";

/** A part of a text, as offsets. */
export interface Place {
  readonly from: number;
  readonly to: number;
}

/**
 * An error at a character of a .cell file. The message is `file:line:column: what`, then the line and a caret below the
 * character.
 */
export class EquationError extends UserError {
  /** The name by which it is known among other errors. */
  override readonly name = "EquationError";
  /** The line, from 1. */
  readonly line: number;
  /** The character of the line, from 1. */
  readonly column: number;
  /** What is wrong, without its place. */
  readonly what: string;
  /** Where the wrong part of the text begins, as an offset. */
  readonly from: number;
  /** The offset where it ends. */
  readonly to: number;

  /** `what` is wrong in a text, and where. */
  constructor(what: string, { file, text }: Source, { from, to }: Place) {
    const { line, column, content } = lineAt(text, from);
    // Of a very long line, the part around the character.
    const start = column > 100 ? column - 60 : 0;
    const shown = [...content].slice(start, start + 120).join("");
    // Control characters would move the cursor of a terminal.
    const plain = shown.replace(/\p{Cc}|\p{Cf}/gu, " ");
    super(`${file}:${line}:${column}: ${what}\n  ${plain}\n  ${" ".repeat(column - 1 - start)}^`);
    this.line = line;
    this.column = column;
    this.what = what;
    this.from = from;
    this.to = to;
  }
}

/** The text of a .cell file, and where it is. */
export interface Source {
  readonly file: string;
  /** The file in the lines of ops. */
  readonly path: string;
  readonly text: string;
}

/** The line of an offset and the column in it, both from 1. Columns count characters as they are seen. */
export function lineAt(text: string, offset: number): { line: number; column: number; content: string } {
  const before = text.slice(0, offset).split(/\r\n|\r|\n/);
  const start = before.at(-1) ?? "";
  const [rest = ""] = text.slice(offset).split(/\r\n|\r|\n/, 1);
  // A combining mark is above the character before it.
  const column = [...start.replace(/[\u0300-\u036f\ufeff]/g, "")].length + 1;
  return { line: before.length, column, content: `${start}${rest}`.replace("\ufeff", "") };
}

/** @file Output of a command: results on `stdout`, progress and errors on `stderr`. Tests pass their own streams. */
import type { Writable } from "node:stream";

export interface Streams {
  readonly stdout: Writable & { readonly isTTY?: boolean };
  /** `columns` and `rows` are set on a terminal. */
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number };
}

export function line(stream: Writable, text = ""): void {
  stream.write(`${escapeControls(text)}\n`);
}

/**
 * Escapes, as in JSON, the characters that control a terminal or change the writing direction: names of models, columns
 * and cells can come from untrusted files. Line feeds and tabs stay.
 */
export function escapeControls(text: string): string {
  return text.replace(/(?![\n\t])[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** Writes one JSON value as one line. Numbers that are not finite become null, as JSON cannot express them. */
export function jsonLine(stream: Writable, value: object): void {
  line(stream, JSON.stringify(value));
}

/** @file Where a command writes: results on `stdout`, progress and errors on `stderr`. Tests pass streams of their own. */
import type { Writable } from "node:stream";

export interface Streams {
  readonly stdout: Writable & { readonly isTTY?: boolean };
  /** A terminal knows its size. */
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number };
}

export function line(stream: Writable, text = ""): void {
  stream.write(`${escapeControls(text)}\n`);
}

/**
 * Text whose characters that steer a terminal, or turn the direction of writing, are escaped as in JSON: names of models,
 * columns and cells may come from strangers. Line feeds and tabs stay.
 */
export function escapeControls(text: string): string {
  return text.replace(/(?![\n\t])[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** One JSON value on a line of its own. A number that is not finite becomes null, as JSON has none. */
export function jsonLine(stream: Writable, value: object): void {
  line(stream, JSON.stringify(value));
}

/** @file Where a command writes: results on `stdout`, progress and errors on `stderr`. Tests pass streams of their own. */
import type { Writable } from "node:stream";

export interface Streams {
  readonly stdout: Writable;
  readonly stderr: Writable & { readonly isTTY?: boolean };
}

export function line(stream: Writable, text = ""): void {
  stream.write(`${text}\n`);
}

/** One JSON value on a line of its own. A number that is not finite becomes null, as JSON has none. */
export function jsonLine(stream: Writable, value: object): void {
  line(stream, JSON.stringify(value));
}

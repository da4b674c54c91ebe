/** @file A log of JSON lines: an object in each, as UTF-8. */
import { expectArgument, messageOf, oneLine, UserError } from "../../compiler/graph/errors.ts";
import { type ByteSink, type LogEnd, openSink } from "./sink.ts";

/** A log of JSON lines. */
export interface JsonLines extends LogEnd {
  /** Writes an object as one line. Numbers that are not finite become null, as JSON cannot express them. */
  readonly write: (entry: object) => void;
}

/**
 * Writes JSON lines to a function that takes bytes, or to a WritableStream.
 *
 * @throws UserError if the sink is neither, or locked; `write` throws one for what is no object or cannot be JSON.
 */
export function jsonLines(sink: ByteSink): JsonLines {
  const { write, flush, close } = openSink("jsonLines", sink);
  const encoder = new TextEncoder();
  return {
    flush,
    close,
    write: (entry) => {
      expectArgument(typeof entry === "object" && entry !== null, "jsonLines: the entry", entry, "an object");
      write(encoder.encode(`${textOf(entry)}\n`));
    },
  };
}

function textOf(entry: object): string {
  try {
    return JSON.stringify(entry);
  } catch (cause) {
    throw new UserError(`jsonLines: the entry cannot be written as JSON: ${oneLine(messageOf(cause))}`, { cause });
  }
}

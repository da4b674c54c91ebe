/**
 * @file Where a log goes: a function that takes bytes, or a WritableStream of them. What is written arrives in order, one
 * piece after the other. A log must not end a training run: what a sink throws is kept, and `flush` and `close` reject with it.
 */
import { expectArgument, UserError } from "../../compiler/graph/errors.ts";

/** Takes the next bytes of a log, such as `(bytes) => appendFile("run.jsonl", bytes)`. */
export type ByteSink = ((bytes: Uint8Array) => unknown) | ByteStream;

/** A WritableStream of bytes; TypeScript programs without DOM types have none. */
export interface ByteStream {
  /** Whether a writer has it. */
  readonly locked: boolean;
  /** Locks the stream to a writer. */
  getWriter(): ByteStreamWriter;
}

/** The writer of a WritableStream. */
export interface ByteStreamWriter {
  /** Resolves when the stream has taken the bytes. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends the stream. */
  close(): Promise<void>;
  /** Unlocks the stream. */
  releaseLock(): void;
}

/** A log that can be ended. */
export interface LogEnd {
  /** Resolves when everything so far has arrived. Rejects with the first error of the sink, after which nothing is written. */
  readonly flush: () => Promise<void>;
  /** Flushes, and ends the sink if it is a stream. */
  readonly close: () => Promise<void>;
}

/** A sink whose `write` is not waited for. */
export interface LogSink extends LogEnd {
  readonly write: (bytes: Uint8Array) => void;
}

/** Opens a sink; `where` is the calling function, for messages. */
export function openSink(where: string, sink: ByteSink): LogSink {
  const { write, end } = opened(where, sink);
  let isClosed = false;
  let written: Promise<unknown> = Promise.resolve();
  return {
    write: (bytes) => {
      if (isClosed) throw new UserError(`${where}: the log was closed`);
      written = written.then(() => write(bytes));
      // `flush` and `close` tell of it.
      written.catch(() => {});
    },
    flush: async () => {
      await written;
    },
    close: async () => {
      if (isClosed) return;
      isClosed = true;
      // A stream is ended, and unlocked, even if it failed.
      await written.then(end, async (error: unknown) => {
        await Promise.resolve(end()).catch(() => {});
        throw error;
      });
    },
  };
}

function opened(where: string, sink: ByteSink) {
  if (typeof sink === "function") return { write: sink, end: () => {} };
  expectArgument(
    typeof sink === "object" && sink !== null && "getWriter" in sink,
    `${where}: the sink`,
    sink,
    "a function of bytes or a WritableStream",
  );
  if (sink.locked)
    throw new UserError(`${where}: the stream is locked: something else writes to it; release its lock first`);
  const writer = sink.getWriter();
  const end = async () => {
    try {
      await writer.close();
    } finally {
      writer.releaseLock();
    }
  };
  return { write: (bytes: Uint8Array) => writer.write(bytes), end };
}

/**
 * @file What gives values one after the other: an iterable, an async iterable, or a ReadableStream. They are read in one way
 * here, and left in one way: a source that is not read to its end is returned or cancelled, and a stream's lock is released.
 *
 * Streams are read with a reader, since those of Safari are no async iterables.
 */
import { expectArgument, UserError } from "../../compiler/graph/errors.ts";
import { type AbortSignalLike, abortable } from "../abort.ts";

/** A ReadableStream; TypeScript programs without DOM types have none. */
export interface StreamOf<T> {
  /** Whether a reader has it. */
  readonly locked: boolean;
  /** Locks the stream to a reader. */
  getReader(): StreamReader<T>;
}

/** The reader of a ReadableStream. */
export interface StreamReader<T> {
  /** The next value. */
  read(): Promise<{ readonly done: boolean; readonly value?: T | undefined }>;
  /** Tells the stream's source that no more is read. */
  cancel(reason?: unknown): Promise<void>;
  /** Unlocks the stream. */
  releaseLock(): void;
}

/** An iterable, an async iterable, or a ReadableStream. */
export type SourceOf<T> = Iterable<T> | AsyncIterable<T> | StreamOf<T>;

interface Reading<T> {
  readonly next: () => Promise<{ readonly done?: boolean | undefined; readonly value?: T | undefined }>;
  /** Says that no more is read, before the end. */
  readonly leave: (reason: unknown) => Promise<unknown>;
  /** Called in the end, whatever happened. */
  readonly release: () => void;
}

/**
 * Reads a source in order. `where` is the calling function and `what` the values, for messages. If the reader stops early, an
 * iterator's `return` is called and a stream is cancelled. With a signal that aborts, it rejects at once with its reason,
 * even if the source never gives another value.
 *
 * @throws UserError if it is none of the three, or a stream that is locked.
 */
export async function* entriesOf<T>(
  where: string,
  what: string,
  source: SourceOf<T>,
  signal?: AbortSignalLike | undefined,
): AsyncGenerator<T, void, undefined> {
  const { next, leave, release } = opened(where, what, source);
  // A source that has ended or failed is not told anything.
  let isOpen = true;
  const read = async () => {
    try {
      const result = await next();
      if (result.done) isOpen = false;
      return result;
    } catch (error) {
      isOpen = false;
      throw error;
    }
  };
  try {
    for (;;) {
      const { done, value } = await abortable(signal, read);
      if (done) return;
      yield value as T;
    }
  } finally {
    try {
      const left = isOpen ? leave(signal?.reason) : undefined;
      // The source may be waiting for what never comes: an aborted call does not wait with it.
      if (signal?.aborted) left?.catch(() => {});
      else await left;
    } finally {
      release();
    }
  }
}

/** Whether a source can be read again from its start: a list can, a generator or a stream cannot. */
export function isRepeatable(source: SourceOf<unknown>): boolean {
  return !isStream(source) && !("next" in source);
}

/** Throws unless it is a source that can be read now; see `entriesOf`. */
export function checkEntries(where: string, what: string, source: SourceOf<unknown>): void {
  const isObject = typeof source === "object" && source !== null;
  const isSource = isObject && (isStream(source) || Symbol.iterator in source || Symbol.asyncIterator in source);
  expectArgument(isSource, `${where}: the argument`, source, `${what}, such as a list of them`);
  if (isStream(source) && source.locked)
    throw new UserError(
      `${where}: the stream of ${what} is locked: something else reads it; release its lock, or give it only once`,
    );
}

function opened<T>(where: string, what: string, source: SourceOf<T>): Reading<T> {
  checkEntries(where, what, source);
  if (isStream(source)) {
    const reader = source.getReader();
    return { next: () => reader.read(), leave: (reason) => reader.cancel(reason), release: () => reader.releaseLock() };
  }
  const iterator = iteratorOf(source);
  return { next: async () => iterator.next(), leave: async () => iterator.return?.(), release: () => {} };
}

const isStream = <T>(source: SourceOf<T>): source is StreamOf<T> =>
  "getReader" in source && typeof source.getReader === "function";

function iteratorOf<T>(source: Iterable<T> | AsyncIterable<T>): Iterator<T> | AsyncIterator<T> {
  return Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
}

/**
 * @file Reads a file in pieces (chunks), each on demand. Only one piece is in memory at a time, so a file can be larger
 * than memory. The allowed boundaries between pieces depend on the content.
 */
import { open, readFile } from "node:fs/promises";
import { UserError } from "../compiler/graph/errors.ts";
import { fileFault } from "./file-faults.ts";

/** Bytes of a piece; the last is smaller, and one without an allowed boundary is larger. */
export const PIECE_BYTES = 2 ** 18;

/** Bytes with random access. */
export interface ByteSource {
  /** Name in error messages. */
  readonly name: string;
  /** Number of bytes. */
  readonly size: number;
  /** Reads `length` bytes from `offset`. */
  readonly read: (offset: number, length: number) => Promise<Uint8Array>;
}

export interface Piece {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** The length of the piece that starts these bytes; undefined if they contain no allowed boundary. */
export type Cut = (bytes: Uint8Array) => number | undefined;

/** Opens a file. One that is not a regular file, such as a pipe, is read completely. */
export async function openSource(path: string): Promise<ByteSource> {
  const failed = (error: unknown) => {
    throw fileFault(path, error);
  };
  const file = await open(path).catch(failed);
  try {
    const found = await file.stat();
    if (!found.isFile()) return sourceOf(path, await readFile(path).catch(failed));
    if (found.size === 0) throw new UserError(`${path} is empty`);
    return { name: path, size: found.size, read: (offset, length) => readAt(path, offset, length).catch(failed) };
  } finally {
    await file.close();
  }
}

/** A source of bytes in memory. */
export function sourceOf(name: string, bytes: Uint8Array): ByteSource {
  if (bytes.length === 0) throw new UserError(`${name} is empty`);
  return { name, size: bytes.length, read: async (offset, length) => bytes.subarray(offset, offset + length) };
}

async function readAt(path: string, offset: number, length: number): Promise<Uint8Array> {
  const file = await open(path);
  try {
    const bytes = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await file.read(bytes, done, length - done, offset + done);
      if (bytesRead === 0) throw new UserError("the file was truncated while it was read");
      done += bytesRead;
    }
    return bytes;
  } finally {
    await file.close();
  }
}

/** Yields all pieces of a source in order. */
export async function* piecesOf(source: ByteSource, cut: Cut, pieceBytes = PIECE_BYTES): AsyncGenerator<Piece> {
  for (let offset = 0; offset < source.size; ) {
    const bytes = await pieceAt(source, offset, cut, pieceBytes);
    yield { offset, bytes };
    offset += bytes.length;
  }
}

async function pieceAt(source: ByteSource, offset: number, cut: Cut, pieceBytes: number): Promise<Uint8Array> {
  const rest = source.size - offset;
  for (let length = pieceBytes; length < rest; length *= 2) {
    const bytes = await source.read(offset, length);
    const end = cut(bytes);
    if (end !== undefined) return bytes.subarray(0, end);
  }
  return source.read(offset, rest);
}

const [lineFeed, carriageReturn, space, quote] = [0x0a, 0x0d, 0x20, 0x22];

/** Boundaries after a line feed between two non-blank lines, so that no run of white space is split. */
export const betweenLines: Cut = (bytes) => {
  const isBlank = (byte = lineFeed) => byte === lineFeed || byte === carriageReturn || byte === space || byte === 0x09;
  for (let end = bytes.length - 1; end > 1; end--)
    if (bytes[end - 1] === lineFeed && !isBlank(bytes[end]) && !isBlank(bytes[end - 2])) return end;
  return undefined;
};

/** Boundaries between table rows: after a line end outside quotes. Quotes count only at the start of a field. */
export const betweenRows =
  (separator: string): Cut =>
  (bytes) => {
    let [isQuoted, isFieldStart, end] = [false, true, 0];
    const start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
    for (let i = start; i < bytes.length; i++) {
      const byte = bytes[i];
      if (isQuoted) {
        if (byte !== quote) continue;
        // A doubled quote is an escaped one.
        if (bytes[i + 1] === quote) i += 1;
        else isQuoted = false;
      } else if (byte === quote && isFieldStart) isQuoted = true;
      else if (byte === lineFeed || (byte === carriageReturn && ![undefined, lineFeed].includes(bytes[i + 1]))) {
        isFieldStart = true;
        end = i + 1;
      } else if (byte === separator.charCodeAt(0)) isFieldStart = true;
      else if (byte !== space) isFieldStart = false;
    }
    return end > 0 ? end : undefined;
  };

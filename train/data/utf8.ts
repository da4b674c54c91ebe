/** @file Decodes UTF-8, locates the first invalid byte, and finds where bytes may be cut. */
import { UserError } from "../../compiler/graph/errors.ts";

/**
 * Decodes bytes that start at `offset` in a file, at a character boundary. A byte order mark at the start of the file is
 * dropped. A UserError gives the offset of the first invalid byte.
 */
export function decodeText(name: string, bytes: Uint8Array, offset = 0): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: offset > 0 }).decode(bytes);
  } catch (cause) {
    const fault = offset + firstFault(bytes);
    const wide = fault === 0 && (bytes[0] === 0xff || bytes[0] === 0xfe);
    const hint = wide ? "; it looks like UTF-16: save it as UTF-8" : "";
    throw new UserError(`${name} is not UTF-8 text: invalid bytes at offset ${fault}${hint}`, {
      cause,
    });
  }
}

/** The length of the longest start of bytes that ends between two characters of UTF-8; undefined if there is none. */
export function betweenCharacters(bytes: Uint8Array): number | undefined {
  const { length } = bytes;
  // The last character starts at the last byte that is not a continuation byte; it is at most four bytes long.
  let start = length - 1;
  while (start > Math.max(0, length - 4) && ((bytes[start] ?? 0) & 0xc0) === 0x80) start -= 1;
  const lead = bytes[start] ?? 0;
  const isWhole = start + (lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4) <= length;
  const end = isWhole ? length : start;
  return end > 0 ? end : undefined;
}

/** Offset of the first invalid byte sequence. */
function firstFault(bytes: Uint8Array): number {
  // Bisects between `fine`, the length of a valid prefix (which can end within a character), and `faulty`, an invalid one.
  let [fine, faulty] = decodes(bytes, true) ? [bytes.length, bytes.length] : [0, bytes.length];
  while (faulty - fine > 1) {
    const middle = (fine + faulty) >> 1;
    if (decodes(bytes.subarray(0, middle), true)) fine = middle;
    else faulty = middle;
  }
  if (decodes(bytes.subarray(0, fine), false)) return fine;
  let start = fine - 1;
  while (start > 0 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start--;
  return start;
}

function decodes(bytes: Uint8Array, mayEndWithin: boolean): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: mayEndWithin });
    return true;
  } catch {
    return false;
  }
}

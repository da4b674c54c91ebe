/** @file Decodes UTF-8, and locates the first invalid byte. */
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

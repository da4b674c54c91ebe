/** @file Bytes of a file as text in UTF-8, and where they are none. */
import { UserError } from "../compiler/graph/errors.ts";

/**
 * The text of bytes that lie at `offset` of a file, where a character starts. A byte order mark at the very start is not
 * part of the text. A UserError names the first byte that is no character.
 */
export function decodeText(name: string, bytes: Uint8Array, offset = 0): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: offset > 0 }).decode(bytes);
  } catch (cause) {
    const fault = offset + firstFault(bytes);
    const wide = fault === 0 && (bytes[0] === 0xff || bytes[0] === 0xfe);
    const hint = wide ? "; it looks like UTF-16: save it as UTF-8" : "";
    throw new UserError(`${name} is not UTF-8 text: the bytes from offset ${fault} on are no character${hint}`, {
      cause,
    });
  }
}

/** Offset of the first character that is none: where a faulty sequence of bytes starts. */
function firstFault(bytes: Uint8Array): number {
  // `fine` is the length of a prefix without a fault (a character cut off at its end is none), `faulty` of one with it.
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

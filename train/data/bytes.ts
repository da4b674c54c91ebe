/** @file Text as bytes of UTF-8: 256 tokens, whatever the language, and no character is unknown. */
import type { Vocabulary } from "./text.ts";

/** The vocabulary of bytes: token n is the byte n. */
export const byteVocabulary: Vocabulary = {
  // A byte is shown as the character of its number, as in Latin-1.
  characters: Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(byte)),
  encode: (text) => Int32Array.from(new TextEncoder().encode(text)),
  decode: (tokens) => new TextDecoder().decode(Uint8Array.from(tokens)),
  speak: () => {
    const decoder = new TextDecoder();
    return (token) => decoder.decode(Uint8Array.of(token), { stream: true });
  },
};

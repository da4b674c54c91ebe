/** @file Text as bytes of UTF-8: 256 tokens for every language, without unknown characters. */
import type { Vocabulary } from "./text.ts";

// A byte order mark in the text is an ordinary character.
const decoderOfBytes = () => new TextDecoder("utf-8", { ignoreBOM: true });

/** The vocabulary of bytes: token n is the byte n. */
export const byteVocabulary: Vocabulary = {
  // A byte is shown as its character in Latin-1.
  characters: Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(byte)),
  encode: (text) => Int32Array.from(new TextEncoder().encode(text)),
  decode: (tokens) => decoderOfBytes().decode(Uint8Array.from(tokens)),
  speak: (before = []) => {
    const decoder = decoderOfBytes();
    decoder.decode(Uint8Array.from(before), { stream: true });
    return (token) => decoder.decode(Uint8Array.of(token), { stream: true });
  },
};

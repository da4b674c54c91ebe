/**
 * @file A text as tokens, read piece by piece: characters, bytes, or a tokenizer's subwords. One pass over the file
 * collects its characters and checks the encoding; training then reads pieces on demand.
 */
import { at } from "../compiler/graph/errors.ts";
import { byteVocabulary } from "../train/data/bytes.ts";
import type { PiecedRecording } from "../train/data/pieces.ts";
import { type Vocabulary, vocabularyOfCharacters } from "../train/data/text.ts";
import { betweenCharacters, decodeText } from "../train/data/utf8.ts";
import { type ByteSource, betweenLines, type Cut, PIECE_BYTES, piecesOf } from "./file-pieces.ts";

/** A text that is ready for training. */
export interface TextSource {
  /** The vocabulary of its tokens. */
  readonly vocabulary: Vocabulary;
  /** The tokens, for `streamedBatches`. */
  readonly recording: PiecedRecording;
}

/** A text as characters. */
export async function characterSource(source: ByteSource, pieceBytes = PIECE_BYTES): Promise<TextSource> {
  const characters = new Set<string>();
  const pieces = await indexed(source, betweenCharacters, pieceBytes, (text) => {
    let count = 0;
    for (const character of text) {
      characters.add(character);
      count += 1;
    }
    return count;
  });
  const vocabulary = vocabularyOfCharacters(characters);
  return { vocabulary, recording: recordingOf(source, pieces, "characters", vocabulary.encode) };
}

/** Any file as bytes. */
export function byteSource(source: ByteSource, pieceBytes = PIECE_BYTES): TextSource {
  const count = Math.ceil(source.size / pieceBytes);
  const pieces = Array.from({ length: count }, (_, i) => Math.min(pieceBytes, source.size - i * pieceBytes));
  return {
    vocabulary: byteVocabulary,
    recording: {
      ...{ name: "the file", entries: "bytes", dtype: "i32", shape: [], pieces },
      read: (piece) => source.read(piece * pieceBytes, at(pieces, piece)),
    },
  };
}

/** A text as tokens of a given vocabulary. Pieces end at line ends, which no token crosses. */
export async function tokenSource(
  source: ByteSource,
  vocabulary: Vocabulary,
  pieceBytes = PIECE_BYTES,
): Promise<TextSource> {
  const pieces = await indexed(source, betweenLines, pieceBytes, (text) => vocabulary.encode(text).length);
  return { vocabulary, recording: recordingOf(source, pieces, "tokens", vocabulary.encode) };
}

/** The location of a piece, and its number of tokens. */
interface IndexedPiece {
  readonly offset: number;
  readonly bytes: number;
  readonly count: number;
}

async function indexed(
  source: ByteSource,
  cut: Cut,
  pieceBytes: number,
  countOf: (text: string) => number,
): Promise<readonly IndexedPiece[]> {
  const pieces: IndexedPiece[] = [];
  for await (const { offset, bytes } of piecesOf(source, cut, pieceBytes))
    pieces.push({ offset, bytes: bytes.length, count: countOf(decodeText(source.name, bytes, offset)) });
  return pieces;
}

function recordingOf(
  source: ByteSource,
  pieces: readonly IndexedPiece[],
  entries: string,
  encode: Vocabulary["encode"],
): PiecedRecording {
  return {
    ...{ name: "the text", entries, dtype: "i32", shape: [], pieces: pieces.map(({ count }) => count) },
    read: async (piece) => {
      const { offset, bytes } = at(pieces, piece);
      return encode(decodeText(source.name, await source.read(offset, bytes), offset));
    },
  };
}

/**
 * @file Batches of a text that comes piece by piece and may never end, such as a download or a file that grows. `textBatches`
 * needs the whole length, to give each row of a batch its part of the text; here the rows divide one stretch of it after the
 * other. The state is carried within a stretch and starts anew with the next.
 */
import { expectArgument, UserError } from "../../compiler/graph/errors.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import { type Batch, batchesOf, trainingLength } from "./batches.ts";
import { byteVocabulary } from "./bytes.ts";
import { entriesOf, type SourceOf } from "./source.ts";
import type { Vocabulary } from "./text.ts";
import { betweenCharacters, decodeText } from "./utf8.ts";

/** How a text that comes piece by piece is cut into batches. */
export interface TextStreamSizes {
  /** Rows side by side. */
  readonly batch: number;
  /** Steps of a batch. */
  readonly time: number;
  /** Batches of a stretch, through which the state is carried; 16 by default. batch * time * carried tokens are in memory. */
  readonly carried?: number;
}

const ofTextStream = { batch: "number", time: "number", carried: "number" } as const;

/**
 * Batches of tokens, i32 [T, B], of a text that comes in pieces: strings, or bytes of UTF-8, which may end within a
 * character. The first batch of each stretch is fresh; the end of the text that fills no batch is left out.
 *
 * @throws UserError (the iteration rejects) if a piece is neither, if the bytes are not UTF-8, if a character is not in the
 *   vocabulary, or if the text is too short for one batch.
 */
export function streamedTextBatches(
  pieces: SourceOf<string | Uint8Array>,
  vocabulary: Vocabulary,
  sizes: TextStreamSizes,
): AsyncGenerator<Batch, void, undefined> {
  const { batch, time, carried = 16 } = checkedOptions("streamedTextBatches", sizes, ofTextStream);
  trainingLength(0, { batch, time });
  if (!Number.isInteger(carried) || carried < 1)
    throw new UserError(`carried must be a whole number above 0, got ${carried}`);
  expectArgument(
    typeof vocabulary?.encode === "function",
    "streamedTextBatches: the vocabulary",
    vocabulary,
    "a vocabulary, such as vocabularyOf(text)",
  );
  return stretches(tokensOf(pieces, vocabulary), { batch, time }, carried);
}

async function* stretches(
  tokens: AsyncIterable<ArrayLike<number>>,
  sizes: { readonly batch: number; readonly time: number },
  carried: number,
): AsyncGenerator<Batch, void, undefined> {
  const windowSize = sizes.batch * sizes.time;
  let held: number[] = [];
  /** Tokens of `held` that are used up; the next stretch begins with the last target of the one before. */
  let used = 0;
  let isEmpty = true;
  /** The batches of a stretch. */
  function* cut(windows: number): Generator<Batch> {
    const data = held.slice(used, used + windows * windowSize + 1);
    used += windows * windowSize;
    isEmpty = false;
    yield* batchesOf({ ...entries, data }, { ...sizes, heldOut: 0 }).training;
  }
  for await (const more of tokens) {
    for (let i = 0; i < more.length; i++) held.push(more[i] ?? 0);
    while (held.length - used > carried * windowSize) yield* cut(carried);
    held = held.slice(used);
    used = 0;
  }
  const left = Math.floor((held.length - 1) / windowSize);
  // Too short for one batch: the message says how long it must be.
  if (left > 0 || isEmpty) yield* cut(Math.max(1, left));
}

const entries = { name: "the text", entries: "tokens", dtype: "i32", shape: [] } as const;

/** The tokens of pieces, where no token can go on in the next one. */
async function* tokensOf(
  pieces: SourceOf<string | Uint8Array>,
  vocabulary: Vocabulary,
): AsyncGenerator<ArrayLike<number>, void, undefined> {
  if (vocabulary === byteVocabulary) {
    const encoder = new TextEncoder();
    for await (const piece of piecesOf(pieces)) yield typeof piece === "string" ? encoder.encode(piece) : piece;
    return;
  }
  // Tokens that depend on those before can cross anything but the end of a line.
  const boundary = vocabulary.speak === undefined ? afterCharacter : afterLine;
  let [text, count] = ["", 0];
  const encoded = (part: string) => {
    try {
      const tokens = vocabulary.encode(part);
      count += tokens.length;
      return tokens;
    } catch (error) {
      // It counts from the start of this part.
      if (error instanceof UserError && count > 0)
        throw new UserError(`the text, after its first ${count} characters: ${error.message}`, { cause: error });
      throw error;
    }
  };
  for await (const piece of textsOf(piecesOf(pieces))) {
    text += piece;
    const end = boundary(text);
    if (end > 0) yield encoded(text.slice(0, end));
    text = text.slice(end);
  }
  if (text !== "") yield encoded(text);
}

async function* piecesOf(pieces: SourceOf<string | Uint8Array>): AsyncGenerator<string | Uint8Array, void, undefined> {
  for await (const piece of entriesOf("streamedTextBatches", "pieces of text", pieces)) {
    const fits = typeof piece === "string" || piece instanceof Uint8Array;
    expectArgument(fits, "streamedTextBatches: a piece of the text", piece, "a text, or bytes in a Uint8Array");
    yield piece;
  }
}

/** Bytes as text; a character that goes on in the next piece waits for it. */
async function* textsOf(pieces: AsyncIterable<string | Uint8Array>): AsyncGenerator<string, void, undefined> {
  let [rest, offset] = [new Uint8Array(), 0];
  const decoded = (bytes: Uint8Array) => {
    const text = decodeText("the text", bytes, offset);
    offset += bytes.length;
    return text;
  };
  for await (const piece of pieces) {
    if (typeof piece === "string") {
      // A character that is cut off by a text is no character.
      if (rest.length > 0) decoded(rest);
      yield piece;
      continue;
    }
    const bytes = new Uint8Array(rest.length + piece.length);
    bytes.set(rest);
    bytes.set(piece, rest.length);
    const end = betweenCharacters(bytes) ?? 0;
    if (end > 0) yield decoded(bytes.subarray(0, end));
    rest = bytes.slice(end);
  }
  if (rest.length > 0) yield decoded(rest);
}

/** The end of the last whole character: the first half of a surrogate pair waits for the second. */
function afterCharacter(text: string): number {
  const last = text.charCodeAt(text.length - 1);
  return last >= 0xd800 && last < 0xdc00 ? text.length - 1 : text.length;
}

/** The start of the last line that follows a line break between two characters that are no white space; 0 if there is none. */
function afterLine(text: string): number {
  for (let end = text.length - 1; end > 1; end--)
    if (text[end - 1] === "\n" && !isBlank(text[end]) && !isBlank(text[end - 2])) return end;
  return 0;
}

const isBlank = (character = " ") => /\s/.test(character);

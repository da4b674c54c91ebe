/** @file Text as a sequence of symbols: Unicode code points, numbered in their order. */
import { expectArgument, UserError } from "../../compiler/graph/errors.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import { type Batches, type BatchSizes, batchesOf, ofBatches } from "./batches.ts";

/** The characters of a text, or other parts of it, each with the number that is its token. */
export interface Vocabulary {
  /** The character of each token. */
  readonly characters: readonly string[];
  /** A UserError names the first character that has no token. */
  readonly encode: (text: string) => Int32Array;
  /** The text of tokens. */
  readonly decode: (tokens: ArrayLike<number>) => string;
  /**
   * Where a token may be part of a character, or is written by what stands before it: goes on from a text of these tokens
   * (begins one where there are none), and then gives what each token adds to it, which is nothing until a character is
   * whole. Without it a token adds its character.
   */
  readonly speak?: (before?: ArrayLike<number>) => (token: number) => string;
}

/** The characters that occur in a text, which must be of two kinds at least: of one kind there is nothing to learn. */
export function vocabularyOf(text: string): Vocabulary {
  return vocabularyOfCharacters(new Set(text));
}

/** The vocabulary of a text in which these characters occur. */
export function vocabularyOfCharacters(occurring: ReadonlySet<string>): Vocabulary {
  const characters = [...occurring].sort((a, b) => (a.codePointAt(0) ?? 0) - (b.codePointAt(0) ?? 0));
  if (characters.length === 0) throw new UserError("the text is empty; give one with some thousand characters");
  if (characters.length === 1) {
    throw new UserError(
      `the text has only one kind of character, ${JSON.stringify(characters[0])}; there is nothing to learn from it`,
    );
  }
  return vocabularyFrom(characters);
}

/** The vocabulary in which token i is `characters[i]`. */
export function vocabularyFrom(characters: readonly string[]): Vocabulary {
  expectArgument(Array.isArray(characters), "vocabularyFrom: the characters", characters, "a list of them");
  const tokenOf = new Map(characters.map((character, token) => [character, token]));
  return {
    characters,
    encode: (text) => {
      expectArgument(typeof text === "string", "encode: what is encoded", text, "a text");
      return Int32Array.from([...text], (character, position) => {
        const token = tokenOf.get(character);
        if (token !== undefined) return token;
        throw new UserError(
          `character ${JSON.stringify(character)} at position ${position} is none of the ${characters.length} that the model knows`,
        );
      });
    },
    decode: (tokens) => Array.from(tokens, (token) => characters[token] ?? "\uFFFD").join(""),
  };
}

/** Batches of tokens, i32 [T, B]; each target is the token that follows. */
export function textBatches(tokens: ArrayLike<number>, sizes: BatchSizes): Batches {
  checkedOptions("textBatches", sizes, ofBatches);
  const isList = typeof tokens === "object" && tokens !== null && "length" in tokens;
  expectArgument(isList, "textBatches: the text", tokens, "its tokens: vocabulary.encode(text)");
  return batchesOf({ name: "the text", entries: "characters", dtype: "i32", shape: [], data: tokens }, sizes);
}

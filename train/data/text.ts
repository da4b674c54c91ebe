/** @file Text as a sequence of tokens: Unicode code points, numbered in ascending order. */
import { expectArgument, UserError } from "../../compiler/graph/errors.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import { type Batches, type BatchSizes, batchesOf, ofBatches } from "./batches.ts";

/** Maps the characters of a text, or other parts of it, to tokens. */
export interface Vocabulary {
  /** The character of each token. */
  readonly characters: readonly string[];
  /** The tokens of a text. A UserError names the first character that has no token. */
  readonly encode: (text: string) => Int32Array;
  /** The text of tokens. */
  readonly decode: (tokens: ArrayLike<number>) => string;
  /**
   * A streaming decoder, for vocabularies whose tokens can be parts of characters or depend on the tokens before: starts after
   * the tokens `before` (none by default), and returns the text that each token adds, which is empty until a character is
   * complete. Without `speak` a token adds its character.
   */
  readonly speak?: (before?: ArrayLike<number>) => (token: number) => string;
}

/** The vocabulary of the characters of a text, which must have at least two different ones. */
export function vocabularyOf(text: string): Vocabulary {
  return vocabularyOfCharacters(new Set(text));
}

/** The vocabulary of these characters, in ascending order. */
export function vocabularyOfCharacters(occurring: ReadonlySet<string>): Vocabulary {
  const characters = [...occurring].sort((a, b) => (a.codePointAt(0) ?? 0) - (b.codePointAt(0) ?? 0));
  if (characters.length === 0) throw new UserError("the text is empty; use one with some thousand characters");
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
      expectArgument(typeof text === "string", "encode: the argument", text, "a text");
      return Int32Array.from([...text], (character, position) => {
        const token = tokenOf.get(character);
        if (token !== undefined) return token;
        throw new UserError(
          `character ${JSON.stringify(character)} at position ${position} is not one of the ${characters.length} in the model's vocabulary`,
        );
      });
    },
    decode: (tokens) => Array.from(tokens, (token) => characters[token] ?? "\uFFFD").join(""),
  };
}

/** Batches of tokens, i32 [T, B]; each target is the next token. */
export function textBatches(tokens: ArrayLike<number>, sizes: BatchSizes): Batches {
  checkedOptions("textBatches", sizes, ofBatches);
  const isList = typeof tokens === "object" && tokens !== null && "length" in tokens;
  expectArgument(isList, "textBatches: the text", tokens, "its tokens: vocabulary.encode(text)");
  return batchesOf({ name: "the text", entries: "characters", dtype: "i32", shape: [], data: tokens }, sizes);
}

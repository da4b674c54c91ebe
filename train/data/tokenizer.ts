/**
 * @file The vocabulary of an existing tokenizer, such as byte-pair encoding (Sennrich, Haddow & Birch 2016), from a
 * tokenizer.json, the format of Hugging Face's tokenizers, which most tools write. The package that reads it is loaded on
 * demand.
 */
import { messageOf, oneLine, UserError } from "../../compiler/graph/errors.ts";
import type { SavedModel } from "../files/model-file.ts";
import { byteVocabulary } from "./bytes.ts";
import { type Vocabulary, vocabularyFrom } from "./text.ts";

/** The vocabulary of a tokenizer.json; `name` is its name in messages. */
export async function tokenizerVocabulary(json: string, name: string): Promise<Vocabulary> {
  const { Tokenizer } = await import("@huggingface/tokenizers");
  let tokenizer: InstanceType<typeof Tokenizer>;
  let pieces: ReadonlyMap<string, number>;
  try {
    tokenizer = new Tokenizer(JSON.parse(json) as object, {});
    pieces = tokenizer.get_vocab(true);
  } catch (cause) {
    throw new UserError(`${name} is not a tokenizer.json: ${oneLine(messageOf(cause))}`, { cause });
  }
  const characters: string[] = [];
  for (const [piece, token] of pieces) characters[token] = piece;
  for (let token = 0; token < characters.length; token++) characters[token] ??= `<unused ${token}>`;
  if (characters.length < 2) throw new UserError(`${name} has ${characters.length} tokens; there is nothing to learn`);
  const decode = (tokens: ArrayLike<number>) =>
    tokens.length === 0
      ? ""
      : tokenizer.decode(Array.from(tokens), { skip_special_tokens: false, clean_up_tokenization_spaces: false });
  return {
    characters,
    encode: (text) => Int32Array.from(tokenizer.encode(text, { add_special_tokens: false }).ids),
    decode,
    speak: (before = []) => speaker(decode, Array.from(before)),
  };
}

/** Decodes some tokens together: a token can be part of a character, and its text can depend on the tokens before. */
function speaker(decode: (tokens: readonly number[]) => string, prompt: readonly number[]): (token: number) => string {
  let [before, pending]: [readonly number[], readonly number[]] = [prompt, []];
  return (token) => {
    pending = [...pending, token];
    const text = decode([...before, ...pending]);
    if (text.endsWith("\uFFFD") && pending.length < 4) return "";
    const added = text.slice(decode(before).length);
    [before, pending] = [pending, []];
    return added;
  };
}

/** The vocabulary of a model that was trained on text. */
export async function vocabularyOfModel(
  model: Pick<SavedModel, "vocabulary" | "tokens" | "tokenizer">,
): Promise<Vocabulary> {
  if (model.tokenizer !== undefined) return tokenizerVocabulary(model.tokenizer, "the model's tokenizer");
  return model.tokens === "bytes" ? byteVocabulary : vocabularyFrom(model.vocabulary ?? []);
}

/** @file Texts by their bytes and by the tokens of a tokenizer: from the command line, and in models. */
import { readFileSync, rmSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { tokenizerVocabulary } from "../../cli/data/tokenizer.ts";
import { decodeModel } from "../../train/model-file.ts";
import { jsonLines, run, TEXT, TINY, Workspace } from "./run.ts";

/** A byte-pair encoding as most tools write it: GPT-2's 256 characters that stand for bytes, and merges in their order. */
function tokenizerJson(merges: readonly (readonly [string, string])[]): string {
  const plain = (byte: number) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  let others = 256;
  const bytes = Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(plain(byte) ? byte : others++));
  const vocab = Object.fromEntries([...bytes, ...merges.map((pair) => pair.join(""))].map((piece, id) => [piece, id]));
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  return JSON.stringify({
    ...{ version: "1.0", truncation: null, padding: null, added_tokens: [], normalizer: null, post_processor: null },
    ...{ pre_tokenizer: byteLevel, decoder: byteLevel },
    model: {
      ...{ type: "BPE", dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null },
      ...{ fuse_unk: false, vocab, merges: merges.map((pair) => pair.join(" ")) },
    },
  });
}

const merges = [
  ["t", "h"],
  ["th", "e"],
  ["a", "t"],
  ["Ġ", "the"],
] as const;

const space = new Workspace({ "text.txt": TEXT, "tokenizer.json": tokenizerJson(merges), "none.json": "{}" });
afterAll(() => space.remove());
const at = (name: string) => space.file(name);

test("a tokenizer makes tokens of a text and the text of tokens, also one by one", async () => {
  const vocabulary = await tokenizerVocabulary(tokenizerJson(merges), "tokenizer.json");
  expect(vocabulary.characters.length).toBe(260);
  const pieces = (text: string) => Array.from(vocabulary.encode(text), (token) => vocabulary.characters[token]);
  expect(pieces("the cat, the")).toEqual(["the", "Ġ", "c", "at", ",", "Ġthe"]);
  for (const text of ["the cat sat", "Größe 🙂 the\n\n  end", ""]) {
    const tokens = vocabulary.encode(text);
    expect(vocabulary.decode(tokens)).toBe(text);
    const speak = vocabulary.speak?.() ?? String;
    expect(Array.from(tokens, speak).join("")).toBe(text);
  }
  // A character of four bytes is told when its last is there.
  const speak = vocabulary.speak?.() ?? String;
  expect(Array.from(vocabulary.encode("a🙂"), speak)).toEqual(["a", "", "", "", "🙂"]);
});

test("a model of tokens trains, keeps its tokenizer, samples without the file, and goes on", async () => {
  const args = ["--tokens", at("tokenizer.json"), "--out", at("bpe")];
  const { code, stdout } = await run("train", at("text.txt"), ...TINY, ...args);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^\S+text\.txt: \d+ tokens, 260 different/m);
  expect(stdout).toMatch(/nats per token/);
  rmSync(at("tokenizer.json"));
  const model = decodeModel(readFileSync(at("bpe")), "bpe");
  expect(model.tokenizer).toBe(tokenizerJson(merges));
  const sample = await run("sample", at("bpe"), "--device", "cpu", "--prompt", "the cat", "--length", "9", "--json");
  expect(sample).toMatchObject({ code: 0, stderr: "" });
  expect(String(jsonLines(sample.stdout)[0]?.text).length).toBeGreaterThan(3);
  const resumed = await run("train", at("text.txt"), "--device", "cpu", "--resume", at("bpe"), "--steps", "1");
  expect(resumed).toMatchObject({ code: 0 });
});

test("a model of bytes knows every character", async () => {
  await run("train", at("text.txt"), ...TINY, "--tokens", "bytes", "--out", at("bytes"));
  expect(decodeModel(readFileSync(at("bytes")), "bytes")).toMatchObject({ tokens: "bytes" });
  const { code, stdout } = await run("sample", at("bytes"), "--device", "cpu", "--prompt", "🙂é", "--length", "5");
  expect(code).toBe(0);
  expect(stdout.startsWith("🙂é")).toBe(true);
});

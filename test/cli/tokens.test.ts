/** @file Texts as bytes and as tokens of a tokenizer: on the command line, and in models. */
import { readFileSync, rmSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { zeros } from "../../compiler/graph/ndarray.ts";
import { languageModel } from "../../entries/networks.ts";
import { saveModel } from "../../entries/node.ts";
import { gru } from "../../index.ts";
import { byteVocabulary } from "../../train/data/bytes.ts";
import { tokenizerVocabulary } from "../../train/data/tokenizer.ts";
import { decodeModel, savedModel } from "../../train/files/model-file.ts";
import { slow } from "../support/some-of.ts";
import { metaspaceJson, tokenizerJson } from "../support/tokenizers.ts";
import { jsonLines, run, TEXT, TINY, Workspace } from "./run.ts";

const merges = [
  ["t", "h"],
  ["th", "e"],
  ["a", "t"],
  ["Ġ", "the"],
] as const;

const space = new Workspace({ "text.txt": TEXT, "tokenizer.json": tokenizerJson(merges), "none.json": "{}" });
afterAll(() => space.remove());
const at = (name: string) => space.file(name);

test("a tokenizer encodes a text and decodes tokens, also one by one", async () => {
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

const spaced = metaspaceJson(["▁hello", "▁world", "▁a"]);

describe.each([
  ["a space before a word", spaced],
  ["a space that is a token's own", tokenizerJson(merges)],
])("with %s, what follows a prompt is written as it stands in the text", (_how, json) => {
  test.each([
    ["hello", " world"],
    ["hello ", "world"],
    ["hello world", "中 a"],
    ["中", "👍🏽 hello"],
    ["", "hello world"],
    [" ", " hello"],
  ])("%j, %j", async (prompt, rest) => {
    const vocabulary = await tokenizerVocabulary(json, "tokenizer.json");
    const [before, all] = [vocabulary.encode(prompt), vocabulary.encode(prompt + rest)];
    // The tokens of the whole need not begin with those of the prompt; where they do not, the prompt is cut shorter.
    const common = [...before].findIndex((token, i) => token !== all[i]);
    const shared = before.slice(0, common < 0 ? before.length : common);
    const text = vocabulary.decode(shared);
    const speak = vocabulary.speak?.(shared) ?? String;
    expect(text + Array.from(all.slice(shared.length), speak).join("")).toBe(prompt + rest);
  });
});

test("a byte model continues any prompt", () => {
  const speak = byteVocabulary.speak?.(byteVocabulary.encode("é")) ?? String;
  expect(Array.from(byteVocabulary.encode("\uFEFF中"), speak).join("")).toBe("\uFEFF中");
  const begun = byteVocabulary.speak?.() ?? String;
  expect(Array.from(byteVocabulary.encode("\uFEFFa"), begun).join("")).toBe("\uFEFFa");
});

test("a sample starts with the space between the prompt and its first word", async () => {
  const { characters } = await tokenizerVocabulary(spaced, "spaced.json");
  const network = languageModel({ cell: gru, units: 2, layers: 1, vocabulary: characters.length, embed: 2 });
  const parameters = Object.fromEntries(network.specs.map(({ path, shape }) => [path, zeros(shape)]));
  // Whatever it has read, it writes one word.
  parameters["head/bias"]?.data.fill(5, characters.indexOf("▁world"), characters.indexOf("▁world") + 1);
  await saveModel(at("spaced"), savedModel(network, parameters, { vocabulary: characters, tokenizer: spaced }));
  const args = ["--device", "interpreter", "--prompt", "hello", "--length", "1", "--temperature", "0"];
  expect((await run("sample", at("spaced"), ...args)).stdout).toBe("hello world\n");
  expect(jsonLines((await run("sample", at("spaced"), ...args, "--json")).stdout)).toMatchObject([{ text: " world" }]);
});

test("a token model trains, stores its tokenizer, samples without the file, and is resumed", slow, async () => {
  const args = ["--tokens", at("tokenizer.json"), "--out", at("bpe")];
  const { code, stdout } = await run("train", at("text.txt"), ...TINY, ...args);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^\S+text\.txt: \d+ tokens, 260 different/m);
  expect(stdout).toMatch(/nats per token/);
  rmSync(at("tokenizer.json"));
  const model = decodeModel(readFileSync(at("bpe")), "bpe");
  expect(model.tokenizer).toBe(tokenizerJson(merges));
  const sample = await run(
    "sample",
    at("bpe"),
    "--device",
    "interpreter",
    "--prompt",
    "the cat",
    "--length",
    "9",
    "--json",
  );
  expect(sample).toMatchObject({ code: 0, stderr: "" });
  expect(String(jsonLines(sample.stdout)[0]?.text).length).toBeGreaterThan(3);
  const resumed = await run("train", at("text.txt"), "--device", "interpreter", "--resume", at("bpe"), "--steps", "1");
  expect(resumed).toMatchObject({ code: 0 });
});

test("a byte model accepts every character", slow, async () => {
  await run("train", at("text.txt"), ...TINY, "--tokens", "bytes", "--out", at("bytes"));
  expect(decodeModel(readFileSync(at("bytes")), "bytes")).toMatchObject({ tokens: "bytes" });
  const { code, stdout } = await run(
    "sample",
    at("bytes"),
    "--device",
    "interpreter",
    "--prompt",
    "🙂é",
    "--length",
    "5",
  );
  expect(code).toBe(0);
  expect(stdout.startsWith("🙂é")).toBe(true);
});

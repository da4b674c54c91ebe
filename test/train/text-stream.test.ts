/** @file A text that comes piece by piece: its batches do not depend on where pieces end, and hold every token once. */
import { describe, expect, test } from "vitest";
import { type Batch, batchesOf } from "../../train/data/batches.ts";
import { byteVocabulary } from "../../train/data/bytes.ts";
import { type Vocabulary, vocabularyOf } from "../../train/data/text.ts";
import { streamedTextBatches, type TextStreamSizes } from "../../train/data/text-stream.ts";
import { tokenizerVocabulary } from "../../train/data/tokenizer.ts";
import { lineOf, lineOfPromise, whatever } from "../support/refused.ts";
import { tokenizerJson } from "../support/tokenizers.ts";

const text = "Die Länge ist π, nicht 3.\nEin 🙂 und noch 🎈eins.\n\nEnde der Zeile; ".repeat(6);
const vocabulary = vocabularyOf(text);

async function all(batches: AsyncIterable<Batch>): Promise<Batch[]> {
  const found: Batch[] = [];
  for await (const batch of batches) found.push(batch);
  return found;
}

/** Pieces of `size` bytes or UTF-16 units, wherever they end. */
function pieces<T extends string | Uint8Array>(whole: T, size: number): T[] {
  return Array.from({ length: Math.ceil(whole.length / size) }, (_, i) => whole.slice(i * size, (i + 1) * size) as T);
}

const merges = ["s h", "s e", "l l", "Ġ s", "sh e", "Ġ sh", "Ċ Ċ"].map((pair) => pair.split(" ") as [string, string]);
const sizes: TextStreamSizes = { batch: 3, time: 7, carried: 2 };
const stretch = 3 * 7 * 2;

/** The tokens that are targets, in the order of the text: of each stretch the rows, one after the other. */
function targetsOf(batches: readonly Batch[]): number[] {
  const stretches: Batch[][] = [];
  for (const batch of batches) {
    if (batch.fresh) stretches.push([]);
    stretches.at(-1)?.push(batch);
  }
  return stretches.flatMap((parts) =>
    [0, 1, 2].flatMap((row) =>
      parts.flatMap(({ targets: { data, shape } }) =>
        Array.from({ length: shape[0] ?? 0 }, (_, t) => data[t * 3 + row] ?? Number.NaN),
      ),
    ),
  );
}

describe("batches of a text in pieces", () => {
  const tokens = vocabulary.encode(text);
  const expected = () => all(streamedTextBatches([text], vocabulary, sizes));

  test("are those of its stretches in memory, which begin fresh and carry the state", async () => {
    const batches = await expected();
    const first = [...tokens.slice(0, stretch + 1)];
    const recording = { name: "it", entries: "tokens", dtype: "i32", shape: [], data: first } as const;
    const inMemory = [...batchesOf(recording, { batch: 3, time: 7, heldOut: 0 }).training];
    expect(batches.slice(0, 2)).toEqual(inMemory);
    expect(batches.slice(0, 6).map(({ fresh }) => fresh)).toEqual([true, false, true, false, true, false]);
  });

  test("hold every token as a target once, but for the rest at the end", async () => {
    const batches = await expected();
    const used = Math.floor((tokens.length - 1) / 21) * 21;
    expect(tokens.length - 1 - used).toBeGreaterThan(0);
    expect(batches).toHaveLength(used / 21);
    expect(targetsOf(batches)).toEqual([...tokens.slice(1, used + 1)]);
  });

  test.each([1, 2, 3, 5, 64, 1000])("do not depend on where pieces of %s end", async (size) => {
    const batches = await expected();
    expect(await all(streamedTextBatches(pieces(text, size), vocabulary, sizes))).toEqual(batches);
    const bytes = new TextEncoder().encode(text);
    expect(await all(streamedTextBatches(pieces(bytes, size), vocabulary, sizes))).toEqual(batches);
    const stream = new Blob([text]).stream();
    expect(await all(streamedTextBatches(stream, vocabulary, sizes))).toEqual(batches);
  });

  test("of bytes take any bytes", async () => {
    const bytes = Uint8Array.from({ length: 200 }, (_, i) => (i * 37) % 256);
    const batches = await all(streamedTextBatches(pieces(bytes, 9), byteVocabulary, sizes));
    expect(targetsOf(batches)).toEqual([...bytes.slice(1, 190)]);
    const ofText = await all(streamedTextBatches([text], byteVocabulary, sizes));
    expect(targetsOf(ofText).slice(0, 100)).toEqual([...new TextEncoder().encode(text).slice(1, 101)]);
  });

  test.each([1, 7, 40])("of a tokenizer's tokens are those of the whole text, in pieces of %s too", async (size) => {
    const subwords: Vocabulary = await tokenizerVocabulary(tokenizerJson(merges), "tokenizer.json");
    const plain = "she sells sea shells\nby the sea shore  \n\n and more of them\n".repeat(8);
    const batches = await all(streamedTextBatches(pieces(plain, size), subwords, sizes));
    const targets = targetsOf(batches);
    expect(targets.length).toBeGreaterThan(100);
    expect(targets).toEqual([...subwords.encode(plain)].slice(1, targets.length + 1));
  });

  test("that are left cancel their stream", async () => {
    let isCancelled = false;
    const stream = new ReadableStream<string>({
      pull: (controller) => controller.enqueue(text),
      cancel: () => {
        isCancelled = true;
      },
    });
    let count = 0;
    for await (const _ of streamedTextBatches(stream, vocabulary, sizes)) if (++count === 30) break;
    expect([isCancelled, stream.locked]).toEqual([true, false]);
  });

  test("are refused in one line where the text or the sizes are wrong", async () => {
    const said = (given: unknown, words = vocabulary, options: unknown = sizes) =>
      lineOfPromise(() => all(streamedTextBatches(whatever(given), words, whatever(options))));
    expect(await said(["short"])).toMatch(/^the text has 5 tokens to train on, too few for batch 3 x time 7/);
    expect(await said([])).toMatch(/^the text has 0 tokens to train on/);
    expect(await said([text, 3])).toBe(
      "streamedTextBatches: a piece of the text is 3; expected a text, or bytes in a Uint8Array",
    );
    expect(await said("a text")).toMatch(/^streamedTextBatches: the argument is "a text"; expected pieces of text/);
    const latin1 = [new TextEncoder().encode(text), Uint8Array.of(0x65, 0xe4), Uint8Array.of(0x65)];
    expect(await said(latin1)).toBe(
      `the text is not UTF-8 text: invalid bytes at offset ${new TextEncoder().encode(text).length + 1}`,
    );
    expect(await said([Uint8Array.of(0xc3)])).toBe("the text is not UTF-8 text: invalid bytes at offset 0");
    expect(await said([text, "e~"])).toMatch(
      new RegExp(
        `^the text, after its first ${tokens.length} characters: character "~" at position 1 is not one of the`,
      ),
    );
    expect(await said(["~"])).toMatch(/^character "~" at position 0 is not one of the/);
    const refused = (options: unknown) =>
      lineOf(() => streamedTextBatches([text], vocabulary, whatever<TextStreamSizes>(options)));
    expect(refused({ batch: 3, time: 0 })).toBe("time must be a whole number above 0, got 0");
    expect(refused({ batch: 3, time: 1, carried: 0 })).toBe("carried must be a whole number above 0, got 0");
    expect(lineOf(() => streamedTextBatches([text], whatever(text), sizes))).toMatch(
      /^streamedTextBatches: the vocabulary is .*; expected a vocabulary, such as vocabularyOf\(text\)$/,
    );
  });
});

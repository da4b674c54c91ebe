/** @file Files read piece by piece: for every piece size, the batches equal those of the whole file in memory. */
import { afterAll, describe, expect, test } from "vitest";
import { openSource, PIECE_BYTES, sourceOf } from "../../disk/file-pieces.ts";
import { tableSource } from "../../disk/table-source.ts";
import { byteSource, characterSource, type TextSource, tokenSource } from "../../disk/text-source.ts";
import type { Batch } from "../../train/data/batches.ts";
import { byteVocabulary } from "../../train/data/bytes.ts";
import { type BatchStream, type PiecedRecording, streamedBatches } from "../../train/data/pieces.ts";
import { parseSeries, seriesBatches } from "../../train/data/series.ts";
import { textBatches, vocabularyOf } from "../../train/data/text.ts";
import { Workspace } from "../cli/run.ts";

const space = new Workspace();
afterAll(() => space.remove());

async function walked(stream: BatchStream, first = 0): Promise<Batch[]> {
  const batches: Batch[] = [];
  for await (const batch of stream.from(first)) batches.push(batch);
  return batches;
}

const sizes = { batch: 3, time: 5 };
const bytesOf = (text: string) => new TextEncoder().encode(text);
const text = "Bäche, 🙂 und\nÄpfel;\n\n\n  zwölf Größen — ½ so groß\r\nwie É. ".repeat(12);

describe.each([1, 2, 3, 7, 64, PIECE_BYTES])("in pieces of %i bytes", (pieceBytes) => {
  test.each([
    ["in a file", () => openSource(space.write("text.txt", text))],
    ["in memory", async () => sourceOf("text.txt", bytesOf(text))],
  ])("a text by its characters, %s", async (_where, open) => {
    const { vocabulary, recording } = await characterSource(await open(), pieceBytes);
    const whole = vocabularyOf(text);
    expect(vocabulary.characters).toEqual(whole.characters);
    const [streamed, expected] = [streamedBatches(recording, sizes), textBatches(whole.encode(text), sizes)];
    expect(await walked(streamed.training)).toEqual([...expected.training]);
    expect(await walked(streamed.validation)).toEqual([...expected.validation]);
    expect(streamed.training.count).toBe(expected.stepsPerEpoch);
    expect(await walked(streamed.training, 4)).toEqual([...expected.training].slice(4));
  });

  test("a text as bytes", async () => {
    const { recording } = byteSource(sourceOf("text.txt", bytesOf(text)), pieceBytes);
    const expected = textBatches(bytesOf(text), sizes);
    expect(await walked(streamedBatches(recording, sizes).training)).toEqual([...expected.training]);
  });

  test.each([
    ["plain", (row: string) => row],
    ["with quotes and line ends in them", (row: string) => row.replaceAll(/(-?[\d.]+)$/g, '"\n$1"')],
  ])("a table, %s", async (_how, write) => {
    const rows = Array.from({ length: 80 }, (_, t) => write(`2024-01-${1 + (t % 28)},${Math.sin(t)},${t * t}`));
    const file = `date,"a, b",c\n${rows.join("\n")}\n\n\n`;
    const source = await tableSource(sourceOf("table.csv", bytesOf(file)), sizes, pieceBytes);
    const fields = Array.from({ length: 80 }, (_, t) => ["2024-01-01", String(Math.sin(t)), String(t * t)]);
    const series = parseSeries([["date", "a, b", "c"], ...fields], "table.csv");
    const expected = seriesBatches(series, sizes);
    expect(source).toMatchObject({ columns: ["a, b", "c"], skipped: ["date"], length: 80 });
    expect(source.normalisation).toEqual(expected.normalisation);
    const streamed = streamedBatches(source.recording, sizes);
    expect(await walked(streamed.training)).toEqual([...expected.training]);
    expect(await walked(streamed.validation)).toEqual([...expected.validation]);
  });

  test("errors give their location in the whole file", async () => {
    const broken = Uint8Array.from([...bytesOf("äöü".repeat(20)), 0xc3, 0x28, ...bytesOf("more")]);
    await expect(characterSource(sourceOf("a.txt", broken), pieceBytes)).rejects.toThrow(
      "a.txt is not UTF-8 text: invalid bytes at offset 120",
    );
    const table = (line: string) => sourceOf("a.csv", bytesOf(`a,b\n${"1,2\n".repeat(9)}${line}\n3,4\n`));
    const read = (line: string) => tableSource(table(line), sizes, pieceBytes);
    await expect(read("5,x")).rejects.toThrow('a.csv, line 11, b: the field is "x"; expected a number');
    await expect(read("")).rejects.toThrow("a.csv, line 11: the line is empty");
    await expect(read('5,"6')).rejects.toThrow(/a\.csv: Quote Not Closed.*line 12/);
  });
});

test("only some pieces of a long text are in memory", async () => {
  const long = "0123456789".repeat(1000);
  const { recording } = byteSource(sourceOf("long.txt", bytesOf(long)), 100);
  let [reads, pieces] = [0, new Set<number>()];
  const counted: PiecedRecording = {
    ...recording,
    read: (piece) => {
      reads += 1;
      pieces.add(piece);
      return recording.read(piece);
    },
  };
  const { training } = streamedBatches(counted, { batch: 4, time: 10 });
  for await (const { x } of training.from(0)) expect(x.shape).toEqual([10, 4]);
  // Each piece once for the row that walks through it, and once more where two rows meet.
  expect(pieces.size).toBe(90);
  expect(reads).toBeLessThan(100);
  pieces = new Set();
  reads = 0;
  for await (const _ of training.from(training.count - 1)) break;
  expect(reads).toBeLessThan(9);
});

test("tokens do not cross lines, so pieces that end at lines change none of them", async () => {
  // A vocabulary of words with the white space behind them.
  const lines = Array.from({ length: 50 }, (_, i) => `word ${i % 7} of  line\n${i % 3 === 0 ? "\n  \n" : ""}`).join("");
  const words = [...new Set(lines.match(/\S+\s*/g))];
  const vocabulary = {
    characters: words,
    encode: (part: string) => Int32Array.from(part.match(/\S+\s*/g) ?? [], (word) => words.indexOf(word)),
    decode: (tokens: ArrayLike<number>) => Array.from(tokens, (token) => words[token]).join(""),
  };
  const read = async ({ recording }: TextSource) => walked(streamedBatches(recording, sizes).training);
  const whole = textBatches(vocabulary.encode(lines), sizes);
  for (const pieceBytes of [1, 10, 100, PIECE_BYTES])
    expect(await read(await tokenSource(sourceOf("a.txt", bytesOf(lines)), vocabulary, pieceBytes))).toEqual([
      ...whole.training,
    ]);
});

test("bytes are decoded when a character is complete", () => {
  const tokens = byteVocabulary.encode("aé🙂");
  const speak = byteVocabulary.speak?.() ?? String;
  expect(Array.from(tokens, speak)).toEqual(["a", "", "é", "", "", "", "🙂"]);
  expect(byteVocabulary.decode(tokens)).toBe("aé🙂");
});

describe("tables", () => {
  const table = [
    ["when", "x", "y", "note"],
    ["2024-05-01 10:00", "1", "10", "fine"],
    ["2024-05-01 11:00", "2", "20", ""],
  ];

  test("columns are chosen by name or number, in the order asked for", () => {
    expect(parseSeries(table, "a.csv", { columns: ["y", "2"] })).toEqual({
      ...{ columns: ["y", "x"], values: Float64Array.of(10, 1, 20, 2), length: 2 },
      skipped: ["when", "note"],
    });
    expect(() => parseSeries(table, "a.csv", { columns: ["z"] })).toThrow(
      'a.csv has no column "z"; it has when, x, y, note',
    );
    expect(() => parseSeries(table, "a.csv", { columns: ["when"] })).toThrow(
      'a.csv, line 2, when: the field is "2024-05-01 10:00"; expected a number, and dates cannot be read',
    );
    expect(() => parseSeries(table, "a.csv")).toThrow('a.csv, line 2, note: the field is "fine"; expected a number');
  });

  test.each(["2024-05-01", "01.05.2024", "5/1/24", "2024-05-01T10:00:00Z", "10:30", "2024-05", "1/5/2024 9:00 pm"])(
    "a column of %s is skipped",
    (date) => {
      const series = parseSeries(
        [
          ["t", "x"],
          [date, "1"],
          [date, "2"],
        ],
        "a.csv",
      );
      expect(series).toMatchObject({ columns: ["x"], skipped: ["t"] });
      // Without names of columns as well.
      expect(parseSeries([[date, "1"]], "a.csv").columns).toEqual(["column 2"]);
      expect(() => parseSeries([["t"], [date]], "a.csv")).toThrow("a.csv, line 2: all fields are dates");
    },
  );

  test.each(["2024", "1e5", "-3.5", ".5"])("a column of %s is not a column of dates", (number) => {
    expect(parseSeries([["t"], [number]], "a.csv").columns).toEqual(["t"]);
  });

  test("targets are at the horizon", () => {
    const values = Float64Array.from({ length: 40 }, (_, t) => t * t);
    const made = seriesBatches(
      { columns: ["y"], values, length: 40 },
      { batch: 2, time: 3, horizon: 4, heldOut: 0.25 },
    );
    const { mean = [], deviation = [] } = made.normalisation;
    const times = ({ data }: Batch["x"]) =>
      Array.from(data, (y) => Math.round(Math.sqrt(y * (deviation[0] ?? 1) + (mean[0] ?? 0))));
    for (const { x, targets } of [...made.training, ...made.validation])
      expect(times(targets)).toEqual(times(x).map((t) => t + 4));
    // What is held out was never a target of training, and the first of it is one.
    expect(Math.max(...[...made.training].flatMap(({ targets }) => times(targets)))).toBeLessThan(30);
    expect(times([...made.validation][0]?.targets ?? { dtype: "f32", shape: [], data: new Float64Array() })[0]).toBe(
      30,
    );
    expect(() => seriesBatches({ columns: ["y"], values, length: 40 }, { ...sizes, horizon: 0 })).toThrow(
      "horizon must be a whole number above 0, got 0",
    );
  });
});

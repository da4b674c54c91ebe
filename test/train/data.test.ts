/** @file Batches of text and series: layout, held-out data, and error messages. */
import { describe, expect, test } from "vitest";
import { at, UserError } from "../../compiler/graph/errors.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import type { Batch } from "../../train/data/batches.ts";
import { denormalise, normalise } from "../../train/data/normalisation.ts";
import { parseSeries, seriesBatches } from "../../train/data/series.ts";
import { textBatches, vocabularyFrom, vocabularyOf } from "../../train/data/text.ts";

describe("the vocabulary", () => {
  test("is the text's code points in order, and encodes and decodes", () => {
    const vocabulary = vocabularyOf("héllo 🙂\nz🙂");
    expect(vocabulary.characters).toEqual(["\n", " ", "h", "l", "o", "z", "é", "🙂"]);
    expect([...vocabulary.encode("🙂 oh")]).toEqual([7, 1, 4, 2]);
    expect(vocabulary.decode(vocabulary.encode("héllo 🙂"))).toBe("héllo 🙂");
    expect(vocabularyFrom(vocabulary.characters).encode("z")).toEqual(Int32Array.of(5));
  });

  test("orders by code point and not by UTF-16 unit", () => {
    // U+FF5E is written with one unit above the surrogates of U+1F642.
    expect(vocabularyOf("🙂～").characters).toEqual(["～", "🙂"]);
  });

  test("names an unknown character", () => {
    expect(() => vocabularyOf("ab").encode("ab🙂a")).toThrow(
      'character "🙂" at position 2 is not one of the 2 in the model\'s vocabulary',
    );
  });

  test.each([
    ["", "the text is empty; use one with some thousand characters"],
    ["aaaa", 'the text has only one kind of character, "a"; there is nothing to learn from it'],
  ])("of %j is refused", (text, message) => {
    expect(() => vocabularyOf(text)).toThrow(message);
  });
});

/** A text in which token i is i. */
const counting = (length: number) => Int32Array.from({ length }, (_, i) => i);
const rowsOf = ({ shape, data }: NdArray) => {
  const [steps = 0, rows = 0] = shape;
  return Array.from({ length: rows }, (_, row) => Array.from({ length: steps }, (_, t) => data[t * rows + row]));
};

describe("text batches", () => {
  test("continue every row where the previous batch stopped, with the next token as target", () => {
    const { training, stepsPerEpoch } = textBatches(counting(23), { batch: 2, time: 3, heldOut: 0 });
    const batches = [...training];
    expect(stepsPerEpoch).toBe(3);
    expect(batches.map(({ x }) => rowsOf(x))).toEqual([
      [
        [0, 1, 2],
        [11, 12, 13],
      ],
      [
        [3, 4, 5],
        [14, 15, 16],
      ],
      [
        [6, 7, 8],
        [17, 18, 19],
      ],
    ]);
    for (const { x, targets } of batches) expect([...targets.data]).toEqual([...x.data].map((token) => token + 1));
    expect(batches.map(({ fresh }) => fresh)).toEqual([true, false, false]);
    expect(at(batches, 0).x).toMatchObject({ dtype: "i32", shape: [3, 2] });
  });

  test("can be iterated again, epoch after epoch", () => {
    const { training } = textBatches(counting(50), { batch: 2, time: 5 });
    expect([...training]).toEqual([...training]);
  });

  test("hold out the end: all of its targets, and none of them is trained on", () => {
    const { training, validation } = textBatches(counting(200), { batch: 4, time: 5, heldOut: 0.2 });
    const targets = (batches: Iterable<Batch>) => [...batches].flatMap(({ targets }) => [...targets.data]);
    expect(Math.max(...targets(training))).toBeLessThan(160);
    expect(targets(validation).sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => 160 + i));
  });

  test("hold out fewer rows, or a shorter window, if little is held out", () => {
    const shapes = (length: number) => {
      const { validation } = textBatches(counting(length), { batch: 4, time: 5, heldOut: 0.1 });
      return [...validation].map(({ x }) => x.shape);
    };
    expect(shapes(130)).toEqual([
      [5, 2],
      [1, 2],
    ]);
    expect(shapes(30)).toEqual([[3, 1]]);
    expect(shapes(29)).toEqual([[2, 1]]);
    expect([...textBatches(counting(30), { batch: 1, time: 2, heldOut: 0 }).validation]).toEqual([]);
  });

  test("need enough text for one batch", () => {
    expect(() => textBatches(counting(60), { batch: 16, time: 32, heldOut: 0 })).toThrow(
      "the text has 60 characters to train on, too few for batch 16 x time 32: this needs 513; make batch or time smaller",
    );
    expect([...textBatches(counting(513), { batch: 16, time: 32, heldOut: 0 }).training]).toHaveLength(1);
  });

  test.each([
    [{ batch: 0, time: 4 }, "batch must be a whole number above 0, got 0"],
    [{ batch: 2, time: 1.5 }, "time must be a whole number above 0, got 1.5"],
    [{ batch: 2, time: 4, heldOut: 1 }, "heldOut is 1; expected a part of the whole, 0 or more and below 1"],
  ])("refuse %j", (sizes, message) => {
    expect(() => textBatches(counting(100), sizes)).toThrow(message);
  });
});

describe("a series", () => {
  test("is read with the names of its columns, or with their numbers", () => {
    const named = parseSeries([["t", " "], ["1", "-2.5e1"], [" 3 ", ".5"], [""]], "a.csv");
    expect(named.columns).toEqual(["t", "column 2"]);
    expect([...named.values]).toEqual([1, -25, 3, 0.5]);
    expect(named.length).toBe(2);
    expect(parseSeries([["1"], ["2"]], "a.csv")).toMatchObject({ columns: ["column 1"], length: 2 });
  });

  test.each([
    [[], "a.csv is empty; give it a row of numbers for each time step"],
    [[[""], [" "]], "a.csv is empty; give it a row of numbers for each time step"],
    [[["x", "y"]], "a.csv has no row of numbers"],
    [
      [
        ["x", "y"],
        ["1", "2"],
        ["3", ""],
      ],
      "a.csv, line 3, y: the field is empty; expected a number (option missing: last repeats the previous value)",
    ],
    [
      [
        ["1", "2"],
        ["3", "n/a"],
      ],
      'a.csv, line 2, column 2: the field is "n/a"; expected a number (option missing: last repeats the previous value)',
    ],
    [
      [
        ["1", "b"],
        ["3", "4"],
      ],
      'a.csv, line 1, column 2: the field is "b"; expected a number',
    ],
    [
      [["1"], ["NaN"]],
      'a.csv, line 2, column 1: the field is "NaN"; expected a number (option missing: last repeats the previous value)',
    ],
    [[["1"], ["Infinity"]], 'a.csv, line 2, column 1: the field is "Infinity"; expected a number'],
    [[["1"], ["0x10"]], 'a.csv, line 2, column 1: the field is "0x10"; expected a number'],
    [[["1"], ["1e39"]], 'a.csv, line 2, column 1: the field is "1e39"; expected a number in the range of float32'],
    [[["1", "2"], ["3"], ["4", "5"]], "a.csv, line 2: expected 2 fields, as in line 1, got 1"],
    [[["1"], [""], ["2"]], "a.csv, line 2, column 1: the field is empty; expected a number"],
  ])("with a hole is refused (%#)", (table, message) => {
    expect(() => parseSeries(table, "a.csv")).toThrow(new UserError(message));
  });

  const table = Array.from({ length: 40 }, (_, i) => [String(10 + i), String(i % 2 === 0 ? 5 : -5), "7"]);
  const series = parseSeries(table, "a.csv");

  test("is normalised by its training part; a constant column only loses its mean", () => {
    const { normalisation, training } = seriesBatches(series, { batch: 2, time: 4, heldOut: 0.25 });
    expect(normalisation.mean).toEqual([10 + 14.5, 0, 7]);
    expect(at(normalisation.deviation, 0)).toBeCloseTo(Math.sqrt((30 ** 2 - 1) / 12), 12);
    expect(normalisation.deviation.slice(1)).toEqual([5, 1]);
    const first = at([...training], 0);
    expect(first.x).toMatchObject({ dtype: "f32", shape: [4, 2, 3] });
    expect([...first.x.data.slice(1, 3)]).toEqual([1, 0]);
    expect([...first.targets.data.slice(1, 3)]).toEqual([-1, 0]);
  });

  test("survives normalisation and back", () => {
    const { normalisation } = seriesBatches(series, { batch: 2, time: 4 });
    const back = denormalise(normalise(series.values, normalisation), normalisation);
    back.forEach((value, i) => {
      expect(value).toBeCloseTo(series.values[i] ?? Number.NaN, 10);
    });
  });

  test("has rows that continue, with all features", () => {
    const { training, normalisation } = seriesBatches(series, { batch: 2, time: 6, heldOut: 0 });
    const raw = [...training].map(({ x }) => denormalise(x.data, normalisation));
    const firstColumn = raw.map((data) => Array.from({ length: 12 }, (_, i) => Math.round(data[i * 3] ?? 0)));
    expect(firstColumn[0]).toEqual([10, 29, 11, 30, 12, 31, 13, 32, 14, 33, 15, 34]);
    expect(at(firstColumn, 1).slice(0, 2)).toEqual([16, 35]);
  });

  test("must have enough rows", () => {
    expect(() => seriesBatches(series, { batch: 4, time: 16 })).toThrow(
      "the series has 36 rows to train on, too few for batch 4 x time 16: this needs 65; make batch or time smaller",
    );
  });
});

/** @file Labelled sequences and images: parsing, batches, errors; and a classifier of them. */
import { mkdirSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { encode } from "fast-png";
import { afterAll, describe, expect, test } from "vitest";
import { openInterpreter } from "../../devices/interpreter.ts";
import { readLabelled } from "../../disk/data-files.ts";
import { readIdxImages, readImageFolder } from "../../disk/image-files.ts";
import { lstm } from "../../index.ts";
import { classified, classifierModel } from "../../train/classifier.ts";
import { imagesOfIdx, parseIdx, parsePgm, pixelSequences } from "../../train/data/images.ts";
import { type LabelledSequences, labelledBatches, noClass, parseLabelled } from "../../train/data/labelled.ts";
import { createTrainer } from "../../train/trainer.ts";
import { Workspace } from "../cli/run.ts";
import { slow } from "../support/some-of.ts";

const space = new Workspace();
afterAll(() => space.remove());

const lines = ['{"x": [[1, 2], [3, 4]], "label": "up"}', "", '{"x": [[5, 6]], "label": "down"}'];

describe("JSON lines", () => {
  test("of rows, of numbers and of texts", async () => {
    const rows = parseLabelled(lines, "a.jsonl");
    expect(rows).toMatchObject({ features: 2, classes: ["down", "up"], labels: [1, 0] });
    expect(rows.sequences.map((sequence) => [...Array.from(sequence)])).toEqual([
      [1, 2, 3, 4],
      [5, 6],
    ]);
    const numbers = parseLabelled(['{"x": [1, 2], "label": 3}', '{"x": [4], "label": 10}'], "a.jsonl");
    expect(numbers).toMatchObject({ features: 1, classes: ["10", "3"], labels: [1, 0] });
    const file = space.write("a.jsonl", '{"x": "ab", "label": 1}\n{"x": "🙂b", "label": 2}\n');
    const texts = await readLabelled(file);
    expect(texts.vocabulary?.characters).toEqual(["a", "b", "🙂"]);
    expect(texts.sequences).toEqual([Int32Array.of(0, 1), Int32Array.of(2, 1)]);
    expect(texts.features).toBeUndefined();
  });

  test.each([
    ["{", "a.jsonl, line 4 is not JSON"],
    ["3", 'a.jsonl, line 4: expected {"x": …, "label": …}'],
    ['{"x": [[1, 2]]}', "a.jsonl, line 4: label is missing; expected a text or a number"],
    ['{"x": [[1, 2], [3]], "label": 1}', "a.jsonl, line 4: x is [[1,2],[3]]; expected a text, numbers, or rows of"],
    ['{"x": [], "label": 1}', "a.jsonl, line 4: x is []; expected"],
    ['{"x": "", "label": 1}', 'a.jsonl, line 4: x is ""; expected'],
    ['{"x": [["1", 2]], "label": 1}', 'a.jsonl, line 4: x is [["1",2]]; expected'],
    ['{"x": [1], "label": 1}', "a.jsonl, line 4: x has 1 numbers a step; the lines before have 2 numbers a step"],
    ['{"x": "a", "label": 1}', "a.jsonl, line 4: x has a text; the lines before have 2 numbers a step"],
  ])("%s is refused in one line", (line, message) => {
    expect(() => parseLabelled([...lines, line], "a.jsonl")).toThrow(message);
  });

  test("of only one class, or of nothing, are an error", () => {
    expect(() => parseLabelled(lines.slice(0, 1), "a.jsonl")).toThrow("a.jsonl has 1 sequences of 1 classes");
    expect(() => parseLabelled([], "a.jsonl")).toThrow("a.jsonl has 0 sequences of 0 classes");
  });
});

/** Sequence i has the numbers i, i + 0.5, … and is of class i % 3. */
const numbered = (count: number): LabelledSequences => ({
  sequences: Array.from({ length: count }, (_, i) => Float64Array.from({ length: 1 + (i % 4) }, (_, t) => i + t / 2)),
  features: 1,
  labels: Array.from({ length: count }, (_, i) => i % 3),
  classes: ["a", "b", "c"],
});

describe("batches", () => {
  test("are padded at their end, with the class at the last step of each sequence", () => {
    const { training, validation, stepsPerEpoch } = labelledBatches(numbered(40), { batch: 5, heldOut: 0.25 });
    expect(stepsPerEpoch).toBe(6);
    const all = [...training, ...validation];
    const seen: number[] = [];
    for (const { x, targets, fresh } of all) {
      const [steps = 0, rows = 0] = x.shape;
      expect({ fresh, width: x.shape[2], shape: targets.shape }).toEqual({
        fresh: true,
        width: 1,
        shape: [steps, rows],
      });
      let longest = 0;
      for (let row = 0; row < rows; row++) {
        const i = x.data[row] ?? Number.NaN;
        const length = 1 + (i % 4);
        longest = Math.max(longest, length);
        seen.push(i);
        const column = (data: Float64Array) => Array.from({ length: steps }, (_, t) => data[t * rows + row]);
        expect(column(x.data)).toEqual(Array.from({ length: steps }, (_, t) => (t < length ? i + t / 2 : 0)));
        expect(column(targets.data)).toEqual(
          Array.from({ length: steps }, (_, t) => (t === length - 1 ? i % 3 : noClass)),
        );
      }
      expect(steps).toBe(longest);
    }
    // Each once, the held-out ones among them.
    expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => i));
  });

  test("are shuffled in each pass, reproducibly by seed", () => {
    const passes = (seed: number) => {
      const { training } = labelledBatches(numbered(40), { batch: 5, seed });
      return [1, 2].map(() => [...training].map(({ x }) => [...x.data]));
    };
    const [first, second] = passes(1);
    expect(first).not.toEqual(second);
    expect(passes(1)).toEqual([first, second]);
    expect(passes(2)[0]).not.toEqual(first);
    expect(() => labelledBatches(numbered(4), { batch: 5 })).toThrow(
      "4 sequences to train on are too few for a batch of 5",
    );
  });
});

describe("images", () => {
  const idx = (shape: number[], data: number[], type = 8) =>
    Uint8Array.from([0, 0, type, shape.length, ...shape.flatMap((size) => [0, 0, size >> 8, size & 255]), ...data]);
  const pictures = idx([2, 2, 3], [0, 51, 102, 153, 204, 255, 1, 2, 3, 4, 5, 6]);

  test("in IDX files, compressed or not, become sequences of pixels or of rows", async () => {
    const [images, labels] = [space.write("images.gz", gzipSync(pictures)), space.write("labels", idx([2], [0, 2]))];
    const read = await readIdxImages(images, labels);
    expect(read).toMatchObject({ features: 1, labels: [0, 2], classes: ["0", "1", "2"] });
    expect(Array.from(read.sequences[0] ?? [], (pixel) => Math.round(pixel * 100) / 100)).toEqual([
      0, 0.2, 0.4, 0.6, 0.8, 1,
    ]);
    expect((await readIdxImages(images, labels, { byRows: true })).features).toBe(3);
    const { x, targets } = [...labelledBatches(read, { batch: 2, heldOut: 0 }).training][0] ?? {
      x: undefined,
      targets: undefined,
    };
    expect([x?.shape, targets?.shape]).toEqual([
      [6, 2, 1],
      [6, 2],
    ]);
  });

  test.each([
    [Uint8Array.of(1, 2, 3), "a is not in IDX format"],
    [idx([1], [0], 13), "a holds numbers of type 0xd; only bytes (0x8) are supported"],
    [idx([2], [0]), "a has 1 bytes for [2]; expected 2"],
    [Uint8Array.of(0, 0, 8, 3, 0), "a is cut off in its header"],
  ])("an IDX file that is damaged is refused (%#)", (bytes, message) => {
    expect(() => parseIdx(bytes, "a")).toThrow(message);
  });

  test("labels that do not fit are refused", () => {
    const images = imagesOfIdx(parseIdx(pictures, "a"), "a");
    expect(() => imagesOfIdx(parseIdx(idx([2], [0, 1]), "a"), "a")).toThrow(
      "a is [2]; images are [count, height, width]",
    );
    expect(() => pixelSequences(images, [0], ["a"])).toThrow("got 1 labels for 2 images; expected one for each");
    expect(() => pixelSequences(images, [0, 3], ["a"])).toThrow("label 3 is not a class: there are 1 classes");
  });

  const pgm = (text: string, ...pixels: number[]) => Uint8Array.from([...new TextEncoder().encode(text), ...pixels]);

  test("in PGM, with comments and with two bytes per pixel", () => {
    expect(parsePgm(pgm("P5\n# grey\n2 1\n200\n", 50, 200), "a")).toEqual({
      ...{ width: 2, height: 1 },
      pixels: Float64Array.of(0.25, 1),
    });
    expect([...parsePgm(pgm("P5 1 1 1000 ", 1, 244), "a").pixels]).toEqual([0.5]);
    expect(() => parsePgm(pgm("P2 1 1 255 ", 1), "a")).toThrow("a is not a binary PGM image");
    expect(() => parsePgm(pgm("P5 2 2 255 ", 1), "a")).toThrow("a has 1 bytes for 2 x 2 pixels");
  });

  test("in folders of their classes, as PNG or PGM", async () => {
    for (const name of ["pictures", "pictures/dark", "pictures/light"]) mkdirSync(space.file(name));
    const grey = { width: 2, height: 1, channels: 1, depth: 8, data: Uint8Array.of(51, 255) } as const;
    const colour = { width: 1, height: 1, channels: 3, depth: 8, data: Uint8Array.of(255, 0, 0) } as const;
    space.write("pictures/dark/1.pgm", pgm("P5 1 1 255 ", 0));
    space.write("pictures/dark/notes.txt", "none");
    space.write("pictures/light/1.png", encode(grey));
    space.write("pictures/light/2.PNG", encode(colour));
    const read = await readImageFolder(space.file("pictures"));
    expect(read).toMatchObject({ classes: ["dark", "light"], labels: [0, 1, 1], features: 1 });
    expect(read.sequences.map((pixels) => Array.from(pixels, (pixel) => Math.round(pixel * 1000) / 1000))).toEqual([
      [0],
      [0.2, 1],
      [0.299],
    ]);
    space.write("pictures/light/3.png", "none");
    await expect(readImageFolder(space.file("pictures"))).rejects.toThrow(/3\.png is not a PNG image: /);
    await expect(readImageFolder(space.file("pictures/dark"))).rejects.toThrow(/has no image; expected FOLDER\/CLASS/);
    await expect(readImageFolder(space.file("nowhere"))).rejects.toThrow(/nowhere: no such file/);
  });
});

describe("a classifier", () => {
  test("reads the last step of each sequence, and learns whether it went up or down", slow, async () => {
    // The sign of the first number decides; what follows is noise of another length for each.
    const sequences = Array.from({ length: 60 }, (_, i) =>
      Float64Array.from({ length: 2 + (i % 3) }, (_, t) => (t === 0 ? (i % 2 === 0 ? 1 : -1) : Math.sin(7 * i + t))),
    );
    const data = { sequences, features: 1, labels: sequences.map((_, i) => i % 2), classes: ["up", "down"] };
    const network = classifierModel({ cell: lstm, units: 4, classes: 2, reads: { features: 1 } });
    const device = openInterpreter();
    const trainer = await createTrainer(device, network, { learningRate: 0.05, seed: 1 });
    const { training, validation } = labelledBatches(data, { batch: 9 });
    expect(await trainer.evaluate(validation)).toBeCloseTo(Math.LN2, 0);
    for (let pass = 0; pass < 12; pass++) for (const batch of training) await trainer.step(batch);
    expect(await trainer.evaluate(validation)).toBeLessThan(0.1);
    expect(await trainer.evaluate(validation, { metric: classified })).toBe(1);
    // What stands behind the end of a sequence counts nowhere.
    const [batch] = validation;
    if (batch === undefined) throw new Error("no batch");
    const [, rows = 1] = batch.targets.shape;
    const ended = (i: number) => {
      for (let t = Math.floor(i / rows) - 1; t >= 0; t--)
        if (batch.targets.data[t * rows + (i % rows)] !== noClass) return true;
      return false;
    };
    const noisy = { ...batch.x, data: batch.x.data.map((x, i) => (ended(i) ? 99 : x)) };
    expect([...noisy.data]).not.toEqual([...batch.x.data]);
    expect(await trainer.evaluate([{ ...batch, x: noisy }])).toBe(await trainer.evaluate([batch]));
    trainer.destroy();
    device.destroy();
  });

  test("reads symbols, and learns whether one of them occurs", slow, async () => {
    const sequences = Array.from({ length: 60 }, (_, i) =>
      Float64Array.from({ length: 2 + (i % 3) }, (_, t) => (t === i % 2 && i % 4 < 2 ? 2 : (i + t) % 2)),
    );
    const data = {
      sequences,
      features: undefined,
      labels: sequences.map((_, i) => Number(i % 4 < 2)),
      classes: ["no", "yes"],
    };
    const network = classifierModel({
      cell: lstm,
      units: 4,
      layers: 2,
      classes: 2,
      reads: { vocabulary: 3, embed: 2 },
    });
    expect(network.specs.map(({ path }) => path)).toContain("embedding/table");
    const trainer = await createTrainer(openInterpreter(), network, { learningRate: 0.05, seed: 1 });
    const { training, validation } = labelledBatches(data, { batch: 9 });
    expect([...validation].map(({ x }) => x.dtype)).toEqual(["i32"]);
    for (let pass = 0; pass < 12; pass++) for (const batch of training) await trainer.step(batch);
    expect(await trainer.evaluate(validation, { metric: classified })).toBe(1);
  });
});

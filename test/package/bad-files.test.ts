/**
 * @file Files that are not what they should be, read and written by code: one line each, with the name of the file. What
 * the command line says of its files is in test/cli/bad-input.
 */
import { mkdirSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { afterAll, expect, test } from "vitest";
import { rnn } from "../../cells/rnn.ts";
import { savedModel } from "../../entries/files.ts";
import {
  loadCell,
  loadModel,
  readIdxImages,
  readImageFolder,
  readLabelled,
  readSeries,
  readText,
  saveModel,
} from "../../entries/node.ts";
import { initialize, UserError } from "../../index.ts";
import { languageModel } from "../../train/networks.ts";
import { Workspace } from "../cli/run.ts";
import { patternOf, rowsSaid } from "../trust/fault-table.ts";

const idx = new Uint8Array([0, 0, 8, 1, 0, 0, 0, 9, 1]);
const space = new Workspace({
  "hole.csv": "fast,slow\n1,\n",
  "latin1.txt": new Uint8Array([0x63, 0xe9]),
  "short.safetensors": new Uint8Array([1, 2, 3]),
  "empty.jsonl": "",
  "half.jsonl": '{"x":[1],"label":"a"}\n{"x":[1\n',
  "unlabelled.jsonl": '{"x":[1],"label":"a"}\n{"x":[2]}\n',
  "nothing.jsonl": '{"x":[],"label":"a"}\n',
  "hole.jsonl": '{"x":[1,null],"label":"a"}\n',
  "huge.jsonl": '{"x":[1e39],"label":"a"}\n',
  "ragged.jsonl": '{"x":[[1],[1,2]],"label":"a"}\n',
  "one-class.jsonl": '{"x":[1],"label":"a"}\n{"x":[2],"label":"a"}\n',
  "text.idx": "not IDX at all",
  "cut.idx": idx,
  "cut.idx.gz": gzipSync(idx),
  "damaged.idx.gz": gzipSync(idx).map((byte, i) => (i === 2 ? 7 : byte)),
  "cell.txt": "a cell",
});
for (const folder of ["noimage/class", "png/class", "pgm/class", "taken/class/x.pgm"])
  mkdirSync(space.file(folder), { recursive: true });
space.write("png/class/x.png", "no picture");
space.write("pgm/class/x.pgm", "P5\n2 2\n255\nab");
afterAll(() => space.remove());

const network = languageModel({ cell: rnn, units: 2, layers: 1, vocabulary: 2, embed: 2 });
const weights = initialize(network.specs, 1);
const vocabulary = ["a", "b"];
const at = (name: string) => space.file(name);
const images = (name: string) => readIdxImages(at(name), at(name));

const rows: readonly (readonly [given: string, task: () => Promise<unknown>, line: string])[] = [
  [
    "a hole in a table",
    () => readSeries(at("hole.csv")),
    "hole.csv, line 2, slow: the field is empty; expected a number (option missing: last repeats the previous value)",
  ],
  ["a text that is not there", () => readText(at("none.txt")), "none.txt: no such file"],
  ["a text of another encoding", () => readText(at("latin1.txt")), "latin1.txt is not UTF-8 text: …"],
  ["no sequences", () => readLabelled(at("empty.jsonl")), "empty.jsonl is empty"],
  ["a line that is half of JSON", () => readLabelled(at("half.jsonl")), "half.jsonl, line 2 is not JSON"],
  [
    "a sequence without a label",
    () => readLabelled(at("unlabelled.jsonl")),
    "unlabelled.jsonl, line 2: label is missing; expected a text or a number",
  ],
  ["a sequence of nothing", () => readLabelled(at("nothing.jsonl")), "nothing.jsonl, line 1: x is []; expected …"],
  ["a sequence with a hole", () => readLabelled(at("hole.jsonl")), "hole.jsonl, line 1: x is [1,null]; expected …"],
  [
    "a number that f32 cannot hold",
    () => readLabelled(at("huge.jsonl")),
    "huge.jsonl, line 1: x is [1e+39]; expected …",
  ],
  [
    "rows of different lengths",
    () => readLabelled(at("ragged.jsonl")),
    "ragged.jsonl, line 1: x is [[1],[1,2]]; expected …",
  ],
  [
    "one class",
    () => readLabelled(at("one-class.jsonl")),
    "one-class.jsonl has 2 sequences of 1 classes; a classifier needs at least two",
  ],
  ["images that are not there", () => readImageFolder(at("none")), "none: no such file"],
  [
    "a file as a folder of images",
    () => readImageFolder(at("cell.txt")),
    "cell.txt: a part of the path is not a directory",
  ],
  [
    "a folder without an image",
    () => readImageFolder(at("noimage")),
    "noimage has no image; expected FOLDER/CLASS/NAME.png or .pgm",
  ],
  ["a PNG that is none", () => readImageFolder(at("png")), "png/class/x.png is not a PNG image: wrong PNG signature"],
  ["a PGM cut short", () => readImageFolder(at("pgm")), "pgm/class/x.pgm has 2 bytes for 2 x 2 pixels"],
  ["a folder as an image", () => readImageFolder(at("taken")), "taken/class/x.pgm is a directory, not a file"],
  ["a text as images", () => images("text.idx"), "text.idx is not in IDX format"],
  ["images cut short", () => images("cut.idx"), "cut.idx has 1 bytes for [9]; expected 9"],
  ["packed images cut short", () => images("cut.idx.gz"), "cut.idx.gz has 1 bytes for [9]; expected 9"],
  [
    "packed images that are damaged",
    () => images("damaged.idx.gz"),
    "damaged.idx.gz looks like gzip but cannot be decompressed: …",
  ],
  [
    "a text as a cell",
    () => loadCell(at("cell.txt")),
    "cell.txt is not a .cell, .ts or .js file; give equations, or a module that exports a cell, such as ./my-cell.ts",
  ],
  [
    "a text as a model",
    () => loadModel(at("text.idx")),
    "text.idx is not a safetensors file, the format of models and weights",
  ],
  [
    "three bytes as a model",
    () => loadModel(at("short.safetensors")),
    "short.safetensors is not a valid safetensors file: it has 3 bytes, too few for the length of a header",
  ],
  [
    "a model in no directory",
    () => saveModel(at("none/x.safetensors"), savedModel(network, weights, { vocabulary })),
    "none/x.safetensors: the directory none does not exist",
  ],
  [
    "a model whose training found no number",
    () => saveModel(at("x.safetensors"), savedModel(network, weights, { vocabulary, training: { loss: Number.NaN } })),
    "training.loss is NaN; save the weights of a step with a finite loss instead",
  ],
];

test.each(rows)("%s", async (_given, task, line) => {
  const before = space.list();
  const error = await task().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(UserError);
  expect((error as UserError).message.replaceAll(`${space.path}/`, "")).toMatch(patternOf(line));
  expect(space.list()).toEqual(before);
});

test("docs/trust.md says how many rows there are", () => {
  expect(rowsSaid("package/bad-files.test.ts")).toBe(rows.length);
});

/**
 * @file Error messages about mistakes in making, training and feeding networks, on the device and in the interpreter.
 */
import { describe, expect, test } from "vitest";
import { rnn } from "../../cells/index.ts";
import { randomness } from "../../compiler/dsl/randomness.ts";
import { type NdArray, ndarray } from "../../compiler/graph/ndarray.ts";
import { type CellDefinition, cell, fill } from "../../index.ts";
import { arenaOf, packArrays } from "../../train/arena.ts";
import type { TrainingBatch } from "../../train/batch-inputs.ts";
import { type ClassifierOptions, classifierModel } from "../../train/classifier.ts";
import { pixelSequences } from "../../train/data/images.ts";
import { TableReader } from "../../train/data/table.ts";
import { checkpointTensors } from "../../train/files/checkpoint-tensors.ts";
import { variationalDropout } from "../../train/layers/dropout.ts";
import { argmax, delayed, scheduledSample } from "../../train/layers/feeding.ts";
import { gaussianMixture } from "../../train/losses/mixture-density.ts";
import { accuracy } from "../../train/metrics.ts";
import { languageModel, seriesModel } from "../../train/networks.ts";
import { createTrainer } from "../../train/trainer.ts";
import { trainingStep } from "../../train/training-step.ts";
import { lineOf, lineOfPromise, refusals, whatever } from "../support/refused.ts";
import { rowsSaid } from "../trust/fault-table.ts";
import { devices } from "./devices.ts";

const { refused, rowsRefused } = refusals();

const text = languageModel({ cell: rnn, units: 3, layers: 1, vocabulary: 5, embed: 2 });
const series = seriesModel({ cell: rnn, units: 3, layers: 1, features: 2 });
const ones = (shape: readonly number[], dtype: NdArray["dtype"] = "i32", value = 1) =>
  ndarray(shape, new Array<number>(shape.reduce((a, b) => a * b, 1)).fill(value), dtype);
const x = ones([3, 2]);

const batches: readonly (readonly [given: string, network: typeof text, batch: unknown, line: string])[] = [
  ["nothing", text, undefined, "the batch is undefined; expected { x, targets }, or { inputs } by name"],
  ["no targets", text, { x }, "the batch has no targets; it holds x, expected x, targets"],
  ["no inputs by name", text, { inputs: {} }, "the batch has no x; it holds nothing, expected x, targets"],
  [
    "a part that there is not",
    text,
    { x, targets: x, frsh: true },
    "the batch: there is no option frsh; did you mean fresh?",
  ],
  ["an array", text, x, "the batch is one array; expected { x, targets }, or { inputs } by name"],
  [
    "x beside inputs",
    text,
    { x, inputs: { x, targets: x } },
    "the batch: there is no option x; it takes inputs, fresh",
  ],
  [
    "an input more",
    text,
    { inputs: { x, targets: x, more: x } },
    "the batch has an input more, which is not used; expected x, targets",
  ],
  [
    "lists",
    text,
    { x: [[1, 2]], targets: x },
    "the batch's x is a list; make it an array with ndarray(shape, numbers, dtype) or fromNested(lists, dtype)",
  ],
  [
    "numbers without a shape",
    text,
    { x, targets: new Int32Array(3) },
    "the batch's targets is an Int32Array; make it an array with ndarray(shape, numbers, dtype) or fromNested(lists, dtype)",
  ],
  [
    "no rows",
    text,
    { x: ones([3, 0]), targets: ones([3, 0]) },
    "x is [3, 0]; a batch needs at least one step and one row",
  ],
  [
    "a token above the vocabulary",
    text,
    { x: ones([3, 2], "i32", 5), targets: x },
    "x holds 5 at step 0, row 0 (counted from 0); expected tokens, whole numbers from 0 to 4",
  ],
  [
    "a target below 0",
    text,
    { x, targets: ones([3, 2], "i32", -1) },
    "targets holds -1 at step 0, row 0 (counted from 0); expected classes, whole numbers from 0 to 4",
  ],
  ["tokens as f32", text, { x: ones([3, 2], "f32"), targets: x }, "trainingStep: input x is f32; expected i32"],
  [
    "targets of another length",
    text,
    { x, targets: ones([4, 2]) },
    "trainingStep: input targets: axis 0 is T=3 elsewhere, got 4 in [4, 2]",
  ],
  [
    "targets of other rows",
    text,
    { x, targets: ones([3, 3]) },
    "trainingStep: input targets: axis 1 is B=2 elsewhere, got 3 in [3, 3]",
  ],
  [
    "an axis more",
    text,
    { x: ones([3, 2, 1]), targets: x },
    "trainingStep: input x: expected 2 axes [T, B], got 3 [3, 2, 1]",
  ],
  [
    "a shape that lies",
    text,
    { x: { ...x, data: x.data.slice(1) }, targets: x },
    "trainingStep: input x has 5 numbers; its shape [3, 2] holds 6",
  ],
  [
    "features more",
    series,
    { x: ones([3, 2, 3], "f32"), targets: ones([3, 2, 2], "f32") },
    "trainingStep: input x: axis 2 must be 2, got 3 in [3, 2, 3]",
  ],
];

describe.each(devices)("batches on $name", ({ open }) => {
  test.each(batches)("%s", async (_, network, batch, line) => {
    const device = await open();
    const trainer = await createTrainer(device, network, { learningRate: 0.1 });
    expect(await lineOfPromise(async () => trainer.step(whatever<TrainingBatch>(batch)))).toBe(line);
    device.destroy();
  });
});

const calls: readonly (readonly [given: string, f: () => unknown, line: string])[] = [
  [
    "a cell of so many units",
    () => languageModel({ cell: whatever<CellDefinition>(rnn(3)), units: 3, layers: 1, vocabulary: 5, embed: 2 }),
    "the cell is an object; expected a definition, such as lstm, without units: not lstm(8)",
  ],
  [
    "half a symbol",
    () => languageModel({ cell: rnn, units: 3, layers: 1, vocabulary: 1.5, embed: 2 }),
    "vocabulary must be a whole number above 0, got 1.5",
  ],
  [
    "a state of as many numbers as there are rows",
    () => seriesModel({ cell: wide, units: 3, layers: 1, features: 2 }),
    "wide: state h has an axis B; the axes of a state are whole numbers",
  ],
  ["no layer", () => classifier({ layers: 0 }), "layers must be a whole number above 0, got 0"],
  ["one class", () => classifier({ classes: 1 }), "classes must be a whole number above 1, got 1"],
  ["nothing to read", () => classifier({ reads: { features: 0 } }), "features must be a whole number above 0, got 0"],
  [
    "an embedding of no width",
    () => classifier({ reads: { vocabulary: 4, embed: 0 } }),
    "embed must be a whole number above 0, got 0",
  ],
  [
    "an optimizer by name",
    () => trainingStep(text, { optimizer: whatever("adam") }),
    "the optimizer must be an update rule such as adam(), not its name or adam itself",
  ],
  [
    "weights of integers",
    () => packArrays({ w: ones([2]) }, arenaOf([{ path: "w", shape: [2] }])),
    "parameter w is i32; expected f32",
  ],
  [
    "weights that do not fill their shape",
    () => packArrays({ w: { ...ones([2], "f32"), data: new Float64Array(1) } }, arenaOf([{ path: "w", shape: [2] }])),
    "parameter w has 1 numbers; its shape [2] holds 2",
  ],
  [
    "a parameter in the place of checkpoints",
    () => checkpointTensors({}, { "checkpoint/w": ones([2], "f32") }),
    "parameter checkpoint/w: the prefix checkpoint/ is reserved for checkpoints; rename the parameter",
  ],
  [
    "images of two widths by rows",
    () => pixelSequences([image(2), image(3)], [0, 1], ["a", "b"], { byRows: true }),
    "an image is 3 pixels wide and the first is 2; with byRows all images must have the same width",
  ],
  [
    "a column that a wide table does not have",
    () =>
      new TableReader("t.csv", { columns: ["z"] }).look({
        fields: Array.from({ length: 30 }, (_, i) => String(i)),
        line: 1,
      }),
    `t.csv has no column "z"; it has ${Array.from({ length: 20 }, (_, i) => `column ${i + 1}`).join(", ")}, …`,
  ],
];

const wide = cell("wide", { state: () => ({ h: ["B"] }) }, ({ x, h }) => ({ state: { h }, output: x }));
const classifier = (options: Partial<ClassifierOptions>) =>
  classifierModel({ cell: rnn, units: 3, classes: 2, reads: { features: 2 }, ...options });
const image = (width: number) => ({ width, height: 1, pixels: new Float64Array(width) });

test.each(calls)("%s", (_, f, line) => {
  expect(lineOf(f)).toBe(line);
});

describe("layers and losses", () => {
  const drawn = { rate: 0.5, random: randomness(1) };
  refused([
    [
      "logits of a symbolic number of classes",
      ({ q }) => argmax(q),
      "argmax at …: logits are [4, B]; expected a known number of classes",
    ],
    [
      "a vector as a sequence",
      () => variationalDropout(fill([3], 1), 0.5, randomness(1)),
      "variationalDropout at …: xs is [3]; expected [time, batch, …]",
    ],
    [
      "a first step of another width",
      ({ s, q }) => delayed(s, q),
      "delayed at …: the first step is Tensor f32[4,B]; expected one step of Tensor f32[T,2,3]",
    ],
    [
      "words of another shape than the truth",
      ({ p, q }) => scheduledSample(p, q, drawn),
      "scheduledSample at …: the target is Tensor f32[2,3] and the prediction Tensor f32[4,B]; expected one dtype and shape",
    ],
    [
      "targets of another shape than the logits",
      ({ p, i }) => accuracy(p, i),
      "accuracy: logits are [2, 3] and targets [5]; expected logits with the shape of the targets and one more axis, the classes",
    ],
    [
      "an output that is no mixture",
      () => gaussianMixture(fill([2, 4], 1)),
      "gaussianMixture: the output is [2, 4]; expected 3 numbers for each Gaussian along the last axis",
    ],
  ]);
});

test("docs/trust.md says how many rows there are", () => {
  expect(rowsSaid("train/bad-options.test.ts")).toBe(batches.length + calls.length + rowsRefused());
});

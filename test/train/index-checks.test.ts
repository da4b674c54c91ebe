/** @file Classes, tokens, lengths and labels out of range: one-line errors that say which, where, and the valid range. */
import { expect, test } from "vitest";
import { gru } from "../../cells/gru.ts";
import { scan } from "../../compiler/dsl/cell.ts";
import { dense, embedding } from "../../compiler/dsl/dense.ts";
import { normal } from "../../compiler/dsl/initializers.ts";
import { parameter } from "../../compiler/dsl/parameters.ts";
import type { Aval } from "../../compiler/graph/aval.ts";
import { type NdArray, ndarray } from "../../compiler/graph/ndarray.ts";
import { mean } from "../../compiler/ops/composed.ts";
import { gather } from "../../compiler/ops/contractions.ts";
import { add, cast, max } from "../../compiler/ops/elementwise.ts";
import { scanTensors } from "../../compiler/ops/scan.ts";
import { fill, reshape } from "../../compiler/ops/views.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { openInterpreter } from "../../devices/interpreter.ts";
import { classified, classifierModel } from "../../train/classifier.ts";
import { labelledBatches } from "../../train/data/labelled.ts";
import { vocabularyFrom } from "../../train/data/text.ts";
import { decodeModel, encodeModel, savedModel } from "../../train/files/model-file.ts";
import { argmax } from "../../train/layers/feeding.ts";
import { lastOutput, lengthsMask } from "../../train/layers/lengths.ts";
import { crossEntropy } from "../../train/losses/classification.ts";
import { ctc } from "../../train/losses/ctc.ts";
import { accuracy } from "../../train/metrics.ts";
import { languageModel } from "../../train/networks.ts";
import { objective } from "../../train/objective.ts";
import { sgd } from "../../train/optimizers/gradient-descent.ts";
import { createStream, sampleText } from "../../train/stream.ts";
import { createTrainer } from "../../train/trainer.ts";
import { trainingStep } from "../../train/training-step.ts";
import { devices } from "./devices.ts";

type Int = Tensor<"i32">;
type Avals = Readonly<Record<string, Aval>>;

const device = openInterpreter();
/** Of any numbers, as they would come from code that made no array with `ndarray`. */
const integers = (shape: readonly number[], data: readonly number[]): NdArray => ({
  ...{ dtype: "i32", shape, data: Float64Array.from(data) },
});
const tokens: Aval = { dtype: "i32", shape: ["T", "B"] };
const perRow: Aval = { dtype: "i32", shape: ["B"] };
const mask: Aval = { dtype: "bool", shape: ["T", "B"] };
const logits = (x: Int) => dense("head", embedding("letters", x, 4, 2), 3);

/** What a batch holds that is in order, and what happens to it. */
interface Case {
  readonly batch: Avals;
  readonly loss: (given: Readonly<Record<string, Tensor>>) => Tensor<"f32">;
  readonly right: Readonly<Record<string, NdArray>>;
  readonly wrong: readonly (readonly [name: string, array: NdArray, message: string])[];
  /** What is in order too, though it looks as if it were not. */
  readonly alsoRight?: readonly (readonly [name: string, array: NdArray])[];
}

const at = (step: number, row: number) => `at step ${step}, row ${row} (counted from 0)`;
const to = (what: string, largest: number) => `expected ${what}, whole numbers from 0 to ${largest}`;

const cases: Readonly<Record<string, Case>> = {
  embedding: {
    batch: { x: tokens },
    loss: ({ x }) => mean(logits(x as Int)),
    right: { x: integers([2, 2], [0, 3, 1, 2]) },
    wrong: [
      ["x", integers([2, 2], [0, 3, 4, 2]), `x holds 4 ${at(1, 0)}; ${to("tokens", 3)}`],
      ["x", integers([2, 2], [0, -1, 1, 2]), `x holds -1 ${at(0, 1)}; ${to("tokens", 3)}`],
      ["x", integers([2, 2], [0, 3, 1, 1.5]), `x holds 1.5 ${at(1, 1)}; ${to("tokens", 3)}`],
      ["x", integers([2, 2], [0, 3, 1, Number.NaN]), `x holds NaN ${at(1, 1)}; ${to("tokens", 3)}`],
    ],
  },
  "crossEntropy under a mask": {
    batch: { x: tokens, targets: tokens, mask },
    loss: ({ x, targets, mask }) => crossEntropy(logits(x as Int), targets as Int, { mask: mask as Tensor<"bool"> }),
    right: {
      x: integers([2, 1], [0, 3]),
      targets: integers([2, 1], [2, -1]),
      mask: ndarray([2, 1], [1, 0], "bool"),
    },
    wrong: [
      ["targets", integers([2, 1], [3, 0]), `targets holds 3 ${at(0, 0)}; ${to("classes", 2)}`],
      [
        "targets",
        integers([2, 1], [0, 0.5]),
        `targets holds 0.5 ${at(1, 0)}; expected whole numbers that fit into i32`,
      ],
      ["mask", ndarray([2, 1], [0, 1], "bool"), `targets holds -1 ${at(1, 0)}; ${to("classes", 2)}`],
    ],
    alsoRight: [["targets", integers([2, 1], [0, 99])]],
  },
  "classes of rows, from lengths": {
    batch: { x: tokens, lengths: perRow, classes: perRow },
    loss: ({ x, lengths, classes }) => {
      const exists = lengthsMask(lengths as Int, "T");
      const { outputs } = scan(gru(2), embedding("letters", x as Int, 4, 2), { mask: exists });
      return crossEntropy(dense("head", lastOutput(outputs, lengths as Int), 3), classes as Int);
    },
    right: { x: integers([2, 2], [0, 3, 1, 2]), lengths: integers([2], [2, 1]), classes: integers([2], [0, 2]) },
    wrong: [
      ["classes", integers([2], [0, 7]), `classes holds 7 at row 1 (counted from 0); ${to("classes", 2)}`],
      ["lengths", integers([2], [3, 1]), `lengths holds 3 at row 0 (counted from 0); ${to("lengths", 2)}`],
      ["lengths", integers([2], [2, -1]), `lengths holds -1 at row 1 (counted from 0); ${to("lengths", 2)}`],
      ["lengths", integers([2], [1.5, 1]), `lengths holds 1.5 at row 0 (counted from 0); ${to("lengths", 2)}`],
    ],
    alsoRight: [["lengths", integers([2], [0, 2])]],
  },
  "labels of ctc": {
    batch: { x: tokens, labels: { dtype: "i32", shape: ["B", 2] }, isLabel: { dtype: "bool", shape: ["B", 2] } },
    loss: ({ x, labels, isLabel }) => ctc(logits(x as Int), labels as Int, { labelMask: isLabel as Tensor<"bool"> }),
    right: {
      x: integers([3, 1], [0, 3, 1]),
      labels: integers([1, 2], [1, -1]),
      isLabel: ndarray([1, 2], [1, 0], "bool"),
    },
    wrong: [
      [
        "labels",
        integers([1, 2], [3, 1]),
        `labels holds 3 at row 0, index 0 (counted from 0); ${to("labels", 2)} other than 0`,
      ],
      [
        "labels",
        integers([1, 2], [0, 1]),
        `labels holds 0 at row 0, index 0 (counted from 0); ${to("labels", 2)} other than 0`,
      ],
    ],
  },
  "a table that is looked up in a loop, by what was computed": {
    batch: { x: tokens, offset: { dtype: "i32", shape: [] } },
    loss: ({ x, offset }) => {
      const table = parameter("table", [4, 2], normal(1));
      const { carries } = scanTensors(
        ([sum], [index]) => ({ carries: [add(sum as Tensor<"f32">, gather(table, index as Int))], ys: [] }),
        [fill(["B", 2], 0)],
        [add(x as Int, offset as Int)],
      );
      return mean(carries[0] as Tensor<"f32">);
    },
    right: { x: integers([2, 1], [0, 2]), offset: integers([], [1]) },
    wrong: [
      ["offset", integers([], [2]), `the index computed from x and offset holds 4 ${at(1, 0)}; ${to("indices", 3)}`],
      ["offset", integers([], [0.5]), "offset holds 0.5; expected whole numbers that fit into i32"],
    ],
    alsoRight: [["x", integers([1, 3], [-1, 1, 2])]],
  },
  "numbers that are no index": {
    batch: { flags: mask, count: { dtype: "u32", shape: ["B"] } },
    loss: ({ flags, count }) =>
      add(
        mean(dense("head", cast(reshape(flags as Tensor<"bool">, ["B*T", 1]), "f32"), 1)),
        mean(cast(count as Tensor<"u32">, "f32")),
      ),
    right: { flags: ndarray([2, 1], [1, 0], "bool"), count: ndarray([1], [4294967295], "u32") },
    wrong: [
      ["flags", { ...ndarray([2, 1], [1, 2]), dtype: "bool" }, `flags holds 2 ${at(1, 0)}; expected 0 or 1`],
      [
        "count",
        { ...ndarray([1], [-1]), dtype: "u32" },
        "count holds -1 at row 0 (counted from 0); expected whole numbers that fit into u32",
      ],
    ],
  },
  "what the model says itself": {
    batch: { x: tokens },
    loss: ({ x }) => crossEntropy(logits(x as Int), argmax(logits(x as Int))),
    right: { x: integers([2, 2], [0, 3, 1, 2]) },
    wrong: [],
  },
};

test.each(Object.entries(cases))("%s", async (name, { batch, loss, right, wrong, alsoRight = [] }) => {
  const trainer = await createTrainer(device, objective(name, batch, loss), { seed: 1 });
  for (const [input, array] of [["", integers([], [0])] as const, ...alsoRight]) {
    const given = { inputs: { ...right, ...(input !== "" && { [input]: array }) } };
    expect((await trainer.step(given)).finite).toBe(true);
    expect(await trainer.evaluate([given])).toBeTypeOf("number");
  }
  for (const [input, array, message] of wrong) {
    const given = { inputs: { ...right, [input]: array } };
    expect(() => trainer.step(given), message).toThrow(message);
    await expect(trainer.evaluate([given])).rejects.toThrow(message);
    await expect(trainer.profile(given)).rejects.toThrow(message);
  }
  trainer.destroy();
});

const sequence = (numbers: readonly number[]) => integers([numbers.length, 1], numbers);

test("a classifier's classes and tokens, and those of a metric of its own", async () => {
  const reads = { vocabulary: 4, embed: 2 };
  const trainer = await createTrainer(device, classifierModel({ cell: gru, units: 2, classes: 3, reads }));
  const batch = (x: readonly number[], targets: readonly number[]) => ({
    x: sequence(x),
    targets: sequence(targets),
    fresh: true,
  });
  expect((await trainer.step(batch([0, 3], [-1, 2]))).finite).toBe(true);
  for (const [given, message] of [
    [batch([0, 3], [-1, 300]), `targets holds 300 ${at(1, 0)}; ${to("classes", 2)}`],
    [batch([0, 4], [-1, 2]), `x holds 4 ${at(1, 0)}; ${to("tokens", 3)}`],
    [batch([1.5, 3], [-1, 2]), `x holds 1.5 ${at(0, 0)}; ${to("tokens", 3)}`],
    [batch([0, 3], [-1.5, 2]), `targets holds -1.5 ${at(0, 0)}; expected whole numbers that fit into i32`],
  ] as const) {
    expect(() => trainer.step(given)).toThrow(message);
    await expect(trainer.evaluate([given])).rejects.toThrow(message);
    await expect(trainer.evaluate([given], { metric: classified })).rejects.toThrow(message);
  }
  // A metric may ask for less than the loss: here no class is asked for.
  const metric = (output: Tensor<"f32">) => mean(output);
  expect(await trainer.evaluate([batch([0, 3], [-1, 300])], { metric })).toBeTypeOf("number");
  const other = (output: Tensor<"f32">, targets: Tensor) => accuracy(output, max(targets as Int, 0));
  await expect(trainer.evaluate([batch([0, 3], [-1, 300])], { metric: other })).rejects.toThrow("targets holds 300");
  trainer.destroy();
});

for (const { name, open } of devices) {
  test(`${name}: a stream of a network or a loaded model rejects tokens out of range`, async () => {
    const here = await open();
    const network = languageModel({ cell: gru, units: 2, layers: 1, vocabulary: 5, embed: 2 });
    const trainer = await createTrainer(here, network);
    const parameters = await trainer.parameters();
    const vocabulary = [..."abcde"];
    const read = decodeModel(encodeModel(savedModel(network, parameters, { vocabulary })), "m");
    for (const source of [network, read]) {
      const stream = await createStream(here, source, parameters);
      for (const token of [5, 99, -1, 1.5]) {
        await expect(stream.step(integers([1], [token]))).rejects.toThrow(
          `x holds ${token} at row 0 (counted from 0); ${to("indices", 4)}`,
        );
      }
      expect((await stream.step(integers([1], [4]))).output.shape).toEqual([1, 5]);
      // A prompt of more symbols than the model has.
      const said = sampleText({ stream, vocabulary: vocabularyFrom([..."abcdefg"]), prompt: "ag", length: 2 });
      await expect(said.next()).rejects.toThrow("x holds 6 at row 0");
      stream.destroy();
    }
    trainer.destroy();
    here.destroy();
  });
}

test("errors about labelled sequences give their number", () => {
  const data = {
    sequences: [[0, 1], [2]],
    vocabulary: vocabularyFrom([..."abc"]),
    labels: [0, 1],
    classes: ["x", "y"],
  };
  const batches = (changed: Partial<typeof data> & { features?: number }) => () =>
    labelledBatches({ ...data, ...changed }, { batch: 1, heldOut: 0 });
  expect([...batches({})().training]).toHaveLength(2);
  const counted = "(counted from 0)";
  for (const [changed, message] of [
    [{ labels: [0, 2] }, `labels holds 2 of sequence 1 ${counted}; ${to("classes", 1)}`],
    [{ labels: [0.5, 1] }, `labels holds 0.5 of sequence 0 ${counted}; ${to("classes", 1)}`],
    [{ labels: [0] }, "got 1 labels for 2 sequences; expected one for each"],
    [{ sequences: [[0, 3], [2]] }, `sequence 0 holds 3 at step 1 ${counted}; ${to("tokens", 2)}`],
    [{ sequences: [[0], []] }, `sequence 1 ${counted} has 0 numbers; expected one or more steps of 1`],
    [{ sequences: [[0, 1], [2]], features: 2 }, `sequence 1 ${counted} has 1 numbers; expected one or more steps of 2`],
  ] as const)
    expect(batches(changed as never)).toThrow(message);
});

test("tokens are checked once, though an embedding looks them up too", () => {
  const network = languageModel({ cell: gru, units: 2, layers: 1, vocabulary: 5, embed: 2 });
  const { checks } = trainingStep(network, { optimizer: sgd() }).indices;
  expect(checks.map(({ names, what }) => [...names, what])).toEqual([
    ["x", "tokens"],
    ["targets", "classes"],
  ]);
});

test("an integer array accepts only integers", () => {
  for (const [dtype, value, expected] of [
    ["i32", 1.5, "whole numbers that fit into i32"],
    ["i32", 2 ** 31, "whole numbers that fit into i32"],
    ["u32", -1, "whole numbers that fit into u32"],
    ["bool", 2, "0 or 1, for bool"],
  ] as const) {
    expect(() => ndarray([2], [0, value], dtype)).toThrow(
      `ndarray: entry 1 (counted from 0) is ${value}; expected ${expected}`,
    );
  }
  for (const [dtype, value] of [
    ["i32", -(2 ** 31) - 1],
    ["i32", Number.NaN],
    ["u32", 2 ** 32],
    ["u32", 0.5],
    ["bool", -1],
  ] as const)
    expect(() => ndarray([1], [value], dtype)).toThrow(`is ${value}; expected`);
  for (const [dtype, numbers] of [
    ["i32", [-(2 ** 31), -0, 2 ** 31 - 1]],
    ["u32", [0, 2 ** 31, 2 ** 32 - 1]],
    ["bool", [0, 1, 1]],
  ] as const)
    expect([...ndarray([3], numbers, dtype).data]).toEqual(numbers);
});

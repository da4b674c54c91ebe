/** @file The denominators of losses: several batches evaluate and train like one batch with all their rows. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gru } from "../../cells/gru.ts";
import { dense } from "../../compiler/dsl/dense.ts";
import { constantInit } from "../../compiler/dsl/initializers.ts";
import { parameter } from "../../compiler/dsl/parameters.ts";
import { type NdArray, ndarray } from "../../compiler/graph/ndarray.ts";
import { mean, square } from "../../compiler/ops/composed.ts";
import { add, cast, div, max, mul, neg, sub } from "../../compiler/ops/elementwise.ts";
import { where } from "../../compiler/ops/logic.ts";
import { slice } from "../../compiler/ops/pieces.ts";
import { dimSize } from "../../compiler/ops/sources.ts";
import { exp } from "../../compiler/ops/transcendental.ts";
import { reshape, sum } from "../../compiler/ops/views.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import type { Device } from "../../devices/device.ts";
import { openInterpreter } from "../../devices/interpreter.ts";
import { classified, classifierModel } from "../../train/classifier.ts";
import type { Batch } from "../../train/data/batches.ts";
import type { Loss } from "../../train/loss-parts.ts";
import { binaryCrossEntropy, crossEntropy } from "../../train/losses/classification.ts";
import { ctc } from "../../train/losses/ctc.ts";
import { bivariateMixtureLoss, gaussianMixtureLoss } from "../../train/losses/mixture-density.ts";
import { huber, meanAbsoluteError, meanSquaredError, weightedSquaredError } from "../../train/losses/regression.ts";
import { accuracy } from "../../train/metrics.ts";
import { languageModel, type Network, regressionModel, seriesModel } from "../../train/networks.ts";
import { type Objective, objective } from "../../train/objective.ts";
import { sgd } from "../../train/optimizers/gradient-descent.ts";
import { createTrainer, type Trainer, type TrainerOptions } from "../../train/trainer.ts";
import { devices, difference } from "./devices.ts";
import { numbers, tokens } from "./steps.ts";

type Float = Tensor<"f32">;

/** Rows of a batch: those of the first part, and of the second. */
const parts = [
  [0, 1],
  [1, 5],
] as const;
const [time, rows] = [3, 5] as const;

/** Some rows of an array whose axis `axis` is the batch. */
function cut(array: NdArray, axis: number, [from, to]: readonly [number, number]): NdArray {
  const width = array.shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const size = array.shape[axis] ?? 1;
  const data = [...array.data].filter((_, i) => {
    const row = Math.floor(i / width) % size;
    return row >= from && row < to;
  });
  return ndarray(
    array.shape.map((n, i) => (i === axis ? to - from : n)),
    data,
    array.dtype,
  );
}

const avals = {
  x: { dtype: "f32", shape: ["T", "B", 2] },
  y: { dtype: "f32", shape: ["T", "B", 3] },
  classes: { dtype: "i32", shape: ["T", "B"] },
  weights: { dtype: "f32", shape: ["T", "B", 1] },
  mask: { dtype: "bool", shape: ["T", "B"] },
  labels: { dtype: "i32", shape: ["B", 2] },
} as const;
type Given = { readonly [Name in keyof typeof avals]: Tensor<(typeof avals)[Name]["dtype"]> };

const data: Readonly<Record<string, NdArray>> = {
  x: numbers([time, rows, 2], "x"),
  y: numbers([time, rows, 3], "y"),
  classes: tokens([time, rows], 3, "classes"),
  weights: ndarray(
    [time, rows, 1],
    Array.from({ length: time * rows }, (_, i) => (i % 4) / 2),
  ),
  // One row of a single step, then rows of 3, 2, 3 and none.
  mask: ndarray([time, rows], [1, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 1, 0, 1, 0], "bool"),
  labels: ndarray([rows, 2], [1, 2, 2, 1, 1, 1, 1, 2, 2, 1], "i32"),
};
const inputsOf = (part: readonly [number, number]) => ({
  inputs: Object.fromEntries(
    Object.entries(data).map(([name, array]) => [name, cut(array, name === "labels" ? 0 : 1, part)]),
  ),
});
const whole = inputsOf([0, rows]);

const logits = ({ x }: Given, width = 3) => dense("head", x, width);
const valid = (costs: Float, mask: Tensor<"bool">) => sum(where(mask, costs, 0));
const counted = (mask: Tensor<"bool">) => sum(cast(mask, "f32"));
const squares = (given: Given) => mean(square(sub(logits(given), given.y)), -1);

/** Losses of which several batches give what one of all gives. */
const table: Readonly<Record<string, (given: Given) => Loss>> = {
  "crossEntropy, all": (given) => crossEntropy(logits(given), given.classes),
  "crossEntropy, masked": (given) => crossEntropy(logits(given), given.classes, { mask: given.mask }),
  "crossEntropy, masked and smoothed": (given) =>
    crossEntropy(logits(given), given.classes, { mask: given.mask, smoothing: 0.1 }),
  "crossEntropy, class weights": (given) =>
    crossEntropy(logits(given), given.classes, { mask: given.mask, classWeights: [1, 5, 0.5] }),
  binaryCrossEntropy: (given) => binaryCrossEntropy(logits(given), given.y, { mask: given.mask }),
  meanSquaredError: (given) => meanSquaredError(logits(given), given.y, { mask: given.mask }),
  meanAbsoluteError: (given) => meanAbsoluteError(logits(given), given.y, { mask: given.mask }),
  huber: (given) => huber(logits(given), given.y, { mask: given.mask }),
  weightedSquaredError: (given) => weightedSquaredError(logits(given), given.y, given.weights),
  gaussianMixtureLoss: (given) =>
    gaussianMixtureLoss(logits(given, 6), reshape(slice(given.y, 2, 0, 1), given.classes.shape), { mask: given.mask }),
  bivariateMixtureLoss: (given) => bivariateMixtureLoss(logits(given, 7), given.y, { mask: given.mask }),
  ctc: (given) => ctc(logits(given), given.labels, { mask: given.mask }),
  "a mean": (given) => mean(square(sub(logits(given), given.y))),
  "a mean of means over rows": (given) => mean(mean(squares(given), 1)),
  "a sum over a guarded count": ({ mask, ...given }) =>
    div(valid(squares({ mask, ...given }), mask), max(counted(mask), 1)),
  "a sum over a count that is never 0": ({ mask, ...given }) =>
    div(valid(squares({ mask, ...given }), mask), add(counted(mask), 1e-30)),
  "a sum times a share": ({ mask, ...given }) =>
    mul(valid(squares({ mask, ...given }), mask), div(1, max(counted(mask), 1))),
  "a sum divided twice": (given) => div(div(sum(squares(given)), dimSize("T")), dimSize("B")),
  "a scaled loss with what does not depend on the batch": (given) =>
    add(
      div(neg(crossEntropy(logits(given), given.classes, { mask: given.mask })), -2),
      mul(sum(square(parameter("penalized", [3], constantInit(2)))), 0.1),
    ),
  "two losses over one count": (given) =>
    sub(
      mul(meanSquaredError(logits(given), given.y, { mask: given.mask }), 3),
      mul(0.5, meanAbsoluteError(logits(given), given.y, { mask: given.mask })),
    ),
  "two losses of other widths under one mask": (given) =>
    add(
      crossEntropy(logits(given), given.classes, { mask: given.mask }),
      meanSquaredError(logits(given), given.y, { mask: given.mask }),
    ),
};

/** A sum has no weight for accumulation: each of its terms has another. */
const twoCounts = (given: Given) =>
  add(crossEntropy(logits(given), given.classes, { mask: given.mask }), mul(squaresOf(given), 0.5));
const squaresOf = (given: Given) => meanSquaredError(logits(given), given.y);

type GivenBatch = typeof whole;

async function withTrainer<R>(
  loss: (given: Given) => Loss,
  options: TrainerOptions,
  use: (trainer: Trainer<Objective>) => Promise<R>,
): Promise<R> {
  const plain = { optimizer: sgd(), learningRate: 0.5, seed: 2, ...options };
  const trainer = await createTrainer(openInterpreter(), objective("loss", avals, loss), plain);
  try {
    return await use(trainer);
  } finally {
    trainer.destroy();
  }
}

const weightsOf = async (trainer: Trainer<Objective>) =>
  Object.values(await trainer.parameters()).flatMap(({ data }) => [...data]);

/** Weights after each batch, from the start each time. */
async function movedBy(trainer: Trainer<Objective>, batches: readonly GivenBatch[]): Promise<number[]> {
  const start = await trainer.parameters();
  for (const batch of batches) expect((await trainer.step(batch)).finite).toBe(true);
  const after = await weightsOf(trainer);
  trainer.setParameters(start);
  return after;
}

const trained = (loss: (given: Given) => Loss, options: TrainerOptions, batches: readonly GivenBatch[]) =>
  withTrainer(loss, options, (trainer) => movedBy(trainer, batches));
const evaluated = (loss: (given: Given) => Loss, ...each: readonly (readonly GivenBatch[])[]) =>
  withTrainer(loss, {}, (trainer) => Promise.all(each.map((batches) => trainer.evaluate(batches))));
const split = parts.map(inputsOf);
const each = split.map((part) => [part]);

test.each(Object.keys(table))("%s: several batches evaluate, and accumulate, as one of all", async (name) => {
  const loss = table[name] ?? twoCounts;
  const [atOnce, first] = await withTrainer(loss, {}, async (trainer) => {
    const [expected = 0, found, ...one] = await Promise.all(
      [[whole], split, ...each].map((batches) => trainer.evaluate(batches)),
    );
    expect(found).toBeCloseTo(expected, 9);
    // The parts count for other than their number: a mean of means is another number.
    expect(Math.abs(((one[0] ?? 0) + (one[1] ?? 0)) / 2 - expected)).toBeGreaterThan(1e-4);
    return [await movedBy(trainer, [whole]), await movedBy(trainer, split.slice(0, 1))];
  });
  expect(difference(await trained(loss, { accumulate: 2 }, split), atOnce)).toBeLessThan(1e-9);
  expect(difference(first, atOnce)).toBeGreaterThan(1e-5);
});

test.each(["a mean", "a sum divided twice", "crossEntropy, masked"])("%s: steps count like rows", async (name) => {
  const over = (part: readonly [number, number]) => ({
    inputs: Object.fromEntries(
      Object.entries(data).map(([key, array]) => [key, key === "labels" ? array : cut(array, 0, part)]),
    ),
  });
  const [expected = 0, found] = await evaluated(table[name] ?? twoCounts, [whole], [over([0, 1]), over([1, time])]);
  expect(found).toBeCloseTo(expected, 9);
});

test("a sum of losses with different denominators evaluates like one large batch", async () => {
  const [expected = 0, found] = await evaluated(twoCounts, [whole], split);
  expect(found).toBeCloseTo(expected, 9);
});

test("a weight returned by the loss is used", async () => {
  const loss = (given: Given) => ({ mean: mean(squares(given)), weight: square(dimSize("B")) });
  const [start, ...moved] = await withTrainer(loss, {}, async (trainer) => {
    const [one = 0, two = 0, both] = await Promise.all([...each, split].map((batches) => trainer.evaluate(batches)));
    expect(both).toBeCloseTo((one + 16 * two) / 17, 9);
    return [
      await weightsOf(trainer),
      await movedBy(trainer, [split[0] ?? whole]),
      await movedBy(trainer, [split[1] ?? whole]),
    ];
  });
  const expected = start?.map((x, i) => x + ((moved[0]?.[i] ?? 0) - x + 16 * ((moved[1]?.[i] ?? 0) - x)) / 17) ?? [];
  expect(difference(await trained(loss, { accumulate: 2 }, split), expected)).toBeLessThan(1e-9);
});

test("rows count if the denominator cannot be found", async () => {
  const [one = 0, two = 0, both] = await evaluated((given) => exp(mean(squares(given))), ...each, split);
  expect(both).toBeCloseTo((one + 4 * two) / 5, 9);
});

test("gradients of sums with different denominators are not accumulated, and the message says what to do", async () => {
  const message =
    "accumulate: the loss adds up means over different counts, such as steps and rows, whose gradients cannot be accumulated with one weight; return the weight of the batch with the loss, as { mean, weight }";
  await expect(trained(twoCounts, { accumulate: 2 }, [])).rejects.toThrow(message);
  const told = (given: Given) => ({ mean: twoCounts(given), weight: counted(given.mask) });
  expect(await trained(told, { accumulate: 2 }, [])).toHaveLength(9);
});

test("a batch in which nothing counts changes neither the loss nor an update", async () => {
  const loss = (given: Given) => meanSquaredError(logits(given), given.y, { mask: given.mask });
  const empty = { inputs: { ...whole.inputs, mask: ndarray([time, rows], new Array(time * rows).fill(0), "bool") } };
  const [among = 0, alone, without = 0] = await evaluated(loss, [empty, whole, empty], [empty], [whole]);
  expect(among).toBeCloseTo(without, 12);
  expect(alone).toBe(0);
  const both = await trained(loss, { accumulate: 2 }, [empty, whole]);
  expect(difference(both, await trained(loss, {}, [whole]))).toBeLessThan(1e-12);
  const weighted = (given: Given) => weightedSquaredError(logits(given), given.y, given.weights);
  const weightless = { inputs: { ...whole.inputs, weights: ndarray([time, rows, 1], new Array(time * rows).fill(0)) } };
  const [beside, only = 0] = await evaluated(weighted, [weightless, whole], [whole]);
  expect(beside).toBeCloseTo(only, 12);
});

test.each([
  [
    "a loss that is no scalar",
    (given: Given) => squares(given),
    "the loss is f32[T,B]; expected a scalar, such as the mean of it: mean(loss)",
  ],
  [
    "a weight that is no scalar",
    (given: Given) => ({ mean: mean(squares(given)), weight: slice(given.weights, 0, 0, 1) }),
    "the weight of the loss is f32[1,B,1]; expected f32[]",
  ],
])("%s is refused", async (_, loss, message) => {
  await expect(trained(loss, {}, [])).rejects.toThrow(message);
});

// Sequences of 2, 2, 2 and 8 steps, each with a class where it ends.
const lengths = [2, 2, 2, 8];
const sequences = (chosen: readonly number[]): Batch => {
  const steps = Math.max(...chosen.map((i) => lengths[i] ?? 0));
  const at = <T>(t: number, i: number, inside: T, outside: T) => (t < (lengths[i] ?? 0) ? inside : outside);
  const cells = Array.from({ length: steps }, (_, t) => chosen.map((i) => [t, i] as const)).flat();
  return {
    x: ndarray(
      [steps, chosen.length, 1],
      cells.map(([t, i]) => at(t, i, Math.sin(7 * t + 3 * i), 0)),
    ),
    targets: ndarray(
      [steps, chosen.length],
      cells.map(([t, i]) => (t === (lengths[i] ?? 0) - 1 ? i % 2 : -1)),
      "i32",
    ),
    fresh: true,
  };
};
const regression = (chosen: readonly number[]): Batch => {
  const { x, targets } = sequences(chosen);
  return {
    x,
    fresh: true,
    targets: ndarray(
      [...targets.shape, 2],
      [...targets.data].flatMap((k) => [k, k < 0 ? 0 : 1 + k]),
    ),
  };
};
const next = (chosen: readonly number[], kind: "i32" | "f32"): Batch => {
  const shape = [3, chosen.length, ...(kind === "f32" ? [2] : [])];
  const make = (name: string) =>
    cut(kind === "f32" ? numbers([3, 4, 2], name) : tokens([3, 4], 5, name), 1, [
      chosen[0] ?? 0,
      (chosen[0] ?? 0) + chosen.length,
    ]);
  expect(make("x").shape).toEqual(shape);
  return { x: make("x"), targets: make("targets"), fresh: true };
};

const networks: readonly (readonly [string, Network, (chosen: readonly number[]) => Batch])[] = [
  ["a classifier", classifierModel({ cell: gru, units: 2, classes: 2, reads: { features: 1 } }), sequences],
  ["a regression", regressionModel({ cell: gru, units: 2, layers: 1, features: 1, outputs: 1 }), regression],
  ["text", languageModel({ cell: gru, units: 2, layers: 1, vocabulary: 5, embed: 2 }), (rows) => next(rows, "i32")],
  ["a series", seriesModel({ cell: gru, units: 2, layers: 1, features: 2 }), (rows) => next(rows, "f32")],
];

for (const { name, open, tolerance } of devices) {
  describe(name, () => {
    let device: Device;
    beforeAll(async () => {
      device = await open();
    });
    afterAll(() => device.destroy());

    test.each(networks)(
      "%s: the mean is over sequences and steps, not over batches",
      async (kind, network, batchOf) => {
        const trainer = await createTrainer(device, network, { seed: 3 });
        const split = [batchOf([0, 1, 2]), batchOf([3])];
        const atOnce = [batchOf([0, 1, 2, 3])];
        const expected = await trainer.evaluate(atOnce);
        expect(difference([await trainer.evaluate(split)], [expected])).toBeLessThan(tolerance);
        if (kind === "a classifier") {
          const alone = await Promise.all(
            [0, 1, 2, 3].map((i) => trainer.evaluate([batchOf([i])], { metric: classified })),
          );
          const right = alone.reduce((a, b) => a + b) / 4;
          expect(await trainer.evaluate(split, { metric: classified })).toBeCloseTo(right, 6);
        }
        if (kind === "text") {
          const metric = (output: Float, targets: Tensor) => accuracy(output, targets as Tensor<"i32">);
          expect(await trainer.evaluate(split, { metric })).toBeCloseTo(await trainer.evaluate(atOnce, { metric }), 6);
        }
        trainer.destroy();
      },
    );
  });
}

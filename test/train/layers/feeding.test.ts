/** @file Inputs of decoders: targets, predictions, or a random choice of both; and one to many, many to one. */
import { describe, expect, test } from "vitest";
import { rnn } from "../../../cells/index.ts";
import {
  argmax,
  delayed,
  type Feeding,
  fork,
  lastOutput,
  randomness,
  recurrence,
  repeated,
  sampled,
  scheduledSample,
  stepNumbers,
} from "../../../entries/layers.ts";
import { crossEntropy } from "../../../entries/losses.ts";
import {
  cast,
  constant,
  dense,
  fill,
  logSoftmax,
  mul,
  ndarray,
  oneHot,
  ones,
  scan,
  square,
  sum,
  type Tensor,
  zeros,
} from "../../../index.ts";
import { generator, randomFloats, randomIntegers } from "../../../testing/numbers/random-data.ts";
import { smallTileCpuExecutors } from "../../support/cpu-executors.ts";
import { evaluate, type evaluateAll, f32, i32, type TensorFunction } from "../../support/evaluate.ts";
import { type Measured, runModel } from "../../support/models.ts";

type Float = Tensor<"f32">;
type Int = Tensor<"i32">;
const dataOf = (f: TensorFunction, ...args: Parameters<typeof evaluateAll>[1]) => [...evaluate(f, args).data];

describe("words", () => {
  test("the largest logit, the first one in a tie", () => {
    const logits = f32([
      [1, 3, 2],
      [5, 5, -1],
      [-2, -3, -2],
    ]);
    expect(evaluate(argmax as TensorFunction, [logits])).toEqual(i32([1, 0, 0]));
    const { NaN: none } = Number;
    const broken = f32([
      [1, none, 2],
      [none, 5, none],
      [1, 2, none],
    ]);
    expect(evaluate(argmax as TensorFunction, [broken])).toEqual(i32([1, 0, 2]));
  });

  test("are sampled with the probabilities of softmax", () => {
    const logits = [0.5, -1, 2];
    const draws = 2000;
    const words = dataOf((row: Float) => sampled(mul(ones([draws, 3]), row), randomness(5)), f32(logits));
    const probabilities = dataOf(((row: Float) => logSoftmax(row)) as TensorFunction, f32(logits)).map(Math.exp);
    for (const [word, p] of probabilities.entries()) {
      const share = words.filter((drawn) => drawn === word).length / draws;
      expect(Math.abs(share - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / draws));
    }
  });
});

test("words are sampled anew at each step, and at step 0 as without a number", () => {
  const words = (step?: number) =>
    dataOf(
      (row: Float) => {
        const rows = mul(ones([40, 50]), row);
        return sampled(rows, randomness(5), step === undefined ? undefined : fill([40], step, "u32"));
      },
      f32(Array(50).fill(0)),
    );
  expect(words(0)).toEqual(words());
  expect(words(1)).not.toEqual(words());
});

describe("sequences", () => {
  test("a step late", () => {
    const xs = i32([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    expect(dataOf((x: Int, first: Int) => delayed(x, first), xs, i32([8, 9]))).toEqual([8, 9, 1, 2, 3, 4]);
    expect(() => dataOf((x: Int) => delayed(x, constant(0, "i32")), xs)).toThrow(
      /^delayed at .*: the first step is Tensor i32\[\]; expected one step of Tensor i32\[3,2\]$/,
    );
  });

  test("one vector at every step", () => {
    expect(evaluate((x: Float) => repeated(x, 3), [f32([[1, 2]])])).toEqual(f32([[[1, 2]], [[1, 2]], [[1, 2]]]));
  });
});

describe("scheduled sampling", () => {
  const [truth, said] = [ndarray([400], new Array(400).fill(1), "i32"), ndarray([400], new Array(400).fill(2), "i32")];
  const read = (feeding: Feeding) =>
    dataOf((a: Int, b: Int) => scheduledSample(a, b, feeding), truth, said).filter((word) => word === 2).length / 400;

  test("uses the prediction with the probability of the rate, a number or a tensor", () => {
    for (const rate of [0.25, 0.75]) {
      const own = read({ rate, random: randomness(3) });
      expect(Math.abs(own - rate)).toBeLessThan(4 * Math.sqrt((rate * (1 - rate)) / 400));
      const scheduled = dataOf(
        (a: Int, b: Int, p: Float) => scheduledSample(a, b, { rate: p, random: randomness(3) }),
        truth,
        said,
        f32(rate),
      );
      expect(scheduled.filter((word) => word === 2).length / 400).toBeCloseTo(own, 1);
    }
  });

  test("a rate of 0 uses the target, a rate of 1 the prediction, and evaluation the target", () => {
    expect(read({ rate: 0, random: randomness(3) })).toBe(0);
    expect(read({ rate: 1 })).toBe(1);
    expect(read({ rate: 0.9 })).toBe(0);
    expect(() => read({ rate: 1.2, random: randomness(3) })).toThrow(/expected a number from 0 to 1$/);
  });
});

/** A model of words that reads either the truth or itself: its loss over [T, B] words out of 4. */
const words = (feeding: Omit<Feeding, "step">): Measured => {
  const cell = rnn(3);
  return ({ words: given }) => {
    const [time, batch] = [given?.shape[0] ?? 0, given?.shape[1] ?? 0];
    const { outputs } = recurrence(
      ({ h, word }: { h: Float; word: Int }, { truth, step }: { truth: Int; step: Tensor<"u32"> }) => {
        const { state, output } = cell.step(oneHot(word, 4), { h });
        const logits = dense("head", output, 4);
        const next = scheduledSample(truth, argmax(logits), { ...feeding, step });
        return { state: { h: state.h, word: next }, output: { logits, next } };
      },
      { h: zeros([batch, 3]), word: fill([batch], 0, "i32") },
      { truth: given as Int, step: stepNumbers(time, batch) },
    );
    return {
      loss: crossEntropy(outputs.logits, given as Int),
      next: cast(outputs.next, "f32"),
      logits: outputs.logits,
    };
  };
};
const given = { words: randomIntegers(generator(6), [5, 3], 4, "i32") };
const shapes = { words: ["T", "B"] };

describe("a loop that reads itself", () => {
  test("with rate 0 is teacher forcing: a plain scan over the targets, one step late", async () => {
    const cell = rnn(3);
    const forced: Measured = ({ words: all }) => {
      const read = delayed(all as Int, fill([3], 0, "i32"));
      const logits = dense("head", scan(cell, oneHot(read, 4)).outputs, 4);
      return { loss: crossEntropy(logits, all as Int) };
    };
    const [one, two] = [
      await runModel(words({ rate: 0, random: randomness(1) }), { words: given.words, uniform: f32(0) }),
      await runModel(forced, given),
    ];
    expect(one.outputs.loss?.data[0]).toBeCloseTo(two.outputs.loss?.data[0] ?? Number.NaN, 13);
    for (const [path, { data }] of Object.entries(two.gradients))
      for (const [i, value] of data.entries()) expect(one.gradients[path]?.data[i], path).toBeCloseTo(value, 12);
  });

  test("with rate 1 reads only its own predictions, without randomness", async () => {
    const { outputs } = await runModel(words({ rate: 1 }), given, { shapes });
    const best = dataOf(((logits: Float) => argmax(logits)) as TensorFunction, outputs.logits ?? f32(0));
    expect([...(outputs.next?.data ?? [])]).toEqual(best);
  });

  test.each(smallTileCpuExecutors)("draws the same on $name", async (executor) => {
    const half = words({ rate: 0.5, random: fork(randomness(2), "feeding") });
    const [own, expected] = [
      await runModel(half, given, { shapes, executor }),
      await runModel(half, given, { shapes }),
    ];
    expect([...(own.outputs.next?.data ?? [])]).toEqual([...(expected.outputs.next?.data ?? [])]);
    for (const [path, { data }] of Object.entries(expected.gradients))
      for (const [i, value] of data.entries())
        expect(Math.abs((own.gradients[path]?.data[i] ?? Number.NaN) - value), path).toBeLessThan(executor.tolerance);
  });
});

test("many to one, one to many: a sequence comes to one vector, which another loop unrolls", async () => {
  const [encoder, decoder] = [rnn(3), rnn(3)];
  const measured: Measured = ({ xs }) => {
    const one = lastOutput(scan(encoder, xs as Float).outputs);
    const many = scan(decoder, repeated(one, 4)).outputs;
    return { loss: sum(square(many)), one, many };
  };
  const { outputs, gradients } = await runModel(
    measured,
    { xs: randomFloats(generator(1), [5, 2, 3]) },
    {
      shapes: { xs: ["T", "B", 3] },
    },
  );
  expect([outputs.one?.shape, outputs.many?.shape]).toEqual([
    [2, 3],
    [4, 2, 3],
  ]);
  expect(Math.min(...(gradients.xs?.data.map(Math.abs) ?? [0]))).toBeGreaterThan(0);
});

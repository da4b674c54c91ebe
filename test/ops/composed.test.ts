/** @file Functions composed of primitives: values computed by hand, and both derivatives. */
import { describe, expect, test } from "vitest";
import {
  add,
  constant,
  elu,
  grad,
  greater,
  greaterEqual,
  lessEqual,
  logSigmoid,
  mean,
  mul,
  notEqual,
  outer,
  relu,
  split,
  standardize,
  sum,
  type Tensor,
  uniformFromBits,
  windows,
} from "../../index.ts";
import { derivativeErrors, evaluate, type FloatFunction, f32, type TensorFunction, u32 } from "../support/evaluate.ts";

type Float = Tensor<"f32">;

const matrix = f32([
  [0.5, -1, 2],
  [1.5, 0.25, -0.75],
]);

function expectNumbers(f: TensorFunction, x: ReturnType<typeof f32>, expected: ReturnType<typeof f32>): void {
  const got = evaluate(f, [x]);
  expect(got.shape).toEqual(expected.shape);
  for (const [i, value] of got.data.entries()) expect(value).toBeCloseTo(expected.data[i] ?? Number.NaN, 12);
}

test("logSigmoid is log(1 / (1 + e^-x)), and finite where that is log 0", () => {
  const log = (x: number) => -Math.log(1 + Math.exp(-x));
  expectNumbers(logSigmoid, f32([-3, 0, 2]), f32([log(-3), -Math.LN2, log(2)]));
  expectNumbers(logSigmoid, f32([-1000, 1000]), f32([-1000, 0]));
});

test("elu ends at -alpha", () => {
  expectNumbers((x: Float) => elu(x, 2), f32([-1000, -1, 0, 3]), f32([-2, 2 * (Math.exp(-1) - 1), 0, 3]));
  expectNumbers((x: Float) => grad((v: Float) => sum(elu(v)))(x), f32([-1, 0, 3]), f32([Math.exp(-1), 1, 1]));
});

test.each<[string, (a: Float, b: Float) => Tensor<"bool">, readonly number[]]>([
  [">", greater, [0, 0, 1]],
  [">=", greaterEqual, [0, 1, 1]],
  ["<=", lessEqual, [1, 1, 0]],
  ["!=", notEqual, [1, 0, 1]],
])("a %s b", (_, compare, expected) => {
  const got = evaluate((a: Float, b: Float) => compare(a, b), [f32([1, 2, 3, Number.NaN]), f32([2, 2, 2, 2])]);
  expect([got.dtype, ...got.data]).toEqual(["bool", ...expected, Number(compare === notEqual)]);
});

test("relu keeps NaN", () => {
  expect([...evaluate(relu as TensorFunction, [f32([Number.NaN, -1, 2])]).data]).toEqual([Number.NaN, 0, 2]);
});

test("mean divides by the number of summed elements", () => {
  expectNumbers((x: Float) => mean(x), matrix, f32(2.5 / 6));
  expectNumbers((x: Float) => mean(x, 0), matrix, f32([1, -0.375, 0.625]));
  expectNumbers((x: Float) => mean(x, 1, { keepAxes: true }), matrix, f32([[0.5], [1 / 3]]));
});

describe("split", () => {
  const pieces = (x: Float, sizes: number | readonly number[], axis?: number) =>
    split(x, sizes, axis).reduce((total, piece, i) => add(total, mul(sum(piece), 10 ** i)), constant(0));

  test("returns slices in order", () => {
    expectNumbers((x: Float) => pieces(x, [1, 2]), matrix, f32(2 + 10 * 0.5));
    expectNumbers((x: Float) => pieces(x, 2, 0), matrix, f32(1.5 + 10));
  });

  test.each([
    [2, /an axis of 3 does not divide into 2 equal pieces/],
    [[1, 1], /an axis of 3 does not divide into \[1, 1\]/],
  ] as const)("leaves nothing over: %s", (sizes, fault) => {
    expect(() => evaluate((x: Float) => pieces(x, sizes), [matrix])).toThrow(fault);
  });
});

test("outer: the first operand indexes rows, the second columns", () => {
  const got = evaluate((a: Float, b: Float) => outer(a, b), [f32([[1, 2]]), f32([[3, 4, 5]])]);
  expect([got.shape, [...got.data]]).toEqual([
    [1, 2, 3],
    [3, 4, 5, 6, 8, 10],
  ]);
});

test("uniform numbers are in [0, 1)", () => {
  const got = evaluate(uniformFromBits as TensorFunction, [u32([0, 255, 256, 2 ** 31, 2 ** 32 - 1])]);
  expect([...got.data]).toEqual([0, 0, 2 ** -24, 0.5, 1 - 2 ** -24]);
});

describe("standardize", () => {
  test("gives mean 0 and variance 1 along an axis", () => {
    // Without epsilon: 1 and 5 differ from 3 by two deviations of 1.
    expectNumbers((x: Float) => standardize(x, -1, 0), f32([[1, 5]]), f32([[-1, 1]]));
    expectNumbers((x: Float) => standardize(x, 0, 0), f32([[1], [5]]), f32([[-1], [1]]));
    const thirds = Math.sqrt(2 / 3);
    expectNumbers((x: Float) => standardize(x, -1, 0), f32([1, 2, 3]), f32([-1 / thirds, 0, 1 / thirds]));
  });

  test("adds epsilon to the variance, so that equal numbers give zeros", () => {
    expectNumbers((x: Float) => standardize(x), f32([7, 7]), f32([0, 0]));
    expectNumbers((x: Float) => standardize(x, -1, 3), f32([1, 3]), f32([-0.5, 0.5]));
  });
});

describe("windows", () => {
  const line = f32([
    [1, 10],
    [2, 20],
    [3, 30],
  ]);

  test("joins each position with its neighbours, with zeros beyond the ends", () => {
    expectNumbers(
      (x: Float) => windows(x, 3),
      line,
      f32([
        [0, 0, 1, 10, 2, 20],
        [1, 10, 2, 20, 3, 30],
        [2, 20, 3, 30, 0, 0],
      ]),
    );
  });

  test("with an even width has one more neighbour to the right", () => {
    expectNumbers(
      (x: Float) => windows(x, 2),
      line,
      f32([
        [1, 10, 2, 20],
        [2, 20, 3, 30],
        [3, 30, 0, 0],
      ]),
    );
    expectNumbers((x: Float) => windows(x, 1), line, line);
  });

  test("can be wider than the line", () => {
    expectNumbers(
      (x: Float) => windows(x, 5),
      f32([[1], [2]]),
      f32([
        [0, 0, 1, 2, 0],
        [0, 1, 2, 0, 0],
      ]),
    );
  });

  test("says what is wrong", () => {
    expect(() => evaluate((x: Float) => windows(x, 0), [line])).toThrow(
      /^windows.*: width must be a whole number above 0, got 0$/,
    );
    expect(() => evaluate((x: Float) => windows(x, 3), [f32([1, 2])])).toThrow(
      /expected \[\.\.\., positions, channels\]/,
    );
  });
});

test.each<[string, FloatFunction]>([
  ["logSigmoid", logSigmoid],
  ["standardize", (x) => mul(standardize(x), x)],
  ["windows", (x) => mul(windows(x, 3), windows(x, 3))],
])("derivatives of %s, first and second, both modes", (_, f) => {
  const { reverse, forward, second } = derivativeErrors(f, [matrix]);
  expect(reverse).toBeLessThan(1e-9);
  expect(forward).toBeLessThan(1e-12);
  expect(second).toBeLessThan(1e-8);
});

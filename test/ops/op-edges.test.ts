/** @file Edge cases of ops: saturation, ties, stopped gradients, shared values, and random bits. */
import { describe, expect, test } from "vitest";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import { roundToHalf } from "../../compiler/ops/half.ts";
import { finite } from "../../compiler/ops/logic.ts";
import { threefryBlock } from "../../compiler/ops/threefry.ts";
import {
  abs,
  add,
  constant,
  elu,
  exp,
  gather,
  gelu,
  grad,
  jvp,
  logSoftmax,
  max,
  mean,
  min,
  mul,
  oneHot,
  positions,
  randomBits,
  reduceMax,
  relu,
  sigmoid,
  softmax,
  softplus,
  square,
  stopGradient,
  sum,
  type Tensor,
  tanh,
  uniformFromBits,
} from "../../index.ts";
import { derivativeErrors, evaluate, evaluateAll, f32, i32, type TensorFunction, u32 } from "../support/evaluate.ts";

type Float = Tensor<"f32">;

test("finite means finite in f32, in float64 too", () => {
  const { data } = evaluate((x: Float) => finite(x), [f32([3.4e38, -3.4e38, 3.5e38, -1e39, 1e300, Number.NaN])]);
  expect([...data]).toEqual([1, 1, 0, 0, 0, 0]);
});

test("rounding to f16 is differentiated as if it were exact, in both modes", () => {
  const weighted = (v: Float, w: Float) => mul(roundToHalf(v), w);
  const x = f32([0.1, 2049, -3e-8]);
  const [weights, ones] = [f32([2, 3, -5]), f32([1, 1, 1])];
  const slopes = evaluateAll(
    (v: Float, w: Float, t: Float) => [
      grad((each: Float) => sum(weighted(each, w)))(v),
      jvp((each: Float) => weighted(each, w))([v], [t]).tangent,
    ],
    [x, weights, ones],
  );
  expect(slopes).toEqual([weights, weights]);
});

const extremes = [-100, -50, -10, 0, 10, 50, 100];

/** Value and first derivative at the extremes. */
function valueAndSlope(f: (x: Float) => Float): { values: number[]; slopes: number[] } {
  const [values, slopes] = evaluateAll((x: Float) => [f(x), grad((v: Float) => sum(f(v)))(x)], [f32(extremes)]);
  return { values: [...(values?.data ?? [])], slopes: [...(slopes?.data ?? [])] };
}

function expectClose(got: readonly number[], wanted: readonly number[]): void {
  expect(got.length).toBe(wanted.length);
  for (const [i, value] of got.entries()) {
    const reference = wanted[i] ?? Number.NaN;
    expect(Math.abs(value - reference)).toBeLessThanOrEqual(1e-14 * Math.max(1, Math.abs(reference)));
  }
}

describe("far from zero", () => {
  // e^-10, e^-50 and e^-100 to 17 digits.
  const [e10, e50, e100] = [4.5399929762484854e-5, 1.9287498479639178e-22, 3.720075976020836e-44];

  test("tanh", () => {
    const { values, slopes } = valueAndSlope(tanh);
    const at10 = 1 - (2 * e10 ** 2) / (1 + e10 ** 2);
    expectClose(values, [-1, -1, -at10, 0, at10, 1, 1]);
    expectClose(slopes, [0, 0, 1 - at10 ** 2, 1, 1 - at10 ** 2, 0, 0]);
  });

  test("sigmoid", () => {
    const { values, slopes } = valueAndSlope(sigmoid);
    const low = e10 / (1 + e10);
    expectClose(values, [e100, e50, low, 0.5, 1 - low, 1, 1]);
    expectClose(slopes, [e100, e50, low * (1 - low), 0.25, low * (1 - low), 0, 0]);
    // Small values have a small relative error.
    expect((values[0] ?? 0) / e100).toBeCloseTo(1, 12);
  });

  test("softplus", () => {
    const { values, slopes } = valueAndSlope(softplus);
    expectClose(values, [e100, e50, Math.log1p(e10), Math.LN2, 10 + Math.log1p(e10), 50, 100]);
    expectClose(slopes, valueAndSlope(sigmoid).values);
    expect((values[0] ?? 0) / e100).toBeCloseTo(1, 12);
  });

  test("relu, elu and gelu", () => {
    expectClose(valueAndSlope(relu).values, [0, 0, 0, 0, 10, 50, 100]);
    expectClose(valueAndSlope(relu).slopes, [0, 0, 0, 0, 1, 1, 1]);
    expectClose(valueAndSlope(elu).values, [e100 - 1, e50 - 1, e10 - 1, 0, 10, 50, 100]);
    expectClose(valueAndSlope(gelu).values, [0, 0, 0, 0, 10, 50, 100]);
    expectClose(valueAndSlope(gelu).slopes, [0, 0, 0, 0.5, 1, 1, 1]);
    // The branch of elu that is not taken must not overflow into the gradient.
    expect([...evaluate((x: Float) => grad((v: Float) => sum(elu(v)))(x), [f32([1000, -1000])]).data]).toEqual([1, 0]);
  });

  test("softmax and logSoftmax of numbers whose exponentials overflow", () => {
    const logits = f32([1000, 1001, -1000]);
    const odds = 1 / (1 + Math.E);
    expectClose([...evaluate(softmax as TensorFunction, [logits]).data], [odds, 1 - odds, 0]);
    expectClose(
      [...evaluate(logSoftmax as TensorFunction, [logits]).data],
      [Math.log(odds), Math.log(1 - odds), -2001 + Math.log(1 - odds)],
    );
  });
});

describe("composed functions", () => {
  test.each([
    ["relu", relu],
    ["elu", elu],
    ["gelu", gelu],
    ["softmax", (x: Float) => softmax(x)],
    ["logSoftmax along the first axis", (x: Float) => logSoftmax(x, 0)],
    ["mean", (x: Float) => mean(square(x), 1)],
  ] as const)("derivatives of %s", (_, f) => {
    const { reverse, forward, second } = derivativeErrors(f as (...x: Float[]) => Float, [
      f32([
        [0.3, -1.2, 2.5],
        [-0.4, 0.9, 1.4],
      ]),
    ]);
    expect(reverse).toBeLessThan(1e-9);
    expect(forward).toBeLessThan(1e-12);
    expect(second).toBeLessThan(1e-9);
  });

  test("gelu at 1 by its formula", () => {
    const inner = Math.sqrt(2 / Math.PI) * (1 + 0.044715);
    expectClose([...evaluate(gelu as TensorFunction, [f32([1])]).data], [0.5 * (1 + Math.tanh(inner))]);
  });

  test("oneHot has no one for indices outside the depth", () => {
    expect([...evaluate((i: Tensor<"i32">) => oneHot(i, 3), [i32([2, 0, 3, -1])]).data]).toEqual([
      0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0,
    ]);
  });
});

describe("ties", () => {
  const slopes = (f: (a: Float, b: Float) => Float) =>
    evaluateAll(
      (a: Float, b: Float) => grad((both: Float[]) => sum(f(both[0] as Float, both[1] as Float)))([a, b]),
      [f32([1, 2]), f32([1, 5])],
    ).map(({ data }) => [...data]);

  test("max and min split the gradient in halves", () => {
    expect(slopes((a, b) => max(a, b))).toEqual([
      [0.5, 0],
      [0.5, 1],
    ]);
    expect(slopes((a, b) => min(a, b))).toEqual([
      [0.5, 1],
      [0.5, 0],
    ]);
  });

  test("|x| has slope 0 at 0", () => {
    expect([...evaluate((x: Float) => grad((v: Float) => sum(abs(v)))(x), [f32([-2, 0, 3])]).data]).toEqual([-1, 0, 1]);
  });

  test("reduceMax shares it equally, in both modes", () => {
    const tied = f32([3, 1, 3, 3]);
    const slope = evaluate((x: Float) => grad((v: Float) => reduceMax(v))(x), [tied]);
    expect([...slope.data]).toEqual([1 / 3, 0, 1 / 3, 1 / 3]);
    const along = evaluate(
      (x: Float, t: Float) => jvp((v: Float) => reduceMax(v))([x], [t]).tangent,
      [tied, f32([3, 7, 0, 6])],
    );
    expect(along.data[0]).toBeCloseTo(3, 14);
  });

  test("abs and relu have slope 0 at 0", () => {
    expect([...evaluate((x: Float) => grad((v: Float) => sum(relu(v)))(x), [f32([0])]).data]).toEqual([0]);
  });
});

describe("gradients", () => {
  test("stopGradient stops both modes, and only its own path", () => {
    const f = (x: Float) => sum(mul(stopGradient(x), x));
    const x = f32([2, -3]);
    expect([...evaluate((v: Float) => grad(f)(v), [x]).data]).toEqual([2, -3]);
    expect(evaluate((v: Float, t: Float) => jvp(f)([v], [t]).tangent, [x, f32([1, 10])]).data[0]).toBe(2 - 30);
    expect(
      evaluate((v: Float, t: Float) => jvp((u: Float) => sum(stopGradient(u)))([v], [t]).tangent, [x, x]).data[0],
    ).toBe(0);
  });

  test("a value used several times sums its cotangents", () => {
    // d/dx of x + x*x + e^x*x.
    const slope = evaluate(
      (x: Float) => grad((v: Float) => sum(add(add(v, mul(v, v)), mul(exp(v), v))))(x),
      [f32([0.5])],
    );
    expect(slope.data[0]).toBeCloseTo(1 + 1 + Math.exp(0.5) * 1.5, 14);
  });

  test("rows that are looked up twice get both gradients, and clamped indices go to the last row", () => {
    const slope = evaluate(
      (table: Float, i: Tensor<"i32">) => grad((v: Float) => sum(mul(gather(v, i), constant(2))))(table),
      [f32([[1], [2], [3]]), i32([1, 1, 99, -1])],
    );
    expect([...slope.data]).toEqual([0, 4, 4]);
  });
});

describe("Threefry-2x32 with 20 rounds", () => {
  // The authors' known answers: Random123, tests/kat_vectors.
  test.each([
    { key: [0, 0], counter: [0, 0], block: [0x6b200159, 0x99ba4efe] },
    { key: [0xffffffff, 0xffffffff], counter: [0xffffffff, 0xffffffff], block: [0x1cb996fc, 0xbb002be7] },
    { key: [0x13198a2e, 0x03707344], counter: [0x243f6a88, 0x85a308d3], block: [0xc4923a9c, 0x483df7a0] },
  ])("key $key", ({ key, counter, block }) => {
    const [k0 = 0, k1 = 0] = key;
    const [c0 = 0, c1 = 0] = counter;
    expect(threefryBlock(k0, k1, c0, c1)).toEqual(block);
  });

  test("bits depend only on the key, the site, the step and the index, and are uniform", () => {
    const draw = (key: number, site: number, step: number) =>
      evaluate(
        (k: Tensor<"u32">) => uniformFromBits(randomBits(k, { site, step, index: positions([40, 50]) })),
        [u32(key)],
      ).data;
    const first = draw(7, 1, 2);
    expect(draw(7, 1, 2)).toEqual(first);
    for (const other of [draw(8, 1, 2), draw(7, 2, 2), draw(7, 1, 3)]) expect(other).not.toEqual(first);
    expect(new Set(first).size).toBeGreaterThan(1990);
    expect(Math.min(...first)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...first)).toBeLessThan(1);
    // The mean of 2,000 uniform numbers deviates by 0.0065; four times that.
    expect(Math.abs(first.reduce((a, b) => a + b, 0) / 2000 - 0.5)).toBeLessThan(0.026);
  });
});

test("a maximum over a single number is that number", () => {
  expect([...evaluate((x: Float) => reduceMax(x, 1), [ndarray([2, 1], [-4, 5])]).data]).toEqual([-4, 5]);
});

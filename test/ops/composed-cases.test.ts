/** @file Functions composed of ops, in the interpreter: values by other formulas, first and second derivatives in both modes. */
import { describe, expect, test } from "vitest";
import {
  clip,
  cumsum,
  einsum,
  fill,
  grad,
  leakyRelu,
  logSumExp,
  norm,
  pow,
  sign,
  softsign,
  sort,
  sum,
  type Tensor,
  topK,
  traceGraph,
  variance,
} from "../../index.ts";
import { composedCases } from "../support/composed-cases.ts";
import { derivativeErrors, evaluate, evaluateAll, f32, i32, type OpCase } from "../support/evaluate.ts";

type Float = Tensor<"f32">;

const { NaN: none, POSITIVE_INFINITY: infinity } = Number;
const cases: Readonly<Record<string, OpCase>> = composedCases;

describe.each(Object.entries(cases))("%s", (_, { gives, derivatives = [] }) => {
  test.each(gives.map((example, i) => [i, ...example] as const))("value %i", (__, f, args, expected) => {
    const got = evaluate(f, args);
    expect([got.dtype, got.shape]).toEqual([expected.dtype, expected.shape]);
    for (const [i, value] of got.data.entries()) {
      const right = expected.data[i] ?? none;
      expect(Math.abs(value - right), `${value} for ${right}`).toBeLessThanOrEqual(
        1e-13 * Math.max(1, Math.abs(right)),
      );
    }
  });

  test.each(derivatives.map((place, i) => [i, ...place] as const))("derivatives %i", (__, f, args) => {
    const { reverse, forward, second } = derivativeErrors(f, args);
    expect(reverse).toBeLessThan(1e-9);
    expect(forward).toBeLessThan(1e-12);
    expect(second).toBeLessThan(1e-8);
  });
});

/** Derivatives at some points. */
const slopes = (f: (x: Float) => Float, places: readonly number[]) => [
  ...evaluate((x: Float) => grad((v: Float) => sum(f(v)))(x), [f32(places)]).data,
];

describe("at the edges", () => {
  test("NaN is sorted as the largest, and 0 equals -0", () => {
    const x = f32([2, none, 0, -0, infinity, none, -0]);
    expect([...evaluate((v: Float) => sort(v).indices, [x]).data]).toEqual([2, 3, 6, 0, 4, 1, 5]);
    expect([...evaluate((v: Float) => topK(v, 3).indices, [x]).data]).toEqual([1, 5, 4]);
    expect([...evaluate((v: Float) => topK(v, 3).values, [x]).data]).toEqual([none, none, infinity]);
    // The gradient goes only to the chosen elements.
    expect(slopes((v) => topK(v, 2).values, [3, 1, 3, 2])).toEqual([1, 0, 1, 0]);
  });

  test("an axis to sort along has a known size, and k elements", () => {
    const along = (k: number) => () => evaluate((v: Float) => topK(v, k).values, [f32([1, 2])]);
    for (const k of [0, 3, 1.5, none]) expect(along(k)).toThrow(/topK.*: k is .*; expected a whole number from 1 to 2/);
    const trace = () =>
      traceGraph("t", [{ name: "x", dtype: "f32", shape: ["T"] }], ([x]) => [sort(x as Float).values]);
    expect(trace).toThrow(/sort.*: axis -1 has no known size; sort along one that has/);
  });

  test("elements after a position of a running sum do not count, even if they are infinite", () => {
    const sums = (values: readonly number[], reverse: boolean) => [
      ...evaluate((x: Float) => cumsum(x, -1, { reverse }), [f32(values)]).data,
    ];
    expect(sums([1, 2, infinity, 4], false)).toEqual([1, 3, infinity, infinity]);
    expect(sums([1, infinity, 2, 4], true)).toEqual([infinity, infinity, 6, 4]);
  });

  test("sign keeps 0, -0 and NaN", () => {
    expect([...evaluate((x: Float) => sign(x), [f32([0, -0, none])]).data]).toEqual([0, -0, none]);
    expect(slopes(sign, [-2, 0, 3])).toEqual([0, 0, 0]);
  });

  test("clip passes the gradient at its bounds, and to the bound outside", () => {
    expect(slopes((x) => clip(x, -1, 1), [-2, -1, 0, 1, 2])).toEqual([0, 1, 1, 1, 0]);
    const ofBounds = evaluateAll(
      (x: Float, low: Float, high: Float) =>
        grad((bounds: Float[]) => sum(clip(x, bounds[0] as Float, bounds[1] as Float)))([low, high]),
      [f32([-2, 0, 2]), f32(-1), f32(1)],
    );
    expect(ofBounds.map(({ data }) => data[0])).toEqual([1, 1]);
    expect([...evaluate((x: Float) => clip(x, -1, 1), [f32([none, infinity, -infinity])]).data]).toEqual([none, 1, -1]);
  });

  test("leakyRelu has its lower slope at 0, and softsign has slope 1", () => {
    expect(slopes((x) => leakyRelu(x, 0.25), [-1, 0, 1])).toEqual([0.25, 0.25, 1]);
    expect(slopes(softsign, [0])).toEqual([1]);
    // Far from 0 the slope stays accurate.
    for (const x of [30, -1e4, 1e8])
      expect((slopes(softsign, [x])[0] ?? 0) * (1 + Math.abs(x)) ** 2).toBeCloseTo(1, 12);
    expect([...evaluate((x: Float) => softsign(x), [f32([infinity, -infinity, none])]).data]).toEqual([1, -1, none]);
  });

  test("logSumExp of infinities is infinite", () => {
    const { data } = evaluate(
      (x: Float) => logSumExp(x, 1),
      [
        f32([
          [-infinity, -infinity],
          [infinity, 1],
          [none, 1],
        ]),
      ],
    );
    expect([...data]).toEqual([-infinity, infinity, none]);
  });

  test("the gradient of a norm at 0 is 0, and that of the variance of one number", () => {
    expect(slopes((x) => norm(x), [0, 0])).toEqual([0, 0]);
    expect(slopes((x) => norm(x), [3, -4]).map((slope) => slope.toFixed(12))).toEqual([
      "0.600000000000",
      "-0.800000000000",
    ]);
    expect(slopes((x) => variance(x, 0, { correction: 1 }), [7])).toEqual([0]);
    const { data } = evaluate(
      (x: Float) => norm(x, 1),
      [
        f32([
          [infinity, 1],
          [none, 1],
        ]),
      ],
    );
    expect([...data]).toEqual([infinity, none]);
  });
});

describe("pow", () => {
  const numbers = [0, -0, 1, -1, 2, -2, 0.5, -0.5, 3, -3, 2 ** 24, infinity, -infinity, none];
  const [bases, powers] = [numbers.flatMap((a) => numbers.map(() => a)), numbers.flatMap(() => numbers)];

  test("agrees with C and PyTorch for all pairs of special numbers", () => {
    const { data } = evaluate((x: Float, y: Float) => pow(x, y), [f32(bases), f32(powers)]);
    const wrong = [...data].flatMap((value, i) => {
      const [a = 0, b = 0] = [bases[i], powers[i]];
      const isOne = a === 1 || b === 0 || (a === -1 && Math.abs(b) === infinity);
      return Object.is(value, isOne ? 1 : a ** b) ? [] : [`${a} to the power of ${b}: ${value}`];
    });
    expect(wrong).toEqual([]);
  });

  test("has the right derivative in the base at 0, and below", () => {
    const of = (y: number, places: readonly number[]) => slopes((x) => pow(x, evaluateTo(x, y)), places);
    expect(of(0, [0, 2, -1]).map(Math.abs)).toEqual([0, 0, 0]);
    expect(of(1, [0, -2])).toEqual([1, 1]);
    expect(of(2, [0, -3])).toEqual([0, -6]);
    expect(of(3, [0, -2])).toEqual([0, 12]);
    expect(of(0.5, [0])).toEqual([infinity]);
    expect(of(-1, [-2])).toEqual([-0.25]);
  });

  test("has the right derivative in the exponent where the base is 0", () => {
    const of = (base: number, places: readonly number[]) => slopes((y) => pow(evaluateTo(y, base), y), places);
    expect(of(0, [0, 1, 2.5])).toEqual([0, 0, 0]);
    expect(of(2, [0, 1])).toEqual([Math.LN2, 2 * Math.LN2]);
    expect(of(-2, [2])).toEqual([none]);
  });

  test.each([1, 2, 3, -1])("with the constant exponent %d is a product, with the same values and slopes", (power) => {
    const places = [-2, -0.5, 0.25, 3];
    const plain = (x: Float) => pow(x, power);
    expect(slopes(plain, places)).toEqual(slopes((x) => pow(x, evaluateTo(x, power)), places));
    const [got, meant] = evaluateAll((x: Float) => [plain(x), pow(x, evaluateTo(x, power))], [f32(places)]);
    expect(got?.data).toEqual(meant?.data);
  });
});

/** A number as a tensor with the shape of `x`, so that the function does not see a constant. */
function evaluateTo(x: Float, value: number): Float {
  return fill(x.shape, value);
}

describe("einsum says what is wrong", () => {
  const [two, three] = [
    f32([
      [1, 2],
      [3, 4],
    ]),
    f32([1, 2, 3]),
  ];
  test.each<[string, (a: Float, b: Float) => Float, RegExp]>([
    ["sizes", (a, b) => einsum("ij,j->i", a, b), /^einsum.*: "ij,j->i": j is 2 in operand 0 and 3 in operand 1$/],
    ["axes", (a, b) => einsum("ijk,j->i", a, b), /operand 0 \(ijk\) is \[2, ?2\]; expected an axis for each letter$/],
    ["operands", (a) => einsum("ij,jk->ik", a), /it has 2 operands, got 1$/],
    ["a diagonal", (a) => einsum("ii->i", a), /i appears twice in operand 0; take the diagonal first$/],
    ["the result", (a) => einsum("ij->ik", a), /k of the result is in no operand$/],
    ["twice in the result", (a) => einsum("ij->ii", a), /i appears twice in the result$/],
    ["an ellipsis", (a) => einsum("...j->j", a), /an ellipsis is not supported; give each axis a letter$/],
    ["signs", (a) => einsum("i*j->i", a), /\* is not a letter; expected a text such as "ij,jk->ik"$/],
    ["arrows", (a) => einsum("ij->i->j", a), /there are two arrows/],
  ])("%s", (_, f, message) => {
    expect(() => evaluate(f, [two, three])).toThrow(message);
  });

  test("dtypes", () => {
    expect(() => evaluate((a: Float) => einsum("i->", a), [i32([1])])).toThrow(/operand 0 \(i\) is i32; expected f32/);
  });
});

test("norm and clip say what is wrong", () => {
  expect(() => evaluate((x: Float) => norm(x, 0, { order: 3 }), [f32([1])])).toThrow(/expected 1, 2 or Infinity$/);
  expect(() => evaluate((x: Float) => clip(x, 2, 1), [f32([1])])).toThrow(
    /^clip.*: min is 2 and max is 1; min must not/,
  );
});

/**
 * @file A cotangent of exactly 0 stops, whatever the derivative is: the unselected branch of `where` has no gradient, even if
 * it is infinite or NaN. In both modes, to second order, in loops, on a device; and a NaN in a selected branch is not hidden.
 */
import { describe, expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import {
  add,
  cos,
  div,
  exp,
  grad,
  greater,
  interpret,
  jvp,
  less,
  log,
  lstm,
  model,
  mul,
  type NdArray,
  ndarray,
  reduceMax,
  scan,
  scanTensors,
  sigmoid,
  softmax,
  sqrt,
  square,
  standardize,
  sub,
  sum,
  type Tensor,
  tanh,
  traceGraph,
  where,
} from "../../index.ts";
import { cpuExecutors } from "../support/cpu-executors.ts";

type Float = Tensor<"f32">;
type Case = [
  name: string,
  f: (x: Float) => Float,
  at: readonly number[],
  slope: readonly number[],
  bend: readonly number[],
];

/** f above 0, x elsewhere. */
const above = (f: (x: Float) => Float) => (x: Float) => where(less(0, x), f(x), x);
/** x / |x|, and x itself if its length is 0. */
function unit(x: Float): Float {
  const length = sqrt(sum(square(x)));
  return where(greater(length, 0), div(x, length), x);
}
const e80 = Math.exp(4);

const cases: readonly Case[] = [
  ["sqrt", above(sqrt), [-1, 0, 4], [1, 1, 0.25], [0, 0, -1 / 32]],
  ["log", above(log), [-1, 0, 4], [1, 1, 0.25], [0, 0, -1 / 16]],
  ["1 / x", above((x) => div(1, x)), [-1, 0, 4], [1, 1, -1 / 16], [0, 0, 1 / 32]],
  ["x / x", above((x) => div(square(x), x)), [-1, 0, 4], [1, 1, 1], [0, 0, 0]],
  ["a factor beside an infinite one", above((x) => mul(sqrt(x), square(x))), [-1, 0, 4], [1, 1, 20], [0, 0, 7.5]],
  ["a bounded function of what is none", above((x) => tanh(mul(log(x), 0))), [-1, 0, 4], [1, 1, 0], [0, 0, 0]],
  ["sin of infinity", above((x) => cos(mul(div(1, x), 0))), [-1, 0, 4], [1, 1, 0], [0, 0, 0]],
  ["the largest of what is none", above((x) => mul(reduceMax(log(x)), x)), [-1, -2, -4], [1, 1, 1], [0, 0, 0]],
  ["a power that overflows", (x) => where(less(x, 80), exp(x), x), [4, 1000], [e80, 1], [e80, 0]],
  ["a vector of no length", unit, [0, 0], [1, 1], [0, 0]],
  ["a root of a square, times 0", (x) => mul(x, sqrt(square(x))), [0, 3], [0, 6], [Number.NaN, 2]],
  // A cotangent that happens to be 0 does not make the next derivative 0.
  ["the least of a parabola of a root", (x) => square(sub(sqrt(x), 2)), [4, 1], [0, -1], [1 / 8, 1]],
  ["what counts", log, [0, 4], [Number.POSITIVE_INFINITY, 0.25], [Number.NEGATIVE_INFINITY, -1 / 16]],
];

/** The gradient of the sum of f, in both modes, and its own derivative along (1, 1, …), in both. */
function derivatives(f: (x: Float) => Float, width: number) {
  const slope = (x: Float) => grad((v: Float) => sum(f(v)))(x);
  return traceGraph("derivatives", [{ name: "x", dtype: "f32", shape: [width] }], ([x]) => {
    const [given, all] = [x as Float, add(mul(x as Float, 0), 1)];
    return [
      slope(given),
      grad((v: Float) => sum(slope(v)))(given),
      jvp((v: Float) => sum(f(v)))([given], [all]).tangent,
      jvp((v: Float) => sum(slope(v)))([given], [all]).tangent,
    ];
  });
}
const numbers = (array: NdArray | undefined) => [...(array?.data ?? [])];
const total = (all: readonly number[]) => all.reduce((a, b) => a + b, 0);

test.each(cases)("%s", (_, f, x, slope, bend) => {
  const [reverse, second, forward, forwardOverReverse] = interpret(derivatives(f, x.length), [ndarray([x.length], x)]);
  slope.forEach((expected, i) => {
    expect(numbers(reverse)[i]).toBeCloseTo(expected, 12);
  });
  expect(numbers(forward)[0]).toBeCloseTo(total(slope), 12);
  if (bend.some(Number.isNaN)) return;
  bend.forEach((expected, i) => {
    expect(numbers(second)[i]).toBeCloseTo(expected, 12);
  });
  expect(numbers(forwardOverReverse)[0]).toBeCloseTo(total(bend), 12);
});

/** Infinite or NaN where n is not above 0, as a const of a loop, a carry and an x; there the loop keeps its state. */
function looped({ n, h, x }: Readonly<Record<"n" | "h" | "x", Float>>): Float {
  const root = sqrt(n);
  const rows = log(mul(x, n));
  const { carries } = scanTensors(
    ([state, weight], [row]) => {
      const next = add(mul(state as Float, root), mul(row as Float, weight as Float));
      return { carries: [where(greater(n, 0), next, state as Float), mul(weight as Float, root)], ys: [] };
    },
    [h, div(1, n)],
    [rows],
  );
  return sum(square(at(carries, 0) as Float));
}

/** The gradient with respect to n, h and x, and the derivative of its sum with respect to n. */
function loopGraph(width: number) {
  const inputs = [
    { name: "n", dtype: "f32", shape: [width] },
    { name: "h", dtype: "f32", shape: [width] },
    { name: "x", dtype: "f32", shape: [3, width] },
  ] as const;
  return traceGraph("looped", inputs, ([n, h, x]) => {
    const given = { n: n as Float, h: h as Float, x: x as Float };
    const slopes = grad(looped)(given);
    const bend = grad((moved: Float) => sum(grad(looped)({ ...given, n: moved }).n))(given.n);
    return [slopes.n, slopes.h, slopes.x, bend];
  });
}

describe.each(cpuExecutors)("on $name", ({ execute, tolerance }) => {
  test("loops: the unselected branch of a step has no gradient", async () => {
    const [h, x] = [
      [0.5, 0.3, 0.7],
      [0.5, 1.5, 2],
    ];
    const columns = (values: readonly number[], width: number) => values.flatMap((value) => Array(width).fill(value));
    const all = await execute(loopGraph(3), [
      ndarray([3], [-1, 0, 2]),
      ndarray([3], h),
      ndarray([3, 3], columns(x, 3)),
    ]);
    const alone = await execute(loopGraph(1), [ndarray([1], [2]), ndarray([1], [0.7]), ndarray([3, 1], x)]);
    const [n, start, rows, bend] = alone.map(numbers) as [number[], number[], number[], number[]];
    const close = (array: NdArray | undefined, expected: readonly number[]) =>
      numbers(array).forEach((value, i) => {
        expect(Math.abs(value - (expected[i] ?? Number.NaN)) / Math.max(1, Math.abs(value))).toBeLessThan(tolerance);
      });
    close(all[0], [0, 0, n[0] ?? 0]);
    close(all[1], [1, 0.6, start[0] ?? 0]);
    close(
      all[2],
      rows.flatMap((row) => [0, 0, row]),
    );
    close(all[3], [0, 0, bend[0] ?? 0]);
    expect(numbers(alone[3])[0]).not.toBe(0);
  });

  test("choices", async () => {
    const chosen = (x: Float) => [sqrt, log, (v: Float) => div(1, v)].map((f) => above(f)(x)).reduce(add);
    const [slope, bend] = await execute(derivatives(chosen, 3), [ndarray([3], [-1, 0, 4])]);
    const expected = [3, 3, 1 / 4 + 1 / 4 - 1 / 16, 0, 0, -1 / 32 - 1 / 16 + 1 / 32];
    [...numbers(slope), ...numbers(bend)].forEach((value, i) => {
      expect(Math.abs(value - (expected[i] ?? 0))).toBeLessThan(tolerance);
    });
  });
});

describe("derivatives that are always finite need no where", () => {
  const choicesIn = (f: (x: Float) => Float) =>
    traceGraph("gradient", [{ name: "x", dtype: "f32", shape: [2, 3] }], ([x]) => [
      grad((v: Float) => sum(f(v)))(x as Float),
    ]).nodes.filter(({ op }) => op === "finite").length;

  test.each<[string, number, (x: Float) => Float]>([
    ["products, sigmoids, tanhs", 0, (x) => mul(sigmoid(x), tanh(mul(x, x)))],
    ["a variance with an epsilon", 0, (x) => standardize(x)],
    ["a quotient by what is above a bound", 0, (x) => div(x, add(square(x), 1e-3))],
    ["a quotient", 1, (x) => div(1, x)],
    ["a softmax", 1, (x) => softmax(x)],
  ])("%s: at least %i", (_, least, f) => {
    expect(choicesIn(f) > 0).toBe(least > 0);
  });

  test("an LSTM", () => {
    const network = model("loss", (xs: Float) => sum(square(scan(lstm(3), xs).outputs)));
    const aval = { dtype: "f32", shape: ["T", "B", 2] } as const;
    const specs = network.specs(aval as never);
    const inputs = [
      { name: "xs", ...aval },
      ...specs.map(({ path, shape }) => ({ name: path, dtype: "f32", shape }) as const),
    ];
    const { nodes } = traceGraph("gradient", inputs, ([xs, ...weights]) => {
      const loss = (given: Readonly<Record<string, Float>>) => network.apply(given, xs as Float);
      return Object.values(grad(loss)(Object.fromEntries(specs.map(({ path }, i) => [path, at(weights, i) as Float]))));
    });
    const bodies = nodes.flatMap((node) => (node.op === "scan" ? node.attrs.body.nodes : []));
    expect(bodies.length).toBeGreaterThan(50);
    expect([...nodes, ...bodies].filter(({ op }) => op === "finite" || op === "where")).toEqual([]);
  });
});

/**
 * @file Every op on the device: the same hand-computed figures as for the interpreter, and functions that drivers get
 * wrong (tanh and exp far from zero, sin and cos, wrapping integers, random bits), at arguments where they do.
 */
import { afterAll, describe, expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import {
  add,
  cast,
  constant,
  cos,
  dimSize,
  elu,
  expm1,
  grad,
  log,
  log1p,
  mul,
  neg,
  pow,
  randomBits,
  sigmoid,
  sin,
  softplus,
  sum,
  type Tensor,
  tanh,
  traceGraph,
} from "../../index.ts";
import { binaryCrossEntropy } from "../../train/losses/classification.ts";
import { arrayCases } from "../support/array-cases.ts";
import { composedCases } from "../support/composed-cases.ts";
import { elementwiseCases } from "../support/elementwise-cases.ts";
import { f32, type OpCase, type TensorFunction, u32 } from "../support/evaluate.ts";
import { openWebgpu } from "../support/webgpu.ts";

type Float = Tensor<"f32">;

const device = await openWebgpu();
afterAll(() => device.destroy());

/** The results of `f` on the device and in the interpreter. */
async function onBoth(f: TensorFunction, args: readonly NdArray[]): Promise<{ got: NdArray[]; meant: NdArray[] }> {
  const avals = args.map(({ dtype, shape }, i) => ({ name: `x${i}`, dtype, shape }));
  const graph = traceGraph("f", avals, (tensors) => {
    const results = f(...(tensors as never[]));
    return Array.isArray(results) ? results : [results as Tensor];
  });
  const executable = await device.compile(graph);
  const outputs = executable.run(Object.fromEntries(args.map((value, i) => [`x${i}`, value])));
  const got = await Promise.all(outputs.map((output) => output.read()));
  executable.destroy();
  return { got, meant: interpret(graph, args) };
}

const cases: Readonly<Record<string, OpCase>> = { ...arrayCases, ...elementwiseCases, ...composedCases };

describe.each(Object.entries(cases))("%s", (_, { gives }) => {
  test.each(gives.map((example, i) => [i, ...example] as const))("value %i", async (__, f, args, expected) => {
    const value = at((await onBoth(f, args)).got, 0);
    expect([value.dtype, value.shape]).toEqual([expected.dtype, expected.shape]);
    for (const [i, number] of value.data.entries()) {
      const reference = at([...expected.data], i);
      const allowed = expected.dtype === "f32" ? 4e-6 * Math.max(1, Math.abs(reference)) : 0;
      const rounded = expected.dtype === "f32" ? Math.fround(reference) : reference;
      expect(Math.abs(number - rounded), `${number} for ${reference}`).toBeLessThanOrEqual(allowed);
    }
  });
});

describe("far from zero", () => {
  const places = f32([-100, -50, -10, -1, -0.2, -0.01, 0, 0.01, 0.2, 1, 10, 50, 100]);
  test.each([
    ["tanh", tanh],
    ["sigmoid", sigmoid],
    ["softplus", softplus],
  ] as const)("%s and its slope", async (_, f) => {
    const { got, meant } = await onBoth((x: Float) => [f(x), grad((v: Float) => sum(f(v)))(x)], [places]);
    for (const [k, { data }] of got.entries()) {
      for (const [i, value] of data.entries()) {
        const reference = at([...at(meant, k).data], i);
        // Small values keep their relative accuracy; a slope is computed from values near 1.
        const scale = k === 0 ? Math.abs(reference) + 1e-24 : Math.max(1, Math.abs(reference));
        expect(Math.abs(value - reference), `result ${k} at ${places.data[i]}`).toBeLessThanOrEqual(2e-6 * scale);
      }
    }
  });

  test("log of 0 and negative numbers is that of the interpreter", async () => {
    const places = f32([-6, -1e-3, 0, 1e-3, 1, 3e38]);
    const { got, meant } = await onBoth((x: Float) => [log(x)], [places]);
    for (const [i, reference] of [...at(meant, 0).data].entries()) {
      const value = at([...at(got, 0).data], i);
      if (Number.isFinite(reference)) expect(value).toBeCloseTo(reference, 4);
      else expect(value, `${places.data[i]}`).toBe(reference);
    }
  });

  test("sin and cos are accurate to f32, which WGSL does not guarantee", async () => {
    const angles = f32(Array.from({ length: 400 }, (_, i) => (i - 200) * 0.73));
    const { got, meant } = await onBoth((x: Float) => [sin(x), cos(x)], [angles]);
    for (const [k, { data }] of got.entries()) {
      for (const [i, value] of data.entries()) {
        // The angle itself is rounded to f32.
        const reference =
          k === 0 ? Math.sin(Math.fround(at([...angles.data], i))) : Math.cos(Math.fround(at([...angles.data], i)));
        expect(Math.abs(value - reference), `${angles.data[i]}`).toBeLessThan(1e-6);
      }
    }
    expect(meant.length).toBe(2);
  });
});

describe("relative accuracy near cancellation", () => {
  /** Checks the relative error of each result. */
  async function holdRelative(f: TensorFunction, args: readonly NdArray[], exact: readonly (readonly number[])[]) {
    const { got, meant } = await onBoth(f, args);
    for (const [k, results] of [...got, ...meant].entries())
      for (const [i, value] of results.data.entries()) {
        const right = at(at(exact, k % got.length), i);
        expect(Math.abs(value - right), `result ${k}, ${i}: ${value} for ${right}`).toBeLessThanOrEqual(
          4e-7 * Math.abs(right),
        );
      }
  }

  test("angles of any size", async () => {
    const angles = [100, 1e3, 1e5, 131072, 1e6, -1e7, 1.7e9, -1e20, 3e38, 16367173 * 2 ** 72].map(Math.fround);
    await holdRelative((x: Float) => [sin(x), cos(x)], [f32(angles)], [angles.map(Math.sin), angles.map(Math.cos)]);
  });

  test("e^x - 1 and log(1 + x) near 0, and elu", async () => {
    const places = [-1e-2, -1e-4, -1e-6, -1e-7, -1e-8, -1e-20, 1e-3, 1e-8].map(Math.fround);
    await holdRelative(
      (x: Float) => [expm1(x), log1p(x), elu(x), elu(x, 2), grad((v: Float) => sum(elu(v)))(x)],
      [f32(places)],
      [
        places.map(Math.expm1),
        places.map(Math.log1p),
        places.map((x) => (x < 0 ? Math.expm1(x) : x)),
        places.map((x) => (x < 0 ? 2 * Math.expm1(x) : x)),
        places.map((x) => (x < 0 ? Math.exp(x) : 1)),
      ],
    );
  });

  test("powers with large exponents and bases of any size", async () => {
    const bases = [1.0001, 0.9973, 1.37, 0.7312, 0.8661, 1.1179, 17.3, 3e-37, 1e30, 1.4147].map(Math.fround);
    const powers = [87e4, -3e4, 250, -270, 500, -700, 30.7, -0.9, 1.25, 200].map(Math.fround);
    const right = bases.map((x, i) => x ** at(powers, i));
    await holdRelative((x: Float, y: Float) => [pow(x, y)], [f32(bases), f32(powers)], [right]);
  });

  test("slopes far below 0", async () => {
    const places = [-3, -10, -20, -60].map(Math.fround);
    const slope = (f: (x: Float) => Float) => (x: Float) => grad((v: Float) => sum(f(v)))(x);
    await holdRelative(
      (x: Float) => [
        slope(expm1)(x),
        slope((v) => elu(v))(x),
        slope(sigmoid)(x),
        slope(softplus)(x),
        slope(log1p)(neg(x)),
      ],
      [f32(places)],
      [
        places.map(Math.exp),
        places.map(Math.exp),
        places.map((x) => Math.exp(x) / (1 + Math.exp(x)) ** 2),
        places.map((x) => 1 / (1 + Math.exp(-x))),
        places.map((x) => 1 / (1 - x)),
      ],
    );
  });

  test("the slope of tanh is that of its result: 1 - y² to the last digits of y", async () => {
    const { got } = await onBoth(
      (x: Float) => [tanh(x), grad((v: Float) => sum(tanh(v)))(x)],
      [f32([1, 3, 5, 7, -8, 20])],
    );
    const [values, slopes] = got;
    for (const [i, y] of (values?.data ?? []).entries()) {
      const right = (1 - y) * (1 + y);
      expect(Math.abs((slopes?.data[i] ?? 0) - right), `y = ${y}`).toBeLessThanOrEqual(4e-7 * right);
    }
  });

  test("the loss of a confident logit", async () => {
    const [logits, targets] = [
      [20, -20, 3, -30],
      [1, 0, 1, 0.25],
    ];
    const cost = (z: number, t: number) =>
      t * Math.log1p(Math.exp(-z)) + (1 - t) * (Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))));
    for (const [i, z] of logits.entries()) {
      const t = at(targets, i);
      // -log sigmoid(-30) is 30 + log(1 + e^-30).
      const exact = z < -20 ? t * 30 + Math.log1p(Math.exp(-30)) : cost(z, t);
      const slope = 1 / (1 + Math.exp(-z)) - t;
      const exactSlope = t === 1 ? -1 / (1 + Math.exp(z)) : slope;
      await holdRelative(
        (x: Float, y: Float) => [binaryCrossEntropy(x, y), grad((v: Float) => binaryCrossEntropy(v, y))(x)],
        [f32([z]), f32([t])],
        [[exact], [exactSlope]],
      );
    }
  });
});

test("constants without a WGSL literal", async () => {
  const numbers = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 3e38, -0.5];
  const { got } = await onBoth(
    (x: Float) => [
      ...numbers.map((number) => add(sum(x), constant(number))),
      add(cast(sum(x), "i32"), constant(-2147483648, "i32")),
      add(cast(sum(x), "u32"), constant(4294967295, "u32")),
    ],
    [f32([0, 0])],
  );
  expect(got.map(({ data }) => data[0])).toEqual([...numbers.map(Math.fround), -2147483648, 4294967295]);
});

test("dimSize is the size of a symbol at run time", async () => {
  const input = { name: "x", dtype: "f32", shape: ["B", "T"] } as const;
  const graph = traceGraph("sizes", [input], () => [dimSize("B"), dimSize("3*B*T")]);
  const given = f32([
    [1, 2, 3, 4],
    [5, 6, 7, 8],
  ]);
  const executable = await device.compile(graph);
  const outputs = await Promise.all(executable.run({ x: given }).map((output) => output.read()));
  executable.destroy();
  for (const results of [outputs, interpret(graph, [given])])
    expect(results.map(({ data }) => [...data])).toEqual([[2], [24]]);
});

test("random bits are bit-equal to the interpreter's", async () => {
  const { got, meant } = await onBoth(
    (key: Tensor<"u32">, index: Tensor<"u32">) => [
      randomBits(key, { site: 7, step: 3, index }),
      mul(add(index, 4294967295), index),
    ],
    [u32([2024, 2024, 2024, 5]), u32([0, 1, 4294967295, 123456789])],
  );
  for (const [k, { data }] of got.entries()) expect([...data]).toEqual([...at(meant, k).data]);
});

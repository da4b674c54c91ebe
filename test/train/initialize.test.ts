/** @file Initializers: their statistics, orthonormality, and reproducibility by seed. */
import { describe, expect, test } from "vitest";
import {
  chrono,
  constantInit,
  glorot,
  type Initializer,
  identity,
  normal,
  orthogonal,
  ringModulus,
  ringPhase,
  uniform,
} from "../../compiler/dsl/initializers.ts";
import { at } from "../../compiler/graph/errors.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { initialize } from "../../train/initialize.ts";
import { randomStream } from "../../train/random.ts";

function draw(initializer: Initializer, shape: readonly number[], seed = 7, path = "w"): NdArray {
  return at(Object.values(initialize([{ path, shape, initializer }], seed)), 0);
}

function moments({ data }: NdArray) {
  const mean = data.reduce((sum, x) => sum + x, 0) / data.length;
  const central = (power: number) => data.reduce((sum, x) => sum + (x - mean) ** power, 0) / data.length;
  return { mean, deviation: Math.sqrt(central(2)), kurtosis: central(4) / central(2) ** 2 };
}

// 10^4 draws: the mean is good to deviation / 100, the deviation to about 1 %, the kurtosis to a few percent.
test("normal has its deviation, mean 0 and the normal kurtosis", () => {
  const { mean, deviation, kurtosis } = moments(draw(normal(0.1), [100, 100]));
  expect(Math.abs(mean)).toBeLessThan(0.004);
  expect(Math.abs(deviation / 0.1 - 1)).toBeLessThan(0.03);
  expect(Math.abs(kurtosis - 3)).toBeLessThan(0.25);
});

test("normal samples have the quantiles of the normal distribution", () => {
  const { data } = draw(normal(1), [20_000]);
  for (const [quantile, part] of [
    [-2.326, 0.01],
    [-1, 0.15866],
    [0.6745, 0.75],
    [1.96, 0.975],
  ] as const) {
    const below = data.filter((x) => x < quantile).length / data.length;
    expect(Math.abs(below - part), `below ${quantile}`).toBeLessThan(0.012);
  }
});

test("uniform fills its range", () => {
  const array = draw(uniform(-2, 6), [100, 100]);
  expect(array.data.every((x) => x >= -2 && x < 6)).toBe(true);
  expect(Math.abs(moments(array).mean - 2)).toBeLessThan(0.1);
  expect(Math.abs(moments(array).deviation - 8 / Math.sqrt(12))).toBeLessThan(0.05);
});

test.each([
  [[60, 140], 200],
  [[50, 50], 100],
  [[300], 600],
  [[3, 20, 40], 180],
])("glorot of %j fills the range that its fans give", (shape, fans) => {
  const limit = Math.sqrt(6 / fans);
  const { data } = draw(glorot, shape);
  const largest = data.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  expect(largest).toBeLessThanOrEqual(limit);
  expect(largest).toBeGreaterThan(0.97 * limit);
});

test("a constant is that number", () => {
  expect([...draw(constantInit(0.5), [3]).data]).toEqual([0.5, 0.5, 0.5]);
});

test("identity is its gain on the diagonal, for any shape", () => {
  expect([...draw(identity(), [2, 2]).data]).toEqual([1, 0, 0, 1]);
  expect([...draw(identity(0.5), [2, 3]).data]).toEqual([0.5, 0, 0, 0, 0.5, 0]);
  expect(() => draw(identity(), [3])).toThrow("parameter w is [3]; an identity initializer needs a matrix");
});

/** Numbers are uniform in [low, high] where each tenth of that range has a tenth of them. */
function expectUniform(numbers: readonly number[], low: number, high: number): void {
  const tenths = new Array<number>(10).fill(0);
  for (const x of numbers) {
    expect(x).toBeGreaterThanOrEqual(low - 1e-5);
    expect(x).toBeLessThanOrEqual(high + 1e-5);
    const tenth = Math.min(9, Math.max(0, Math.floor((10 * (x - low)) / (high - low))));
    tenths[tenth] = (tenths[tenth] ?? 0) + 1;
  }
  for (const count of tenths) expect(Math.abs(count / numbers.length - 0.1)).toBeLessThan(0.015);
}

test("chrono is the logarithm of a uniform number in [1, longest - 1]", () => {
  expectUniform([...draw(chrono(50), [10_000]).data].map(Math.exp), 1, 49);
  expect(() => chrono(2)).toThrow("chrono: longest must be 3 or more steps, got 2");
});

test("a ring's modulus and phase are those of uniform points in the ring", () => {
  // The area within a radius grows as its square.
  const moduli = [...draw(ringModulus(0.4, 0.9), [10_000]).data].map((nu) => Math.exp(-Math.exp(nu)));
  expectUniform(
    moduli.map((r) => r ** 2),
    0.16,
    0.81,
  );
  expectUniform([...draw(ringPhase(2 * Math.PI), [10_000]).data].map(Math.exp), 0, 2 * Math.PI);
  expect(() => ringModulus(0.5, 1)).toThrow("ringModulus: expected 0 <= inner < outer < 1, got 0.5 and 1");
  expect(() => ringPhase(0)).toThrow("ringPhase: the largest angle must be above 0, got 0");
});

test.each([
  [[24, 24], 1],
  [[8, 32], 1],
  [[32, 8], 0.5],
  [[1, 5], 1],
  [[39, 70], 1],
  [[71, 70], 1],
])("orthogonal %j with gain %d has orthogonal vectors of that length along its shorter side", (shape, gain) => {
  const [rows = 0, columns = 0] = shape;
  const { data } = draw(orthogonal(gain), shape);
  const vector = (i: number) =>
    rows <= columns
      ? Array.from({ length: columns }, (_, k) => data[i * columns + k] ?? 0)
      : Array.from({ length: rows }, (_, k) => data[k * columns + i] ?? 0);
  const vectors = Array.from({ length: Math.min(rows, columns) }, (_, i) => vector(i));
  const errors = vectors.flatMap((one, i) =>
    vectors.slice(0, i + 1).map((other, j) => {
      const dot = one.reduce((sum, x, k) => sum + x * at(other, k), 0);
      return Math.abs(dot - (i === j ? gain ** 2 : 0));
    }),
  );
  expect(errors.filter((error) => !(error < 1e-6))).toEqual([]);
});

// The first moments of the trace of an orthogonal matrix that is uniform are those of a standard normal number, up to
// the order of the matrix: Diaconis & Shahshahani 1994, "On the eigenvalues of random matrices", J. Appl. Prob. 31A.
test("orthogonal matrices are uniform over all such", () => {
  const [seeds, size] = [400, 5];
  const matrices = Array.from({ length: seeds }, (_, seed) => draw(orthogonal(), [size, size], seed).data);
  const mean = (f: (matrix: ArrayLike<number>) => number) => matrices.reduce((sum, m) => sum + f(m), 0) / seeds;
  const trace = (m: ArrayLike<number>) => [0, 6, 12, 18, 24].reduce((sum, i) => sum + (m[i] ?? 0), 0);
  // Deviations of these means: sqrt(1 / (n * seeds)), sqrt(1 / seeds), sqrt(2 / seeds), sqrt(96 / seeds).
  for (let i = 0; i < size ** 2; i++) expect(Math.abs(mean((m) => m[i] ?? Number.NaN))).toBeLessThan(4 * 0.0224);
  expect(Math.abs(mean(trace))).toBeLessThan(4 * 0.05);
  expect(Math.abs(mean((m) => trace(m) ** 2) - 1)).toBeLessThan(4 * 0.0707);
  expect(Math.abs(mean((m) => trace(m) ** 4) - 3)).toBeLessThan(4 * 0.49);
});

test("rows gives each block its own initializer and fan", () => {
  const parts = [
    { rows: 4, initializer: constantInit(2) },
    { rows: 8, initializer: orthogonal() },
    { rows: 92, initializer: glorot },
  ];
  const { data } = draw({ kind: "rows", parts }, [104, 8]);
  expect([...data.slice(0, 32)]).toEqual(new Array(32).fill(2));
  const square = data.slice(32, 96);
  expect(square.reduce((sum, x) => sum + x * x, 0)).toBeCloseTo(8, 5);
  const limit = Math.sqrt(6 / 100);
  const largest = data.slice(96).reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  expect(largest).toBeLessThanOrEqual(limit);
  expect(largest).toBeGreaterThan(0.97 * limit);
});

describe("one seed, one set of numbers", () => {
  const specs = [
    { path: "a", shape: [5, 5], initializer: orthogonal() },
    { path: "b", shape: [5, 5], initializer: normal(1) },
  ];
  test("the same seed gives the same bits, another seed others", () => {
    expect(initialize(specs, 3)).toEqual(initialize(specs, 3));
    expect(initialize(specs, 3)).not.toEqual(initialize(specs, 4));
  });

  test("a parameter's numbers depend on its path and on no other parameter", () => {
    expect(initialize([...specs].reverse(), 3)).toEqual(initialize(specs, 3));
    const array = (path: string) => [...draw(normal(1), [25], 3, path).data];
    expect(array("b")).not.toEqual(array("c"));
  });

  test("all numbers are f32", () => {
    for (const { data } of Object.values(initialize(specs, 3))) expect(data).toEqual(data.map(Math.fround));
  });

  test("the stream's first numbers never change", () => {
    const stream = randomStream(1, "fixed");
    expect([stream.uniform(), stream.uniform(), stream.normal()]).toMatchInlineSnapshot(`
      [
        0.4334194384202096,
        0.9927956678235946,
        -0.49629342812736993,
      ]
    `);
  });
});

test.each([-1, 1.5, 2 ** 32, Number.NaN])("seed %d is refused", (seed) => {
  expect(() => initialize([], seed)).toThrow(`the seed is ${seed}; expected a whole number from 0 to 4294967295`);
});

test("an orthogonal initializer needs a matrix", () => {
  expect(() => draw(orthogonal(), [3])).toThrow("parameter w is [3]; an orthogonal initializer needs a matrix");
});

test("row initializers must cover the rows", () => {
  const parts = [{ rows: 2, initializer: glorot }];
  expect(() => draw({ kind: "rows", parts }, [3, 4])).toThrow("parameter w is [3, 4]; its initializers are for 2 rows");
});

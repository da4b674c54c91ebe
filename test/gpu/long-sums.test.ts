/**
 * @file Long sums of similar terms, whose rounding errors do not cancel: as accurate as sums of some hundred terms, for
 * every form in which a device adds up.
 */
import { afterAll, describe, expect, test } from "vitest";
import type { Dim } from "../../compiler/graph/dim.ts";
import { at } from "../../compiler/graph/errors.ts";
import type { CompileProgramOptions } from "../../compiler/plan-program.ts";
import { crossEntropy } from "../../entries/losses.ts";
import {
  add,
  dot,
  type Graph,
  interpret,
  mean,
  type NdArray,
  ndarray,
  scanTensors,
  scatterAdd,
  sqrt,
  square,
  sum,
  type Tensor,
  traceGraph,
  valueAndGrad,
  zeros,
} from "../../index.ts";
import { ProgramRunner } from "../support/programs.ts";
import { long, slow } from "../support/some-of.ts";

type Float = Tensor<"f32">;
type Int = Tensor<"i32">;

const runner = await ProgramRunner.open();
afterAll(() => runner.destroy());

const targets = ["gpu", "software"] as const;

const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
const all = (shape: readonly number[], value: (i: number) => number = () => 0.1): NdArray =>
  ndarray(
    shape,
    Array.from({ length: size(shape) }, (_, i) => Math.fround(value(i))),
  );
const indices = (count: number, value: (i: number) => number): NdArray => ({ ...all([count], value), dtype: "i32" });

/**
 * n successive roundings have an error below 8 √n roundings (docs/testing.md), and a long sum has fewer successive
 * roundings.
 */
const boundOf = (terms: number) => 8 * 2 ** -24 * Math.sqrt(Math.max(512, 3 * Math.sqrt(terms)));

/** The largest error of the outputs, each relative to its largest number; a second run must return the same numbers. */
async function errorOf(graph: Graph, inputs: readonly NdArray[], options: CompileProgramOptions): Promise<number> {
  const [first = [], second] = await runner.runs(graph, [inputs, inputs], options);
  expect(second).toEqual(first);
  const errors = interpret(graph, inputs).map(({ data }, i) => {
    const largest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    return data.reduce((most, value, k) => Math.max(most, Math.abs(value - (at(first, i).data[k] ?? 0))), 0) / largest;
  });
  return Math.max(...errors);
}

const floats = (name: string, ...shape: Dim[]) => ({ name, dtype: "f32", shape }) as const;
const ints = (name: string, ...shape: Dim[]) => ({ name, dtype: "i32", shape }) as const;
const [x] = [floats("x", "N")];

test("the loss over 50,257 classes, and its gradient", slow, async () => {
  const classes = 50_257;
  const graph = traceGraph("loss", [floats("z", "B", classes), ints("t", "B")], ([z, t]) => {
    const { value, grad } = valueAndGrad((logits: Float) => crossEntropy(logits, t as Int))(z as Float);
    return [value, grad];
  });
  const logits = all([1, classes], (i) => 3e-4 * Math.sin(i * 12.9898));
  expect(await errorOf(graph, [logits, indices(1, () => 7)], {})).toBeLessThan(boundOf(classes));
});

test("sums, means and norms to one number, with one partial sum per lane of a workgroup", async () => {
  const graph = traceGraph("scalars", [x], ([x]) => {
    return [sum(x as Float), mean(x as Float), sqrt(sum(square(x as Float)))];
  });
  expect(await errorOf(graph, [all([1_000_000])], {})).toBeLessThan(boundOf(1_000_000 / 256));
});

test("sums along one axis and two, with known and symbolic numbers of terms", slow, async () => {
  const cases: readonly (readonly [shape: readonly Dim[], sizes: readonly number[]])[] = [
    [
      ["N", 1],
      [20_000, 1],
    ],
    [
      [20_001, 1],
      [20_001, 1],
    ],
    [
      ["T", "B"],
      [300, 70],
    ],
    [
      ["T", 250],
      [80, 250],
    ],
    [
      ["T", "B"],
      [2, 10_000],
    ],
    [
      ["T", "B"],
      [10_000, 2],
    ],
  ];
  for (const [shape, sizes] of cases) {
    // Enough outputs that none is a tree reduction.
    const graph = traceGraph("sums", [floats("x", ...shape, 33)], ([x]) => [sum(x as Float, [0, 1])]);
    expect(await errorOf(graph, [all([...sizes, 33])], {})).toBeLessThan(boundOf(20_000));
  }
});

// A software adapter is the device of most other tests.
describe.each(targets)("for a target %s", (target) => {
  test("products of a long depth, in tiles and in workgroup memory", target === "gpu" ? slow : long, async () => {
    for (const [rows, depth] of [
      [8, "N"],
      [8, 10_001],
      [64, "N"],
    ] as const) {
      const graph = traceGraph("product", [floats("x", depth, rows)], ([x]) => [
        dot(x as Float, x as Float, { transposeA: true }),
      ]);
      expect(await errorOf(graph, [all([10_001, rows])], { target })).toBeLessThan(boundOf(10_001));
    }
  });

  test("sums of columns, with one lane or few to a column", target === "gpu" ? slow : long, async () => {
    const graph = traceGraph("columns", [floats("x", "N", 33)], ([x]) => [sum(x as Float, 0)]);
    expect(await errorOf(graph, [all([200_000, 33])], { target })).toBeLessThan(boundOf(200_000));
  });

  test("scattered updates, most of them to one row", target === "gpu" ? slow : long, async () => {
    for (const [count, number] of [
      ["N", 200_000],
      ["N", 70],
      [1000, 1000],
    ] as const) {
      for (const rows of [8, 2000]) {
        const inputs = [ints("i", count), floats("x", count, 3)];
        const graph = traceGraph("scatter", inputs, ([i, x]) => [scatterAdd(i as Int, x as Float, rows)]);
        const rowOf = (i: number) => (i % 11 === 0 ? (i * 7) % rows : 2);
        const given = [indices(number, rowOf), all([number, 3], (i) => 0.1 + (i % 3))];
        expect(await errorOf(graph, given, { target })).toBeLessThan(boundOf(number));
      }
    }
  });
});

test("states that only sum xs or ys", async () => {
  const graph = traceGraph("states", [floats("x", "T", "B", 3)], ([x]) => {
    const step = ([plain, squares]: readonly Tensor[], [row]: readonly Tensor[]) => {
      const own = square(row as Float);
      return { carries: [add(plain as Float, row as Float), add(squares as Float, own)], ys: [own] };
    };
    const { carries, ys } = scanTensors(step, [zeros(["B", 3]), zeros(["B", 3])], [x as Float]);
    return [...carries, ...ys];
  });
  expect(await errorOf(graph, [all([20_000, 1, 3])], {})).toBeLessThan(boundOf(20_000));
});

test("sums inside a step, in both schedules", async () => {
  const features = 3000;
  const graph = traceGraph("loop", [floats("x", "T", "B", features)], ([x]) => {
    const step = ([c]: readonly Tensor[], [row]: readonly Tensor[]) => {
      const total = sum(row as Float, 1, { keepAxes: true });
      return { carries: [total], ys: [add(total, c as Float)] };
    };
    const { carries, ys } = scanTensors(step, [zeros(["B", 1])], [x as Float]);
    return [...carries, ...ys];
  });
  for (const schedule of ["persistent", "stepwise"] as const)
    expect(await errorOf(graph, [all([3, 2, features])], { schedule })).toBeLessThan(boundOf(features));
});

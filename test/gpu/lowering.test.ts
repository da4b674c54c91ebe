/**
 * @file Lowering where a mistake would change values: donated inputs, packed concatenations, reused memory, shared
 * accumulators, and kernels of several parts.
 */
import { afterAll, describe, expect, test } from "vitest";
import { compileProgram } from "../../compiler/compile.ts";
import { at } from "../../compiler/graph/errors.ts";
import type { CompileProgramOptions } from "../../compiler/plan-program.ts";
import {
  add,
  broadcast,
  concat,
  dot,
  exp,
  iota,
  mul,
  pad,
  reduceMax,
  reshape,
  scanTensors,
  scatterAdd,
  slice,
  softmax,
  sub,
  sum,
  type Tensor,
  tanh,
  traceGraph,
  transpose,
} from "../../index.ts";
import { ProgramRunner } from "../support/programs.ts";
import { numbers } from "../support/same-after.ts";

type Float = Tensor<"f32">;
type Function = (a: Float, b: Float, u: Float, v: Float) => readonly Tensor[];

const runner = await ProgramRunner.open();
afterAll(() => runner.destroy());

const names = ["a", "b", "u", "v"] as const;

/** Runs a function of four matrices on the device and in the interpreter. */
async function expectSame(f: Function, options: CompileProgramOptions = {}, side = 6): Promise<void> {
  const inputs = names.map((name) => ({ name, dtype: "f32" as const, shape: [side, side] }));
  const graph = traceGraph("f", inputs, ([a, b, u, v]) => f(a as Float, b as Float, u as Float, v as Float));
  const arrays = names.map((_, seed) => numbers([side, side], seed));
  expect(await runner.error(graph, arrays, options)).toBeLessThan(1e-5);
}

describe("a donated input", () => {
  test.each<[string, Function, Readonly<Record<string, number>>, number?]>([
    ["is also read by other outputs", (a) => [add(a, 1), dot(a, a), sum(a, [0])], { a: 0 }],
    ["is read by a later stage", (a, b) => [add(a, 1), dot(tanh(dot(b, b)), a)], { a: 0 }],
    [
      "is read at other positions by the output that overwrites it",
      (a) => [dot(a, a, { transposeA: true })],
      { a: 0 },
      40,
    ],
    ["is transposed by the output that overwrites it", (a) => [add(a, transpose(a))], { a: 0 }, 40],
    ["is read at other positions by another output", (a, b) => [mul(a, b), add(transpose(a), b)], { a: 0 }, 40],
    ["is read in place, with another output", (a, b) => [mul(b, 2), add(a, 1)], { a: 0 }],
    ["is summed by the output that overwrites it", (a) => [sub(a, broadcast(sum(a, 0), a.shape))], { a: 0 }, 40],
    ["is read at other positions, as is a second one", (a, b) => [dot(a, b), dot(b, a)], { a: 0, b: 1 }, 40],
    ["swaps with another", (a, b) => [b, a], { a: 0, b: 1 }],
    ["is returned", (a, b) => [a, dot(a, b)], { a: 0 }],
    ["is returned in another's buffer", (a, b) => [b, dot(a, b)], { a: 0 }],
    ["receives the same value as another", (a, b) => [tanh(add(a, b)), tanh(add(a, b))], { a: 0, b: 1 }],
    ["receives a value that is another output too", (a) => [tanh(a), tanh(a), mul(a, 2)], { a: 0 }],
    ["receives a value that is two other outputs", (a, b) => [mul(a, b), tanh(a), tanh(a), tanh(a)], { a: 2, b: 0 }],
    ["is returned, and again", (a) => [a, a], { a: 1 }],
    ["receives another input, which is returned too", (a, b) => [b, b, add(a, 1)], { a: 0 }],
    ["receives a part of a concatenation", (a, b) => [mul(a, 2), concat([mul(a, 2), mul(b, 3)], 0)], { a: 0 }],
  ])("%s", async (_, f, donate, side) => {
    await expectSame(f, { donate }, side);
  });

  test("must have the size of its output", () => {
    const graph = traceGraph("f", [{ name: "a", dtype: "f32", shape: [6, 6] }], ([a]) => [sum(a as Float, 0)]);
    expect(() => compileProgram(graph, { donate: { a: 0 } })).toThrow(
      "donate: input a and output 0 of f differ in dtype or size",
    );
  });
});

describe("concatenations", () => {
  const parts = (a: Float, b: Float) => [dot(a, b), tanh(dot(b, a))] as const;
  test.each<[string, Function]>([
    ["of computed parts, read at every position", (a, b, u, v) => [dot(concat(parts(a, b), 0), u), v]],
    ["that are read at their own position", (a, b, u, v) => [mul(concat(parts(a, b), 0), concat([u, v], 0))]],
    [
      "that share a part",
      (a, b, u) => {
        const [p, q] = parts(a, b);
        return [concat([p, q], 0), concat([q, mul(u, 2)], 0), q];
      },
    ],
    ["with a part that occurs twice", (a, b) => [concat([dot(a, b), dot(a, b)], 0)]],
    ["of an input", (a, b, u) => [concat([u, dot(a, b)], 0)]],
    ["of columns", (a, b) => [concat(parts(a, b), 1)]],
    ["of concatenations", (a, b, u) => [concat([concat(parts(a, b), 0), dot(u, a)], 0)]],
    [
      "of results of loops",
      (a, b) => {
        const step = ([h]: readonly Tensor[], [row]: readonly Tensor[]) => {
          const next = tanh(add(h as Float, row as Float));
          return { carries: [next], ys: [mul(next, 2)] };
        };
        const start = reshape(slice(b, 0, 0, 1), [6]);
        const [one, two] = [scanTensors(step, [start], [a]), scanTensors(step, [start], [b], { reverse: true })];
        return [concat([...one.carries, ...two.carries] as Float[], 0), concat([...one.ys, ...two.ys] as Float[], 0)];
      },
    ],
    [
      "with a part that is read long after the whole",
      (a, b, u, v) => {
        const [p, q] = parts(a, b);
        const common = sum(concat([p, q], 0), 0);
        const tall = tanh(dot(concat([u, v], 0), add(a, common)));
        return [dot(p, dot(tall, v), { transposeB: true })];
      },
    ],
    [
      "whose parts are read long after",
      (a, b, u, v) => {
        const joined = concat(parts(a, b), 0);
        const later = [u, v, u, v].reduce((x, w) => tanh(dot(x, w)), a);
        return [add(dot(later, u), slice(joined, 0, 3, 6)), sum(joined, 0)];
      },
    ],
  ])("%s", async (_, f) => {
    await expectSame(f);
  });
});

describe("values stay in memory while they are read:", () => {
  const column = (x: Float, i: number) => slice(x, 1, i, 1);
  test.each<[string, Function]>([
    [
      "a chain of products, each read once more at the end",
      (a, b, u, v) => {
        const chain = [a];
        for (const w of [b, u, v, b, u]) chain.push(tanh(dot(at(chain, chain.length - 1), w)));
        return [chain.reduce((total, x) => add(total, mul(x, x))), ...chain.slice(2, 4)];
      },
    ],
    [
      "values of several alternating sizes",
      (a, b, u) => {
        const wide = tanh(dot(a, concat([b, u], 1)));
        const narrow = tanh(dot(wide, concat([b, u], 0)));
        return [dot(narrow, concat([b, u], 1)), dot(tanh(dot(narrow, u)), b), sum(wide, 1)];
      },
    ],
    [
      "results of a loop, read at their own position",
      (a, b, u) => {
        const step = ([h]: readonly Tensor[], [row]: readonly Tensor[]) => {
          const next = tanh(add(h as Float, row as Float));
          return { carries: [next], ys: [mul(next, 2)] };
        };
        const { carries, ys } = scanTensors(step, [reshape(slice(b, 0, 0, 1), [6])], [a]);
        return [mul(ys[0] as Float, u), tanh(carries[0] as Float), ys[0] as Float];
      },
    ],
    [
      "results of a scatter, read at their own position",
      (a, b) => {
        const indices = iota([6], 0);
        const [p, q] = [scatterAdd(indices, a, 6), scatterAdd(indices, b, 6)];
        return [add(p, 1), mul(q, p), softmax(add(p, q))];
      },
    ],
    ["normalized rows and columns", (a, b) => [softmax(dot(a, b), 1), softmax(dot(a, b), 0)]],
    ["a sum of values shifted by another sum", (a) => [sum(exp(sub(a, broadcast(sum(a, 0), a.shape))), 1)]],
    ["a slice of one part of a concatenation", (a, b) => [mul(column(concat([column(a, 0), column(b, 0)], 1), 1), 2)]],
    [
      "slices that overlap",
      (a, b) => [add(pad(slice(a, 0, 1, 3), 0, 2, 6), concat([slice(b, 0, 4, 2), slice(a, 0, 0, 4)], 0))],
    ],
  ])("%s", async (_, f) => {
    await expectSame(f);
  });
});

describe("shared accumulators:", () => {
  const left = (x: Float) => slice(x, 1, 0, 3);
  test.each<[string, Function]>([
    ["products that are added", (a, b, u, v) => [add(dot(a, u), dot(b, v))]],
    [
      "products whose sum and one of them are read",
      (a, b, u, v) => [mul(add(dot(a, u), dot(b, v)), 2), mul(dot(a, u), 3)],
    ],
    ["products whose sum and one of them are outputs", (a, b, u, v) => [add(dot(a, u), dot(b, v)), dot(a, u)]],
    ["a product added to itself", (a, _, u) => [add(dot(a, u), dot(a, u))]],
    ["products of unequal depth", (a, b, u, v) => [add(dot(a, u), dot(left(b), slice(v, 0, 0, 3)))]],
    ["maxima that are added", (a, b) => [add(reduceMax(a, 1), reduceMax(b, 1))]],
    ["sums over different axes", (a, b) => [add(sum(a, 0), sum(b, 1)), sum(reshape(a, [2, 3, 6]), [0, 2])]],
    ["a product and its transpose", (a, b) => [add(dot(a, b), transpose(dot(a, b)))]],
  ])("%s", async (_, f) => {
    await expectSame(f);
  });
});

test("kernels of parts of any size, and several reductions", async () => {
  const inputs = [
    { name: "x", dtype: "f32", shape: ["N", 3] },
    { name: "y", dtype: "f32", shape: [70, 5] },
  ] as const;
  const graph = traceGraph("parts", inputs, ([x, y]) => {
    const [long, short] = [x as Float, y as Float];
    return [
      mul(long, 2),
      mul(short, 3),
      dot(short, slice(short, 0, 0, 5)),
      reshape(mul(long, 4), ["3*N"]),
      sum(long, 0),
      reduceMax(long, 0),
      sum(mul(long, long)),
    ];
  });
  expect(await runner.error(graph, [numbers([700, 3], 1), numbers([70, 5], 2)])).toBeLessThan(1e-5);
});

test("more inputs than a kernel may bind", async () => {
  const inputs = Array.from({ length: 9 }, (_, i) => ({ name: `x${i}`, dtype: "f32" as const, shape: [5 + (i % 2)] }));
  const graph = traceGraph("crowd", inputs, (tensors) => {
    const short = tensors.map((x, i) => (i % 2 === 0 ? (x as Float) : slice(x as Float, 0, 1, 5)));
    return [short.reduce((total, x, i) => add(total, mul(x, i + 1)))];
  });
  const arrays = inputs.map(({ shape }, seed) => numbers(shape, seed));
  expect(await runner.error(graph, arrays, { maxStorageBuffers: 4 })).toBeLessThan(1e-5);
});

test("more workgroups than one axis of a dispatch has", async () => {
  const size = 65535 * 64 + 77;
  const graph = traceGraph("long", [{ name: "x", dtype: "f32", shape: ["N"] }], ([x]) => [mul(x as Float, 2)]);
  const x = { dtype: "f32" as const, shape: [size], data: Float64Array.from({ length: size }, (_, i) => i % 1000) };
  const [doubled] = await runner.run(graph, [x]);
  expect(doubled?.data.length).toBe(size);
  expect(doubled?.data.findIndex((value, i) => value !== 2 * (i % 1000))).toBe(-1);
});

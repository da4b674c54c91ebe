/** @file Constants in a kernel's text: each has its exact value on the device, whatever WGSL allows as a literal. */
import { describe, expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import {
  add,
  cast,
  constant,
  type DType,
  div,
  equal,
  fill,
  less,
  mul,
  scanTensors,
  sqrt,
  sub,
  type Tensor,
  tanh,
  traceGraph,
  where,
} from "../../index.ts";
import { f32 } from "../support/evaluate.ts";
import { executors, device as gpu } from "../support/executors.ts";

type Float = Tensor<"f32">;

const numbers: Readonly<Record<DType, readonly number[]>> = {
  f32: [
    ...[0, -0, 1, -2.5, 1e21, -1e21, 1e-7, 123456789, 2 ** -126, 3.4028234663852886e38, -3.4028234663852886e38],
    // None of these can be a WGSL literal, or the rounded value of one.
    ...[Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e39, -1e39],
  ],
  i32: [0, 1, -1, 2147483647, -2147483648],
  u32: [0, 1, 4294967295],
  bool: [0, 1],
};

test.each(Object.entries(numbers) as [DType, readonly number[]][])("%s", async (dtype, values) => {
  const graph = traceGraph("constants", [], () => values.map((value) => fill([2], value, dtype)));
  const program = await gpu.compile(graph);
  const results = await Promise.all(program.run({}).map((result) => result.read()));
  program.destroy();
  const expected = values.map((value) => (dtype === "f32" ? Math.fround(value) : value));
  expect(results.map((result) => [result.dtype, ...result.data])).toEqual(
    expected.map((value) => [dtype, value, value]),
  );
});

test("arithmetic on constants may overflow or be undefined", async () => {
  const graph = traceGraph("constants", [], () => [
    mul(constant(3e38), constant(10)),
    div(constant(-1), constant(0)),
    sqrt(constant(-1)),
    div(constant(7, "i32"), 0),
    div(constant(-2147483648, "i32"), -1),
    div(constant(7, "u32"), 0),
  ]);
  for (const { name, execute } of executors)
    expect(
      (await execute(graph, [])).map(({ data }) => Math.fround(data[0] ?? 0)),
      name,
    ).toEqual([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 7, -2147483648, 7]);
});

test("arithmetic on integer constants wraps around", async () => {
  const graph = traceGraph("wrapping", [], () => [
    add(constant(2147483647, "i32"), 1),
    sub(constant(-2147483648, "i32"), 1),
    sub(constant(0, "u32"), 1),
    mul(constant(65536, "u32"), 65537),
  ]);
  for (const { name, execute } of executors) {
    const results = await execute(graph, []);
    expect(
      results.map(({ data }) => data[0]),
      name,
    ).toEqual([-2147483648, 2147483647, 4294967295, 65536]);
  }
});

describe("a loop that counts", () => {
  const graph = traceGraph("counting", [{ name: "h", dtype: "f32", shape: ["B", 2] }], ([h]) => {
    const { carries, ys } = scanTensors(
      ([state, count, flag]) => {
        const [before, n, isOdd] = [state as Float, count as Tensor<"i32">, flag as Tensor<"bool">];
        const next = where(isOdd, add(before, cast(n, "f32")), tanh(before));
        return { carries: [next, add(n, -3), equal(isOdd, fill(["B", 2], 0, "bool"))], ys: [n, isOdd, less(next, 0)] };
      },
      [h as Float, fill(["B", 2], 7, "i32"), fill(["B", 2], 0, "bool")],
      [],
      { length: 5 },
    );
    return [...carries, ...ys];
  });
  test.each(executors)("with integers and booleans, on $name", async ({ execute, tolerance }) => {
    const start = [0.25, -1, 3];
    const outputs = await execute(graph, [f32(start.map((value) => [value, -value]))]);
    const expected = start
      .flatMap((value) => [value, -value])
      .map((value) => {
        const below: number[] = [];
        let state = value;
        for (let step = 0; step < 5; step++) {
          state = step % 2 === 1 ? state + 7 - 3 * step : Math.tanh(state);
          below.push(Number(state < 0));
        }
        return { state, below };
      });
    const [last, count, flag, counts, flags, below] = outputs.map(({ data }) => [...data]);
    for (const [i, { state }] of expected.entries())
      expect(Math.abs(at(last ?? [], i) - state)).toBeLessThan(10 * tolerance);
    expect(new Set(count)).toEqual(new Set([7 - 15]));
    expect(new Set(flag)).toEqual(new Set([1]));
    const each = (valueAt: (step: number) => number) =>
      Array.from({ length: 5 }, (_, step) => Array(6).fill(valueAt(step))).flat();
    expect(counts).toEqual(each((step) => 7 - 3 * step));
    expect(flags).toEqual(each((step) => step % 2));
    expect(below).toEqual(Array.from({ length: 5 }, (_, step) => expected.map((row) => row.below[step])).flat());
  });
});

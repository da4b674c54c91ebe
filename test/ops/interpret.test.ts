/** @file The interpreter, which defines the semantics of graphs: loops by hand, and invalid inputs. */
import { describe, expect, test } from "vitest";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import { add, constant, interpret, mul, ones, scanTensors, type Tensor, traceGraph } from "../../index.ts";

type Float = Tensor<"f32">;

describe("a loop of h = 2 h + x, from h = 1 over 1, 10, 100,", () => {
  const run = (reverse: boolean) => {
    const graph = traceGraph("loop", [{ name: "x", dtype: "f32", shape: ["T"] }], ([x]) => {
      const step = ([h]: readonly Tensor[], [now]: readonly Tensor[]) => {
        const next = add(mul(h as Float, 2), now as Float);
        return { carries: [next], ys: [next, mul(now as Float, 3)] };
      };
      const { carries, ys } = scanTensors(step, [constant(1)], [x as Float], { reverse });
      return [...carries, ...ys];
    });
    return interpret(graph, [ndarray([3], [1, 10, 100])]).map(({ data }) => [...data]);
  };

  test("first to last", () => {
    expect(run(false)).toEqual([[132], [3, 16, 132], [3, 30, 300]]);
  });

  test("last to first, with xs and ys in their own order", () => {
    expect(run(true)).toEqual([[429], [429, 214, 102], [3, 30, 300]]);
  });
});

describe("invalid inputs", () => {
  const graph = traceGraph(
    "sums",
    [
      { name: "a", dtype: "f32", shape: ["B", 2] },
      { name: "b", dtype: "f32", shape: ["B", 2] },
    ],
    ([a, b]) => [add(a as Float, b as Float)],
  );
  const pair = (rows: number) => ndarray([rows, 2], new Array<number>(2 * rows).fill(1));

  test.each([
    ["one that is missing", [pair(3)], "sums: input b is missing"],
    ["one of other rows", [pair(3), pair(4)], "sums: input b: axis 0 is B=3 elsewhere, got 4 in [4, 2]"],
    ["one of other columns", [ndarray([2, 1], [1, 1]), pair(2)], "sums: input a: axis 1 must be 2, got 1 in [2, 1]"],
  ])("%s", (_, inputs, fault) => {
    expect(() => interpret(graph, inputs)).toThrow(fault);
  });
});

describe("tracing a loop fails with", () => {
  const inputs = [
    { name: "a", dtype: "f32", shape: [3] },
    { name: "b", dtype: "f32", shape: [4] },
  ] as const;
  const traced = (xs: (a: Float, b: Float) => readonly Float[], step: (h: Float, x: Float) => Float) => () =>
    traceGraph("loop", inputs, ([a, b]) => {
      const run = ([h]: readonly Tensor[], [x]: readonly Tensor[]) => ({
        carries: [step(h as Float, x as Float)],
        ys: [],
      });
      return scanTensors(run, [constant(0)], xs(a as Float, b as Float)).carries;
    });

  test("xs of unequal lengths", () => {
    expect(traced((a, b) => [a, b], add)).toThrow(/xs 1 is \[4\]; its leading axis must be time, of 3 steps/);
  });

  test("a state that changes its shape", () => {
    const widened = traced(
      (a) => [a],
      (h, x) => add(h, mul(x, ones([2]))),
    );
    expect(widened).toThrow(/carry 0 starts as f32\[\] and leaves the step as f32\[2\]/);
  });
});

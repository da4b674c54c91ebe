/** @file Long reductions to few numbers, which a workgroup computes together, with many of them in one stage. */
import { expect, test } from "vitest";
import { compileProgram } from "../../compiler/compile.ts";
import { at } from "../../compiler/graph/errors.ts";
import { broadcast, exp, interpret, mul, reduceMax, sub, sum, type Tensor, traceGraph } from "../../index.ts";
import { generator, randomFloats } from "../../testing/numbers/random-data.ts";
import { executors, interpreter } from "../support/executors.ts";
import { fewOf } from "../support/some-of.ts";

type Float = Tensor<"f32">;

/**
 * Sums and a maximum over rows for each of 8 columns; 24 arrays, one number per lane of a workgroup, would need 24 KB.
 */
const graph = traceGraph("reductions", [{ name: "x", dtype: "f32", shape: ["N", 8] }], ([x]) => {
  const scaled = (i: number) => mul(x as Float, 1 + i / 8);
  return [...Array.from({ length: 23 }, (_, i) => sum(scaled(i), 0)), reduceMax(x as Float, 0)];
});

test("two dozen fit in the workgroup memory that WebGPU guarantees", () => {
  for (const target of ["gpu", "software"] as const) expect(() => compileProgram(graph, { target })).not.toThrow();
});

fewOf(executors, (executor) => executor === interpreter)("two dozen on $name", async ({ execute }) => {
  const inputs = [randomFloats(generator(3), [700, 8])];
  const expected = interpret(graph, inputs);
  for (const [i, result] of (await execute(graph, inputs)).entries()) {
    for (const [k, value] of result.data.entries()) expect(value).toBeCloseTo(at([...at(expected, i).data], k), 3);
  }
});

test.each(executors)("a sum that waits for a maximum of the same numbers, on $name", async ({ execute }) => {
  const shifted = traceGraph("shifted", [{ name: "x", dtype: "f32", shape: ["N", 8] }], ([x]) => {
    const largest = reduceMax(x as Float, 0);
    return [sum(exp(sub(x as Float, broadcast(largest, ["N", 8]))), 0), largest];
  });
  const inputs = [randomFloats(generator(4), [700, 8])];
  const expected = interpret(shifted, inputs);
  for (const [i, result] of (await execute(shifted, inputs)).entries()) {
    for (const [k, value] of result.data.entries()) expect(value).toBeCloseTo(at([...at(expected, i).data], k), 3);
  }
});

/**
 * @file Rounding to f16 and storing in 16 bits: against a list of all numbers of f16, to the bit, in the interpreter, in
 * the evaluator and on devices.
 */
import { afterAll, describe, expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import { roundToHalf } from "../../compiler/ops/half.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import { evaluateProgram } from "../../compiler/plan/evaluate-program.ts";
import { planProgram } from "../../compiler/plan-program.ts";
import * as cg from "../../index.ts";
import { deviceExecutor } from "../../testing/executor.ts";
import { generator } from "../../testing/numbers/random-data.ts";
import { cpu } from "../support/cpu-executors.ts";
import { openWebgpu } from "../support/webgpu.ts";

const gpu = await openWebgpu();
afterAll(() => gpu.destroy());

const infinity = Number.POSITIVE_INFINITY;

/** All numbers of f16 from 0 up, by their bits; the last stands for infinity. */
const halves = Array.from({ length: 0x7c01 }, (_, bits) => {
  const [exponent, digits] = [bits >> 10, bits % 1024];
  return exponent === 0 ? digits * 2 ** -24 : (1 + digits / 1024) * 2 ** (exponent - 15);
});

/** The nearest number of the list, of two equally near the one with even bits. */
function nearest(x: number): number {
  const magnitude = Math.min(Math.abs(x), 65536);
  if (Number.isNaN(x)) return x;
  let [low, high] = [0, 0x7c00];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (at(halves, middle) <= magnitude) low = middle;
    else high = middle;
  }
  const [below, above] = [magnitude - at(halves, low), at(halves, high) - magnitude];
  const bits = below < above || (below === above && low % 2 === 0) ? low : high;
  const value = bits === 0x7c00 ? infinity : at(halves, bits);
  return x < 0 || Object.is(x, -0) ? -value : value;
}

/** Numbers of f32: those of f16, what is halfway between them and next to that, all exponents, and what is no number. */
const numbers = (() => {
  const random = generator(5);
  const view = new DataView(new ArrayBuffer(4));
  const nextTo = (x: number, step: number) => {
    view.setFloat32(0, x);
    view.setUint32(0, view.getUint32(0) + step);
    return view.getFloat32(0);
  };
  const near = Array.from({ length: 0x7c00 }, (_, i) => i).filter(
    (i) => i % 97 === 0 || i < 40 || i > 0x7bf0 || (i > 1014 && i < 1034),
  );
  const middles = near.map((i) => (at(halves, i) + at(halves, i + 1)) / 2);
  const any = Array.from({ length: 500 }, () => {
    view.setUint32(0, random() * 2 ** 32);
    return view.getFloat32(0);
  });
  const positive = [...near.map((i) => at(halves, i)), ...middles.flatMap((x) => [nextTo(x, -1), x, nextTo(x, 1)])];
  // Subnormal numbers of f32, which a device may take for 0, round to 0 anyway.
  const edges = [0, -0, infinity, -infinity, Number.NaN, 3.4e38, 1e-42, 65519.996, 65520];
  // An odd number of them: the last shares its word with nothing.
  const all = [...positive, ...positive.map((x) => -x), ...any, ...edges];
  return Float64Array.from(all.length % 2 === 0 ? [...all, 1 / 3] : all);
})();

/** The numbers rounded, read by another kernel than the one that rounds them: turned around. */
const graph = cg.traceGraph("rounded", [{ name: "x", dtype: "f32", shape: [numbers.length] }], ([x]) => {
  const rounded = cg.reshape(roundToHalf(x as cg.Tensor<"f32">), [1, numbers.length]);
  return [cg.transpose(rounded), cg.gather(cg.reshape(rounded, [numbers.length]), cg.positions([numbers.length]))];
});
const input = cg.ndarray([numbers.length], [...numbers]);
const expected = [...numbers].map(nearest);

const ways: Readonly<Record<string, () => Promise<readonly cg.NdArray[]>>> = {
  interpreter: async () => interpret(graph, [input]),
  "evaluator, 16 bits": async () => evaluateProgram(planProgram(graph), { x: input }),
  "evaluator, 32 bits": async () => evaluateProgram(planProgram(graph, { halves: false }), { x: input }),
  WebGPU: () => deviceExecutor("gpu", gpu, 0).execute(graph, [input]),
  "the CPU": () => deviceExecutor("cpu", cpu, 0).execute(graph, [input]),
};

describe("each number becomes the nearest of f16", () => {
  test.each(Object.entries(ways))("%s", async (_, run) => {
    for (const { data } of await run()) {
      const wrong = [...data].flatMap((got, i) =>
        Object.is(got, expected[i]) ? [] : [[numbers[i], got, expected[i]]],
      );
      expect(wrong).toEqual([]);
    }
  });
});

test("a number takes 16 bits where the target can store it so", () => {
  const words = (options: object) => planProgram(graph, options).buffers.find(({ name }) => name === "workInts")?.size;
  expect([words({}), words({ halves: false }), words({ target: "cpu" })].map((size) => size?.map(Number))).toEqual([
    [4 * Math.ceil(Math.ceil(numbers.length / 2) / 4)],
    [0],
    [0],
  ]);
});

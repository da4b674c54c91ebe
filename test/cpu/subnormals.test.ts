/**
 * @file Vanishing gradients: WebAssembly does not flush subnormal numbers to 0, so they are as exact as f32 allows,
 * forward and backward, for vectors and for scalars.
 */
import { afterAll, describe, expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import {
  add,
  dot,
  interpret,
  mul,
  type NdArray,
  ndarray,
  openDevice,
  scanTensors,
  sum,
  type Tensor,
  tanh,
  traceGraph,
  valueAndGrad,
} from "../../index.ts";
import { deviceExecutor } from "../../testing/executor.ts";

type Float = Tensor<"f32">;

const device = await openDevice({ device: "cpu" });
afterAll(() => device.destroy());

const least = 2 ** -149;

describe.each(["auto", "stepwise"] as const)("%s", (schedule) => {
  const { execute } = deviceExecutor("cpu", device, 0, { schedule });

  test("a state that halves in every step is exact down to the smallest number", async () => {
    for (const units of [1, 7]) {
      const steps = 145;
      const avals = [
        { name: "c", dtype: "f32", shape: [2, units] },
        { name: "x", dtype: "f32", shape: [steps, 2, units] },
      ] as const;
      const graph = traceGraph("halves", avals, ([c, x]) => {
        const { value, grad } = valueAndGrad((start: Float) => {
          const { carries } = scanTensors(
            ([state], [row]) => ({ carries: [mul(state as Float, row as Float)], ys: [] }),
            [start],
            [x as Float],
          );
          return sum(at(carries, 0) as Float);
        })(c as Float);
        return [value, grad];
      });
      const c = ndarray([2, units], new Array(2 * units).fill(1));
      const x = ndarray([steps, 2, units], new Array(steps * 2 * units).fill(0.5));
      const [value, grad] = await execute(graph, [c, x]);
      expect([...(value?.data ?? [])]).toEqual([2 * units * 2 ** -steps]);
      expect([...(grad?.data ?? [])]).toEqual(new Array(2 * units).fill(2 ** -steps));
    }
  });

  test("the gradient of a network that forgets", async () => {
    const [steps, batch, units] = [64, 3, 5];
    const avals = [
      { name: "h", dtype: "f32", shape: [batch, units] },
      { name: "w", dtype: "f32", shape: [units, units] },
      { name: "x", dtype: "f32", shape: [steps, batch, units] },
    ] as const;
    const graph = traceGraph("forgets", avals, ([h, w, x]) => {
      const { value, grad } = valueAndGrad(([start, kernel]: readonly [Float, Float]) => {
        const { carries } = scanTensors(
          ([state], [row]) => ({ carries: [tanh(add(dot(state as Float, kernel), row as Float))], ys: [] }),
          [start],
          [x as Float],
        );
        return sum(at(carries, 0) as Float);
      })([h as Float, w as Float] as const);
      return [value, ...grad];
    });
    const wave = (shape: readonly number[], size: number) =>
      ndarray(
        shape,
        Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.fround(size * Math.sin(i + 1))),
      );
    const diagonal = ndarray(
      [units, units],
      Array.from({ length: units ** 2 }, (_, i) => (i % (units + 1) === 0 ? 0.25 : 0)),
    );
    const inputs: NdArray[] = [wave([batch, units], 1), diagonal, wave([steps, batch, units], 0.3)];
    const expected = interpret(graph, inputs);
    const results = await execute(graph, inputs);
    const early = at(expected, 1).data;
    const subnormal = early.filter((value) => Math.abs(value) < 2 ** -126 && Math.abs(value) > 100 * least);
    expect(subnormal.length).toBeGreaterThan(10);
    for (const [i, { data }] of results.entries())
      for (const [j, value] of data.entries()) {
        const right = at([...at(expected, i).data], j);
        expect(Math.abs(value - right)).toBeLessThanOrEqual(1e-4 * Math.abs(right) + 4 * steps * least);
      }
  });
});

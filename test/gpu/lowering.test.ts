/** @file Lowering at the places where a mistake would change values: donated inputs, rows that meet, shared sums. */
import { afterAll, expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import type { Graph } from "../../compiler/graph/graph.ts";
import { type NdArray, ndarray } from "../../compiler/graph/ndarray.ts";
import {
  add,
  dot,
  interpret,
  mul,
  ones,
  openDevice,
  scanTensors,
  sum,
  type Tensor,
  tanh,
  traceGraph,
} from "../../index.ts";
import type { CompileOptions } from "../../train/device.ts";
import { difference } from "../train/devices.ts";

type Float = Tensor<"f32">;

const device = await openDevice();
afterAll(() => device.destroy());

const numbers = (shape: readonly number[], seed: number) =>
  ndarray(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.fround(Math.sin(seed + 1.3 * i))),
  );

async function sameOnDevice(graph: Graph, inputs: Readonly<Record<string, NdArray>>, options: CompileOptions = {}) {
  const expected = interpret(graph, Object.values(inputs));
  const executable = await device.compile(graph, options);
  const given = Object.entries(inputs).map(([name, value]) => {
    return [name, options.donate?.[name] === undefined ? value : device.upload(value)] as const;
  });
  const outputs = executable.run(Object.fromEntries(given));
  for (const [i, output] of outputs.entries()) {
    expect(difference((await output.read()).data, at(expected, i).data)).toBeLessThan(1e-5);
    output.destroy();
  }
  executable.destroy();
}

test("an input that is overwritten is read by others first", async () => {
  const graph = traceGraph("updated", [{ name: "a", dtype: "f32", shape: [6, 6] }], ([a]) => {
    const matrix = a as Float;
    return [add(matrix, 1), dot(matrix, matrix), sum(matrix, [0])];
  });
  await sameOnDevice(graph, { a: numbers([6, 6], 1) }, { donate: { a: 0 } });
});

test("an input that its own update reads elsewhere is not overwritten in place", async () => {
  const graph = traceGraph("turned", [{ name: "a", dtype: "f32", shape: [40, 40] }], ([a]) => [
    dot(a as Float, a as Float, { transposeA: true }),
  ]);
  await sameOnDevice(graph, { a: numbers([40, 40], 2) }, { donate: { a: 0 } });
});

test.each(["auto", "stepwise"] as const)("rows that meet within a step, as many as units (%s)", async (schedule) => {
  const graph = traceGraph("meeting", [{ name: "x", dtype: "f32", shape: ["T", 3, 3] }], ([xs]) => {
    const step = ([h]: readonly Tensor[], [x]: readonly Tensor[]) => {
      // A sum over the batch: with as many units as rows it has the shape of a number for each row.
      const common = sum(h as Float, [0]);
      const next = tanh(add(x as Float, mul(h as Float, 0.3)));
      return { carries: [next], ys: [next, common] };
    };
    return scanTensors(step, [ones([3, 3])], [xs as Float]).ys;
  });
  await sameOnDevice(graph, { x: numbers([5, 3, 3], 3) }, { schedule });
});

test("a product that is added to another and read by itself", async () => {
  const inputs = (["a", "b", "u", "v"] as const).map((name) => ({ name, dtype: "f32" as const, shape: [8, 8] }));
  const graph = traceGraph("shared", inputs, ([a, b, u, v]) => {
    const [p, q] = [dot(a as Float, u as Float), dot(b as Float, v as Float)];
    return [mul(add(p, q), 2), mul(p, 3)];
  });
  const given = Object.fromEntries(inputs.map(({ name, shape }, i) => [name, numbers(shape, i)]));
  await sameOnDevice(graph, given);
});

/** @file Every op with its gradients, for many models at once: each has the bits that it has alone. */
import { afterAll, describe, expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import type { Population } from "../../compiler/graph/models.ts";
import { planProgram } from "../../compiler/plan-program.ts";
import type { CompileOptions, Device } from "../../devices/device.ts";
import { add, grad, mul, openDevice, sum, type Tensor, traceGraph } from "../../index.ts";
import type { Executor } from "../../testing/executor.ts";
import { arrayCases } from "../support/array-cases.ts";
import { composedCases } from "../support/composed-cases.ts";
import { cpu } from "../support/cpu-executors.ts";
import { elementwiseCases } from "../support/elementwise-cases.ts";
import { f32, type OpCase } from "../support/evaluate.ts";
import { populationExecutor } from "../support/population.ts";
import { someOf } from "../support/some-of.ts";
import { openWebgpu } from "../support/webgpu.ts";

const webgpu = await openWebgpu();
const interpreter = await openDevice({ device: "interpreter" });
afterAll(() => webgpu.destroy());

const onCpu = [populationExecutor(cpu)];
const onWebgpu = [populationExecutor(webgpu), populationExecutor(webgpu, {}, true)];
const cases: Readonly<Record<string, OpCase>> = { ...arrayCases, ...elementwiseCases, ...composedCases };

test.each(Object.entries(cases))("%s", (_, given) => check(given, onCpu));

// Elementwise functions are one as the other to a population.
const named = Object.entries(cases).map(([name, given], i) => [name, given, i] as const);
const isView = (name: string) => name in arrayCases || name in composedCases;
someOf(
  named,
  ([name, , i]) => (isView(name) ? i % 3 === 0 : i % 9 === 0),
  (_, i) => i % 5 === 0,
)("%s on WebGPU", (_, given) => check(given, onWebgpu));

async function check({ gives, derivatives = [] }: OpCase, executors: readonly Executor[]) {
  const [f, args] = at(gives, 0);
  const avals = args.map(({ dtype, shape }, i) => ({ name: `x${i}`, dtype, shape }));
  const graph = traceGraph("f", avals, (tensors) => {
    const results = f(...(tensors as never[]));
    return Array.isArray(results) ? results : [results as Tensor];
  });
  for (const executor of executors) await executor.execute(graph, args);
  const [slope, place] = derivatives[0] ?? [];
  if (slope === undefined || place === undefined) return;
  const floats = place.map(({ shape }, i) => ({ name: `x${i}`, dtype: "f32" as const, shape }));
  const gradient = traceGraph("gradient", floats, (tensors) => [
    grad((x: Tensor<"f32">) => sum(slope(x, ...(tensors.slice(1) as Tensor<"f32">[]))))(tensors[0] as Tensor<"f32">),
  ]);
  for (const executor of executors) await executor.execute(gradient, place);
}

test("kernels that share a dispatch", async () => {
  const avals = [
    { name: "x", dtype: "f32", shape: [5] },
    { name: "y", dtype: "f32", shape: ["B", 7] },
  ] as const;
  const graph = traceGraph("apart", [...avals], ([x, y]) => [mul(x as Tensor<"f32">, 2), sum(y as Tensor<"f32">, 1)]);
  const { kernels } = planProgram(graph, { population: { models: 2 } });
  expect(kernels.map(({ code }) => code.parts.length)).toEqual([2]);
  const inputs = [f32([1, 2, 3, 4, 5]), f32(Array.from({ length: 3 }, (_, i) => [i, 2, 3, 4, 5, 6, 7]))];
  for (const executor of [...onCpu, ...onWebgpu]) await executor.execute(graph, inputs);
});

describe("what does not fit", () => {
  const graph = traceGraph(
    "f",
    [
      { name: "x", dtype: "f32", shape: [2] },
      { name: "y", dtype: "f32", shape: ["B", 2] },
    ],
    ([x, y]) => [add(mul(x as Tensor<"f32">, 2), y as Tensor<"f32">)],
  );
  const compile = (population: object, device: Device = cpu, more: CompileOptions = {}) =>
    device.compile(graph, { ...more, population: population as Population });

  const faults: readonly (readonly [object, string])[] = [
    [{ models: 0 }, "f: models is 0; expected a whole number from 1 to 65535"],
    [{ models: 65536 }, "f: models is 65536; expected a whole number from 1 to 65535"],
    [{ model: 2 }, "f: population: there is no option model; did you mean models?"],
    [{ models: 2, shared: "x" }, 'f: population: shared is "x"; expected a list'],
    [{ models: 2, shared: ["z"] }, "f: there is no input z to share; its inputs are x, y"],
  ];
  test.each(faults)("%o, on every device", async (population, message) => {
    for (const device of [cpu, webgpu, interpreter]) await expect(compile(population, device)).rejects.toThrow(message);
  });

  test("an input that is shared and donated", async () => {
    for (const device of [cpu, webgpu, interpreter])
      await expect(compile({ models: 2, shared: ["y"] }, device, { donate: { y: 0 } })).rejects.toThrow(
        "f: input y is donated, so each model needs its own; do not share it",
      );
  });

  test("by default each model has all inputs of its own", async () => {
    for (const device of [cpu, webgpu, interpreter]) {
      const executable = await compile({ models: 2 }, device);
      const x = f32([
        [1, 2],
        [3, 4],
      ]);
      const [output] = executable.run({ x, y: f32([[[0, 1]], [[10, 20]]]) });
      expect(await output?.read()).toEqual(f32([[[2, 5]], [[16, 28]]]));
    }
  });

  test("arrays of another number of models", async () => {
    const executable = await compile({ models: 2, shared: ["y"] });
    const y = f32([[1, 2]]);
    const run = (x: unknown) => executable.run({ x: x as never, y });
    expect(() => run(f32([1, 2]))).toThrow("f: input x: expected 2 axes [2, 2], got 1 [2]");
    expect(() => run(f32([[1, 2]]))).toThrow("f: input x: axis 0 must be 2, got 1 in [1, 2]");
    const [output] = run(
      f32([
        [1, 2],
        [10, 20],
      ]),
    );
    expect(await output?.read()).toEqual(f32([[[3, 6]], [[21, 42]]]));
  });
});

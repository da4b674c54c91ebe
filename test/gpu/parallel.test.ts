/**
 * @file Loops that run in chunks of time at once, on WebGPU and on a CPU: the interpreter's numbers at every length, equal
 * bits in every run, and a loop over all steps instead where the maps of chunks overflow.
 */
import { afterAll, describe, expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import { evaluateProgram } from "../../compiler/plan/evaluate-program.ts";
import { planProgram } from "../../compiler/plan-program.ts";
import { openCpuDevice } from "../../devices/cpu.ts";
import type { Device } from "../../devices/device.ts";
import { add, interpret, mul, type NdArray, ndarray, scanTensors, type Tensor, traceGraph } from "../../index.ts";
import { farthest, inputsOf, named } from "../kernels/inputs.ts";
import { loweredStep } from "../recurrence/lowered-step.ts";
import { fewOf, someOf } from "../support/some-of.ts";
import { openWebgpu } from "../support/webgpu.ts";

type Float = Tensor<"f32">;

const devices: readonly (readonly [string, Device])[] = [
  ["WebGPU", await openWebgpu()],
  ["a CPU", await openCpuDevice({ threads: 2 })],
];
afterAll(() => {
  for (const [, device] of devices) device.destroy();
});

/** s = a s + b over T steps of [B, 3], with all states as ys. */
const affine = traceGraph(
  "affine",
  [
    { name: "s", dtype: "f32", shape: ["B", 3] },
    { name: "a", dtype: "f32", shape: ["T", "B", 3] },
    { name: "b", dtype: "f32", shape: ["T", "B", 3] },
  ],
  ([s, a, b]) => {
    const step = ([state]: readonly Tensor[], [x, y]: readonly Tensor[]) => {
      const next = add(mul(state as Float, x as Float), y as Float);
      return { carries: [next], ys: [next] };
    };
    const { carries, ys } = scanTensors(step, [s] as Tensor[], [a, b] as Tensor[]);
    return [...carries, ...ys];
  },
);

const reads = (outputs: readonly { read(): Promise<NdArray> }[]) => Promise.all(outputs.map((output) => output.read()));

describe.each(devices)("on %s", (_, device) => {
  const isCpu = device.kind === "cpu";
  someOf(
    ["min-gru", "lru", "mlstm"],
    (name) => isCpu || name === "lru",
    (name) => isCpu && name === "min-gru",
  )("a training step of %s, at every length", async (name) => {
    const graph = loweredStep(name);
    const executable = await device.compile(graph, { schedule: "parallel" });
    // Short ones after long ones find what those left in memory.
    for (const T of [130, 64, 1, 65, 0]) {
      const inputs = inputsOf(graph, false, { B: 2, T });
      const results = await reads(executable.run(named(graph, inputs)));
      if (T > 0) expect(farthest(results, interpret(graph, inputs)), `${T} steps`).toBeLessThan(2e-5);
      const again = await reads(executable.run(named(graph, inputs)));
      expect(again.map(({ data }) => [...data])).toEqual(results.map(({ data }) => [...data]));
    }
  });

  someOf(
    ["sru", "indrnn"],
    (name) => isCpu || name === "sru",
    () => false,
  )("a training step of %s, by Newton's method", async (name) => {
    const graph = loweredStep(name);
    const executable = await device.compile(graph, { schedule: "newton" });
    for (const T of [130, 65, 3]) {
      const inputs = inputsOf(graph, false, { B: 2, T });
      const results = await reads(executable.run(named(graph, inputs)));
      expect(farthest(results, interpret(graph, inputs)), `${T} steps`).toBeLessThan(2e-5);
    }
  });

  test("no steps leave the state as it is", async () => {
    const executable = await device.compile(affine, { schedule: "parallel" });
    const inputs = { s: ndarray([1, 3], [1, 2, 3]), a: ndarray([0, 1, 3], []), b: ndarray([0, 1, 3], []) };
    expect([...at(await reads(executable.run(inputs)), 0).data]).toEqual([1, 2, 3]);
  });

  test("maps that overflow leave the loop to one step after another", async () => {
    const T = 70;
    // Four factors together overflow in f32, and their sequence does not: the state stays between 1e-20 and 1e20.
    const factor = (t: number) => [1e20, 1e20, 1e-20, 1e-20][t % 4] ?? 0;
    const inputs = {
      s: ndarray([2, 3], [1e-20, 2e-20, 0, 0, -1e-20, 3e-20]),
      a: ndarray(
        [T, 2, 3],
        Array.from({ length: 6 * T }, (_, i) => factor(Math.floor(i / 6))),
      ),
      b: ndarray([T, 2, 3], new Float32Array(6 * T)),
    };
    const [parallel, persistent] = await Promise.all(
      (["parallel", "persistent"] as const).map(async (schedule) => {
        const executable = await device.compile(affine, { schedule });
        return (await reads(executable.run(inputs))).map(({ data }) => [...data]);
      }),
    );
    expect(parallel?.flat().every(Number.isFinite)).toBe(true);
    expect(parallel).toEqual(persistent);
    // The same program without an overflow afterwards.
    const executable = await device.compile(affine, { schedule: "parallel" });
    for (const small of [inputs, { ...inputs, a: ndarray([T, 2, 3], new Float32Array(6 * T).fill(0.5)) }]) {
      const results = await reads(executable.run(small));
      expect(results.every(({ data }) => [...data].every(Number.isFinite))).toBe(true);
    }
  });

  test("a model of a population whose maps overflow is alone in that", async () => {
    const T = 130;
    const factor = (t: number) => [1e20, 1e20, 1e-20, 1e-20][t % 4] ?? 0;
    const random = (shift: number) => Array.from({ length: 3 * T }, (_, i) => 0.9 + 0.09 * Math.sin(i * i + shift));
    const overflowing = Array.from({ length: 3 * T }, (_, i) => factor(Math.floor(i / 3)));
    const [a, b] = [
      [random(1), overflowing, random(2)],
      [random(3), new Array<number>(3 * T).fill(0), random(4)],
    ] as const;
    const s = ndarray([1, 3], [1e-20, 2e-20, 0]);
    const inputs = (model: number) => ({
      s,
      a: ndarray([T, 1, 3], a[model] ?? []),
      b: ndarray([T, 1, 3], b[model] ?? []),
    });
    const population = { models: 3, shared: ["s"] };
    const together = await device.compile(affine, { schedule: "parallel", population });
    const [parallel, persistent] = await Promise.all([
      device.compile(affine, { schedule: "parallel" }),
      device.compile(affine, { schedule: "persistent" }),
    ]);
    const all = { s, a: ndarray([3, T, 1, 3], a.flat()), b: ndarray([3, T, 1, 3], b.flat()) };
    const numbers = async (executable: typeof parallel, given: Parameters<typeof parallel.run>[0]) =>
      (await reads(executable.run(given))).map(({ data }) => [...data]);
    const found = await numbers(together, all);
    for (const model of [0, 1, 2]) {
      const alone = await numbers(parallel, inputs(model));
      const size = (k: number) => at(alone, k).length;
      expect(found.map((each, k) => each.slice(model * size(k), (model + 1) * size(k)))).toEqual(alone);
      // Otherwise nobody would notice which of the two ran.
      const inOrder = await numbers(persistent, inputs(model));
      if (model === 1) expect(alone).toEqual(inOrder);
      else expect(alone).not.toEqual(inOrder);
    }
  });

  test("65,536 steps", async () => {
    const T = 65_536;
    const wave = (scale: number, shift: number) =>
      Float32Array.from({ length: 3 * T }, (_, i) => 0.9 + scale * Math.sin(i * 0.37 + shift));
    const [a, b] = [wave(0.0999, 0), wave(0.05, 1)];
    const executable = await device.compile(affine, { schedule: "parallel" });
    const outputs = executable.run({
      s: ndarray([1, 3], [1, 2, 3]),
      a: ndarray([T, 1, 3], a),
      b: ndarray([T, 1, 3], b),
    });
    const [last, all] = await reads(outputs);
    const state = [1, 2, 3];
    let worst = 0;
    for (let i = 0; i < 3 * T; i++) {
      const next = (a[i] ?? 0) * (state[i % 3] ?? 0) + (b[i] ?? 0);
      state[i % 3] = next;
      worst = Math.max(worst, Math.abs(Number(all?.data[i]) - next) / Math.abs(next));
    }
    expect(worst).toBeLessThan(1e-5);
    expect([...(last?.data ?? [])]).toEqual([...(all?.data ?? [])].slice(-3));
  });
});

fewOf(["min-gru", "lru"], (_, i) => i === 0)("kernels of %s neither race nor read what nothing wrote", (name) => {
  const graph = loweredStep(name);
  for (const [target, T] of [
    ["gpu", 70],
    ["software", 3],
  ] as const) {
    const inputs = inputsOf(graph, false, { B: 2, T });
    const program = planProgram(graph, { target, schedule: "parallel" });
    expect(farthest(evaluateProgram(program, named(graph, inputs)), interpret(graph, inputs))).toBeLessThan(2e-5);
  }
});

test("a fallback is dispatched by a count that the device writes", () => {
  const program = planProgram(affine, { schedule: "parallel" });
  const [choice] = program.steps;
  if (choice?.kind !== "choose") throw new Error("there is no choice by length");
  const counts = at(choice.branches, 1).steps.flatMap((step) =>
    step.kind === "dispatch" && step.indirect !== undefined ? [step.indirect] : [],
  );
  expect(counts).toHaveLength(1);
  const location = at(counts, 0);
  const asOutput = { dtype: "u32", shape: [3], location, donated: undefined } as const;
  const countsFor = (factor: number) => {
    const inputs = {
      s: ndarray([2, 3], new Float32Array(6)),
      a: ndarray([2, 2, 3], new Float32Array(12).fill(factor)),
      b: ndarray([2, 2, 3], new Float32Array(12)),
    };
    const outputs = evaluateProgram({ ...program, outputs: [...program.outputs, asOutput] }, inputs);
    return [...(outputs.at(-1)?.data ?? [])];
  };
  expect(countsFor(0.5)).toEqual([0, 0, 1]);
  // A workgroup for each row.
  expect(countsFor(1e30)).toEqual([2, 1, 1]);
});

test("two results that are one value are both stored", () => {
  const graph = traceGraph(
    "twice",
    [
      { name: "a", dtype: "f32", shape: [2, 3] },
      { name: "b", dtype: "f32", shape: [2, 3] },
      { name: "x", dtype: "f32", shape: ["T", 2, 3] },
    ],
    ([a, b, x]) =>
      scanTensors((_, [row]) => ({ carries: [row, row] as Tensor[], ys: [] }), [a, b] as Tensor[], [x] as Tensor[])
        .carries,
  );
  const inputs = inputsOf(graph, false, { T: 70 });
  const results = evaluateProgram(planProgram(graph, { schedule: "parallel" }), named(graph, inputs));
  expect(farthest(results, interpret(graph, inputs))).toBe(0);
});

test("a loop without carries runs for all steps at once, if that is asked for", () => {
  const graph = traceGraph("doubled", [{ name: "x", dtype: "f32", shape: ["T", 2] }], ([x]) => {
    const { ys } = scanTensors((_, [row]) => ({ carries: [], ys: [mul(row as Float, 2)] }), [], [x] as Tensor[]);
    return [...ys];
  });
  const inputs = inputsOf(graph, false, { T: 5 });
  const program = planProgram(graph, { schedule: "parallel" });
  expect(evaluateProgram(program, named(graph, inputs))).toEqual(interpret(graph, inputs));
});

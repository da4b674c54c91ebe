/** @file Profiles of kernels: every kernel of a run is listed with its work, and profiling does not affect training. */
import { afterAll, expect, test } from "vitest";
import { gru } from "../../cells/gru.ts";
import { compileProgram } from "../../compiler/compile.ts";
import { fromNested } from "../../compiler/graph/ndarray.ts";
import { matmul } from "../../compiler/ops/contractions.ts";
import { add, mul } from "../../compiler/ops/elementwise.ts";
import { scanTensors } from "../../compiler/ops/scan.ts";
import { traceGraph } from "../../compiler/ops/trace.ts";
import { openInterpreter } from "../../devices/interpreter.ts";
import type { Tensor } from "../../index.ts";
import { GpuContext } from "../../runtime/context.ts";
import { requestAdapter } from "../../runtime/host.ts";
import { LoadedProgram } from "../../runtime/loaded-program.ts";
import { ratesOf } from "../../runtime/profile.ts";
import type { Batch } from "../../train/data/batches.ts";
import { languageModel } from "../../train/networks.ts";
import { createTrainer } from "../../train/trainer.ts";
import { slow } from "../support/some-of.ts";
import { openWebgpu } from "../support/webgpu.ts";

const device = await openWebgpu();
afterAll(() => device.destroy());

type Float = Tensor<"f32">;

const product = traceGraph(
  "product",
  [
    { name: "a", dtype: "f32", shape: ["B", 3] },
    { name: "b", dtype: "f32", shape: [3, 2] },
  ],
  ([a, b]) => [matmul(a as Float, b as Float)],
);
const a = fromNested([[1, 2, 3]]);
const b = fromNested([
  [1, 0],
  [0, 1],
  [1, 1],
]);

test("a product's kernel has its FLOP and bytes, and rates that follow from its time", async () => {
  const executable = await device.compile(product);
  const [kernel, ...others] = await executable.profile({ a, b });
  expect(others).toEqual([]);
  expect(kernel).toMatchObject({ name: "k0_dot", label: "product: dot", dispatches: 1, flops: 12, bytes: 44 });
  expect(kernel?.site).toMatch(/profile\.test\.ts:\d+/);
  expect(kernel?.milliseconds).toBeGreaterThanOrEqual(0);
  expect(kernel).toMatchObject(ratesOf({ flops: 12, bytes: 44, milliseconds: kernel?.milliseconds ?? Number.NaN }));
  executable.destroy();
});

test("rates are in 10^9 per second, and undefined for a time of 0", () => {
  const work = { flops: 3e9, bytes: 6e9 };
  expect(ratesOf({ ...work, milliseconds: 1500 })).toEqual({ gigaflopsPerSecond: 2, gigabytesPerSecond: 4 });
  expect(ratesOf({ ...work, milliseconds: 0 })).toEqual({
    gigaflopsPerSecond: undefined,
    gigabytesPerSecond: undefined,
  });
});

test("a kernel in a loop counts every step, one cut into chunks counts once, and both have the same FLOP", async () => {
  const graph = traceGraph(
    "decay",
    [
      { name: "h", dtype: "f32", shape: ["B", 2] },
      { name: "xs", dtype: "f32", shape: ["T", "B", 2] },
    ],
    ([h, xs]) => {
      const step = ([before]: readonly Tensor[], [x]: readonly Tensor[]) => {
        return { carries: [add(mul(before as Float, 0.5), x as Float)], ys: [] };
      };
      return scanTensors(step, [h as Float], [xs as Float]).carries;
    },
  );
  const inputs = { h: fromNested([[1, 2]]), xs: fromNested([[[1, 1]], [[2, 2]], [[3, 3]]]) };
  const profiled = async (options: object) => {
    const executable = await device.compile(graph, options);
    const kernels = await executable.profile(inputs);
    executable.destroy();
    return kernels.map(({ dispatches, flops }) => ({ dispatches, flops }));
  };
  expect(await profiled({ schedule: "stepwise" })).toEqual([{ dispatches: 3, flops: 12 }]);
  expect(await profiled({ schedule: "persistent", chunkSteps: 2 })).toEqual([{ dispatches: 1, flops: 12 }]);
});

test("a donated input keeps its array, which then holds the output", async () => {
  const graph = traceGraph("twice", [{ name: "x", dtype: "f32", shape: [2] }], ([x]) => [add(x as Float, x as Float)]);
  const executable = await device.compile(graph, { donate: { x: 0 } });
  const x = device.upload(fromNested([1, 2]));
  await executable.profile({ x });
  await executable.profile({ x });
  expect([...(await x.read()).data]).toEqual([4, 8]);
  x.destroy();
  executable.destroy();
});

const network = languageModel({ cell: gru, units: 6, layers: 1, vocabulary: 5, embed: 3 });
const tokens = (start: number) => ({
  dtype: "i32" as const,
  shape: [4, 2],
  data: Float64Array.from({ length: 8 }, (_, i) => (start + 3 * i) % 5),
});
const batch: Batch = { x: tokens(0), targets: tokens(1) };

test("a trainer's profile does not affect its training", slow, async () => {
  const losses = async (isProfiled: boolean) => {
    const trainer = await createTrainer(device, network, { learningRate: 0.05, seed: 2 });
    const found: number[] = [];
    for (let step = 0; step < 3; step++) {
      if (isProfiled) expect((await trainer.profile(batch)).length).toBeGreaterThan(5);
      found.push((await trainer.step(batch)).loss);
    }
    trainer.destroy();
    return found;
  };
  expect(await losses(true)).toEqual(await losses(false));
});

test("a device that cannot profile is a one-line error", async () => {
  const executable = await openInterpreter().compile(product);
  await expect(executable.profile({ a, b })).rejects.toThrow(/^device "interpreter" has no kernels/);
  const host = await requestAdapter("software");
  const context = new GpuContext(host, await host.adapter.requestDevice());
  const loaded = await LoadedProgram.load(context, compileProgram(product));
  await expect(loaded.profile({ a, b })).rejects.toThrow(/^\S.* has no timestamp queries, so .*"software"$/);
  context.destroy();
});

/** @file Threads share large dispatches, do no workgroup twice, and leave small dispatches to one thread. */
import { afterAll, describe, expect, test } from "vitest";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import type { CpuProgram, Step } from "../../compiler/plan/program.ts";
import { uploadCpuArray } from "../../runtime/cpu/arrays.ts";
import { CpuContext } from "../../runtime/cpu/context.ts";
import { grainsOf } from "../../runtime/cpu/cost.ts";
import { LoadedCpuProgram } from "../../runtime/cpu/loaded-program.ts";
import { dispatch, everyStep, kernels, workOf } from "./hand-made.ts";

const opened = CpuContext.open({ threads: 3 });
const alone = CpuContext.open({ threads: 1 });
afterAll(async () => {
  for (const context of [opened, alone]) (await context).destroy();
});

/** y after these steps, for N numbers 1, 2, 3, … */
async function outcome(
  context: CpuContext,
  steps: readonly Step[],
  N: number,
  T: number,
  rest: Partial<CpuProgram> = {},
) {
  const program = await LoadedCpuProgram.load(context, everyStep(context.memory, { steps, ...rest }));
  const numbers = ndarray(
    [N],
    Array.from({ length: N }, (_, i) => i + 1),
  );
  const time = ndarray([T], new Array(T).fill(0));
  const [y] = program.run({ x: numbers, y: uploadCpuArray(context, numbers), time });
  const { data } = (await y?.read()) ?? { data: [] };
  program.destroy();
  return [...data];
}

test("two workgroups of a large dispatch run at once, also after the memory has grown", async () => {
  const context = await opened;
  const two = { rows: [2], rowsPer: 1, columns: [1], lanes: 1 } as const;
  const meet = () => outcome(context, [dispatch(kernels.meet, { grid: [two] })], 32, 0);
  expect((await meet()).slice(0, 8)).toEqual(new Array(8).fill(1));
  const large = uploadCpuArray(context, ndarray([10 ** 6], new Array(10 ** 6).fill(0)));
  expect((await meet()).slice(0, 8)).toEqual(new Array(8).fill(1));
  large.destroy();
});

describe("with more dispatches than the counter distinguishes", () => {
  /** Makes every kernel large enough to be shared. */
  const large = (program: CpuProgram) => program.kernels.map((kernel) => ({ ...kernel, work: workOf(1e6) }));

  test.each([
    [8, 70_000],
    [100, 2000],
    [4000, 300],
  ])("every workgroup runs once, at N=%i and %i dispatches", async (N, T) => {
    const context = await opened;
    const one = await alone;
    const steps: Step[] = [
      { kind: "loop", length: "T", reverse: false, body: [dispatch(kernels.decay)], otherwise: [] },
      dispatch(kernels.one),
    ];
    const every = everyStep(context.memory);
    const shared = await outcome(context, steps, N, T, { kernels: large(every) });
    expect(shared).toEqual(await outcome(one, steps, N, T));
  });
});

test("small dispatches run on one thread, and ranges are large enough to be worth claiming", () => {
  expect(grainsOf(100_000, 0, [1000], 4)).toEqual([]);
  expect(grainsOf(0, 100_000, [1000], 4)).toEqual([]);
  expect(grainsOf(1e9, 0, [1], 4)).toEqual([]);
  expect(grainsOf(1e9, 0, [1000], 1)).toEqual([]);
  expect(grainsOf(0, 1e9, [3200], 4)).toEqual([100]);
  // Eight ranges per thread for four threads, and at least one per thread.
  expect(grainsOf(1e9, 0, [3200], 4)).toEqual([100]);
  expect(grainsOf(160_000, 0, [4000], 4)).toEqual([800]);
  expect(grainsOf(160_000, 0, [4000], 16)).toEqual([250]);
  expect(grainsOf(1e12, 0, [1e6], 100_000)).toEqual([31]);
});

test("each part of a grid is divided on its own", () => {
  expect(grainsOf(1e9, 0, [320, 8, 0, 33], 2)).toEqual([20, 1, 1, 3]);
  // The time for claims is that of the whole dispatch: 10 ranges in all, and at least one of each part per thread.
  expect(grainsOf(320_000, 0, [100, 100], 2)).toEqual([20, 20]);
  expect(grainsOf(320_000, 0, [100, 100], 8)).toEqual([13, 13]);
  // No more ranges in all than the engine counts.
  expect(grainsOf(1e12, 0, [1e6, 1e6], 100_000)).toEqual([62, 62]);
});

test("a page that is not cross-origin isolated has one thread with unshared memory", async () => {
  Reflect.set(globalThis, "crossOriginIsolated", false);
  try {
    const context = await CpuContext.open({ threads: 2 });
    expect([context.threads, context.memory.isShared]).toEqual([1, false]);
    context.destroy();
  } finally {
    Reflect.deleteProperty(globalThis, "crossOriginIsolated");
  }
});

/** @file Threads that help: they do, they do nothing twice, and what there is little of they leave to one. */
import { afterAll, describe, expect, test } from "vitest";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import type { CpuProgram, Step } from "../../compiler/plan/program.ts";
import { uploadCpuArray } from "../../runtime/cpu/arrays.ts";
import { CpuContext } from "../../runtime/cpu/context.ts";
import { grainOf } from "../../runtime/cpu/cost.ts";
import { LoadedCpuProgram } from "../../runtime/cpu/loaded-program.ts";
import { dispatch, everyStep, kernels, workOf } from "./hand-made.ts";

const opened = CpuContext.open({ threads: 3 });
const alone = CpuContext.open({ threads: 1 });
afterAll(async () => {
  for (const context of [opened, alone]) (await context).destroy();
});

/** y after these steps, at N numbers that are 1, 2, 3, … */
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

test("two workgroups of a large dispatch run at once, also where the memory has grown", async () => {
  const context = await opened;
  const two = { rows: [2], rowsPer: 1, columns: [1], lanes: 1 } as const;
  const meet = () => outcome(context, [dispatch(kernels.meet, { grid: [two] })], 32, 0);
  expect((await meet()).slice(0, 8)).toEqual(new Array(8).fill(1));
  const large = uploadCpuArray(context, ndarray([10 ** 6], new Array(10 ** 6).fill(0)));
  expect((await meet()).slice(0, 8)).toEqual(new Array(8).fill(1));
  large.destroy();
});

describe("of more dispatches than are told apart", () => {
  /** Whatever it is, it is worth sharing. */
  const large = (program: CpuProgram) => program.kernels.map((kernel) => ({ ...kernel, work: workOf(1e6) }));

  test.each([
    [8, 70_000],
    [100, 2000],
    [4000, 300],
  ])("each does every workgroup once, at N=%i and %i of them", async (N, T) => {
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

test("what other threads would come too late for is left to one, and a range is worth taking", () => {
  expect(grainOf(100_000, 0, 1000, 4)).toBe(0);
  expect(grainOf(0, 100_000, 1000, 4)).toBe(0);
  expect(grainOf(1e9, 0, 1, 4)).toBe(0);
  expect(grainOf(1e9, 0, 1000, 1)).toBe(0);
  expect(grainOf(0, 1e9, 3200, 4)).toBe(100);
  // Eight ranges for each of four threads, and no less than one for each.
  expect(grainOf(1e9, 0, 3200, 4)).toBe(100);
  expect(grainOf(160_000, 0, 4000, 4)).toBe(800);
  expect(grainOf(160_000, 0, 4000, 16)).toBe(250);
  expect(grainOf(1e12, 0, 1e6, 100_000)).toBe(31);
});

test("a page that is not isolated from other origins has one thread, whose memory is its own", async () => {
  Reflect.set(globalThis, "crossOriginIsolated", false);
  try {
    const context = await CpuContext.open({ threads: 2 });
    expect([context.threads, context.memory.isShared]).toEqual([1, false]);
    context.destroy();
  } finally {
    Reflect.deleteProperty(globalThis, "crossOriginIsolated");
  }
});

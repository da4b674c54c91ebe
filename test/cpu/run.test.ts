/** @file Running programs on the CPU: every kind of step, with every arrangement of threads. */
import { afterAll, describe, expect, test } from "vitest";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import { uploadCpuArray } from "../../runtime/cpu/arrays.ts";
import { CpuContext, type CpuOptions } from "../../runtime/cpu/context.ts";
import { LoadedCpuProgram } from "../../runtime/cpu/loaded-program.ts";
import { everyStep, expected } from "./hand-made.ts";

const places: Record<string, CpuOptions> = {
  "two threads": { threads: 2 },
  "three threads": { threads: 3 },
  "one worker": { threads: 1 },
  "the caller's thread": { place: "caller" },
};

const numbers = (count: number, start: number) =>
  Array.from({ length: count }, (_, i) => Math.fround(Math.sin(start + i)));

describe.each(Object.entries(places))("%s", (_, options) => {
  const opened = CpuContext.open(options);
  afterAll(async () => (await opened).destroy());

  test.each([
    [8, 0],
    [4096, 7],
    [40000, 3],
  ])("every step, at N=%i and T=%i", async (N, T) => {
    const context = await opened;
    const program = await LoadedCpuProgram.load(context, everyStep(context.memory), [2]);
    const [x, y] = [numbers(N, 1), numbers(N, 2)];
    const time = ndarray([T], new Array(T).fill(0));
    const uploaded = uploadCpuArray(context, ndarray([N], y));
    const [first, pair, four] = program.run({ x: ndarray([N], x), y: uploaded, time });
    const once = expected(x, y, T);
    expect([...((await four?.read())?.data ?? [])]).toEqual(once.pair.slice(N, N + 4));
    expect([...((await pair?.read())?.data ?? [])]).toEqual(once.pair);
    expect([...((await first?.read())?.data ?? [])]).toEqual(once.y);
    // Another array at another address, and a result of the first run.
    const other = uploadCpuArray(context, ndarray([N], x));
    const [second] = program.run({ x: first as NonNullable<typeof first>, y: other, time });
    expect([...((await second?.read())?.data ?? [])]).toEqual(expected(once.y, x, T).y);
    program.destroy();
  });
});

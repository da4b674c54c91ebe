/** @file A fault on the CPU is one clear error, for everything that waits. */
import { afterEach, expect, test } from "vitest";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import type { CpuProgram } from "../../compiler/plan/program.ts";
import { uploadCpuArray } from "../../runtime/cpu/arrays.ts";
import { CpuContext, type CpuOptions } from "../../runtime/cpu/context.ts";
import { LoadedCpuProgram } from "../../runtime/cpu/loaded-program.ts";
import { dispatch, everyStep, kernels, workOf } from "./hand-made.ts";

const contexts: CpuContext[] = [];
afterEach(() => {
  for (const context of contexts.splice(0)) context.destroy();
});

async function open(options: CpuOptions): Promise<CpuContext> {
  const context = await CpuContext.open(options);
  contexts.push(context);
  return context;
}

const line = (error: unknown) => (error instanceof Error ? `${error.name}: ${error.message}` : `no error: ${error}`);
const places: [string, CpuOptions][] = [
  ["2 threads", { threads: 2 }],
  ["1 thread", { threads: 1 }],
  ["the caller's thread", { place: "caller" }],
];

/** A run of one kernel at N=400. */
async function start(context: CpuContext, kernel: number, rest: Partial<CpuProgram> = {}) {
  const steps = [dispatch(kernel)];
  const program = await LoadedCpuProgram.load(context, everyStep(context.memory, { steps, ...rest }), [2]);
  const values = ndarray([400], new Array(400).fill(1));
  const run = () => program.run({ x: values, y: uploadCpuArray(context, values), time: ndarray([1], [0]) });
  return { program, run };
}

test.each(places)("a kernel that traps, with %s", async (name, options) => {
  const context = await open(options);
  const { run } = await start(context, kernels.trap);
  const other = uploadCpuArray(context, ndarray([2], [1, 2]));
  const [first, , third] = run();
  const waiting = [first, third, other].map((array) => array?.read().catch(line));
  const lost = `DeviceLostError: the device WebAssembly SIMD, ${name} was lost: kernel k_trap of everyStep failed: unreachable; open a new one and continue from the last saved weights`;
  expect(await Promise.all(waiting)).toEqual([lost, lost, lost]);
  expect(line(await context.lost)).toBe(lost);
  for (const act of [run, () => uploadCpuArray(context, ndarray([1], [1]))]) expect(act).toThrow(await context.lost);
  expect(line(await other.read().catch((error) => error))).toBe(lost);
  expect(line(await start(context, kernels.one).catch((error) => error))).toBe(lost);
});

test("a kernel that traps in any thread", async () => {
  const context = await open({ threads: 3 });
  const every = everyStep(context.memory);
  const { run } = await start(context, kernels.trap, {
    kernels: every.kernels.map((kernel) => ({ ...kernel, work: workOf(1e9) })),
  });
  run();
  expect((await context.lost).message).toContain("kernel k_trap of everyStep failed: unreachable");
});

test.each(places.slice(0, 2))(
  "a kernel that never ends is waited for until the timeout, and ends with the device: %s",
  async (_, options) => {
    const context = await open({ ...options, timeout: 0.2 });
    const { run } = await start(context, kernels.forever);
    const [first, , third] = run();
    const late = `DeviceTimeoutError: the device ${context.name} has not answered for 0.2 s when asked to run everyStep at N=400, T=1: it hangs`;
    expect(line(await first?.read().catch((error) => error))).toContain(late);
    expect(line(await third?.read().catch((error) => error))).toContain(late);
    context.destroy();
    expect((await context.lost).message).toContain("was lost: it was destroyed; open a new one");
  },
);

test.each(places)("pending reads reject when the device is destroyed: %s", async (_, options) => {
  const context = await open(options);
  const { run } = await start(context, kernels.one);
  const [first] = run();
  const reading = first?.read().catch((error) => error);
  context.destroy();
  context.destroy();
  expect(line(await reading)).toMatch(/^DeviceLostError: .* was lost: it was destroyed; /);
});

test("an error for a module that the engine rejects names the program", async () => {
  const context = await open({ threads: 2 });
  const before = context.heap.allocated;
  const broken = everyStep(context.memory, { module: new Uint8Array([0, 97, 115, 109]) });
  expect(line(await LoadedCpuProgram.load(context, broken).catch((error) => error))).toMatch(
    /^UserError: everyStep: the engine does not compile its module: /,
  );
  const other = everyStep({ ...context.memory, isShared: false });
  expect(line(await LoadedCpuProgram.load(context, other).catch((error) => error))).toMatch(
    /^Error: everyStep: the engine reports: /,
  );
  expect(context.heap.allocated).toEqual(before);
  // Followers still work.
  const { run } = await start(context, kernels.one);
  expect((await run()[0]?.read())?.data[0]).toBe(2);
});

test("inputs of another device, destroyed, donated, or only for the host are errors", async () => {
  const [context, other] = [await open({ threads: 1 }), await open({ place: "caller" })];
  const { program, run } = await start(context, kernels.one);
  const [x, time] = [ndarray([400], new Array(400).fill(1)), ndarray([1], [0])];
  const y = uploadCpuArray(context, x);
  const on = (inputs: Parameters<LoadedCpuProgram["run"]>[0]) => () => program.run({ x, y, time, ...inputs });
  expect(on({ x: uploadCpuArray(other, x) })).toThrow("everyStep: input x is an array of another device");
  expect(on({ y: x })).toThrow("everyStep: input y is donated, so it must be a device array: upload it");
  expect(on({ x: y })).toThrow("everyStep: inputs x and y are the same array");
  expect(on({ time: ndarray([1], [0], "i32") })).toThrow("everyStep: input time is i32; expected f32");
  const [, , four] = run();
  expect(on({ time: four as NonNullable<typeof four> })).toThrow(
    "input time is a readback result, which only the host can read",
  );
  on({})();
  expect(on({})).toThrow("everyStep: input y was destroyed, or donated to an earlier run; upload it again");
  expect(line(await y.read().catch((error) => error))).toMatch(/^UserError: this array was destroyed, or donated/);
});

test("the caller's thread gets control back while kernels run", async () => {
  const context = await open({ place: "caller" });
  const steps = [
    { kind: "loop", length: "T", reverse: false, body: [dispatch(kernels.decay)], otherwise: [] },
  ] as const;
  const program = await LoadedCpuProgram.load(context, everyStep(context.memory, { steps }));
  const values = ndarray([100_000], new Array(100_000).fill(1));
  let turns = 0;
  let isDone = false;
  const [y] = program.run({
    x: values,
    y: uploadCpuArray(context, values),
    time: ndarray([4000], new Array(4000).fill(0)),
  });
  const reading = y?.read().then(() => {
    isDone = true;
  });
  while (!isDone) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    turns++;
  }
  await reading;
  expect(turns).toBeGreaterThan(3);
});

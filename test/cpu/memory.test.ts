/** @file Memory of the CPU device: blocks, growth, and running out of memory. */
import { afterEach, expect, test } from "vitest";
import { margins } from "../../compiler/graph/margins.ts";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import { type CpuArray, uploadCpuArray } from "../../runtime/cpu/arrays.ts";
import { CpuContext, type CpuOptions } from "../../runtime/cpu/context.ts";
import { type Block, endOf, Heap } from "../../runtime/cpu/heap.ts";
import { LoadedCpuProgram } from "../../runtime/cpu/loaded-program.ts";
import { fewOf } from "../support/some-of.ts";
import { everyStep, expected } from "./hand-made.ts";
import { bitsOf } from "./job.ts";

const contexts: CpuContext[] = [];
const { Memory } = WebAssembly;

async function open(options: CpuOptions): Promise<CpuContext> {
  const context = await CpuContext.open(options);
  contexts.push(context);
  return context;
}

afterEach(() => {
  Reflect.set(WebAssembly, "Memory", Memory);
  for (const context of contexts.splice(0)) context.destroy();
});

const numbers = (count: number, start = 0) => Array.from({ length: count }, (_, i) => start + (i % 1000));
const message = (error: unknown) => (error instanceof Error ? `${error.name}: ${error.message}` : `no error: ${error}`);

test("blocks never overlap, keep margins at both ends, and are reused after they are freed", () => {
  const limit = 1 << 20;
  const heap = new Heap(limit);
  const live: Block[] = [];
  let random = 1;
  const next = (below: number) => {
    random = (random * 48271) % 2147483647;
    return random % below;
  };
  for (let i = 0; i < 1000; i++) {
    if (next(2) === 0 || live.length === 0) {
      const block = heap.take(next(20_000));
      if (block !== undefined) live.push(block);
    } else heap.free(live.splice(next(live.length), 1)[0] as Block);
    const sorted = [...live].sort((a, b) => a.address - b.address);
    const ends = sorted.map(({ address, size }) => address + size);
    expect(sorted.every(({ address }, j) => address % 64 === 0 && address >= (ends[j - 1] ?? 64))).toBe(true);
    expect(ends.at(-1) ?? 0).toBeLessThanOrEqual(limit - margins.behind);
    expect(heap.allocated).toEqual({ bytes: live.reduce((sum, { size }) => sum + size, 0), buffers: live.length });
  }
  for (const block of live) heap.free(block);
  expect(heap.allocated).toEqual({ bytes: 0, buffers: 0 });
  // All free ranges are merged again.
  expect(heap.take(limit - 64 - margins.behind)).toEqual({ address: 64, size: limit - 64 - margins.behind });
  expect(heap.take(1)).toBeUndefined();
});

test("the smallest sufficient free range is used", () => {
  const heap = new Heap(1 << 20);
  const [a, , b] = [640, 64, 128, 64].map((bytes) => heap.take(bytes)) as [Block, Block, Block, Block];
  heap.free(a);
  heap.free(b);
  expect(heap.take(100)).toEqual(b);
  expect(endOf([a, undefined, b])).toBe(b.address + b.size + margins.behind);
});

fewOf<readonly [string, CpuOptions]>(
  [
    ["two threads", { threads: 2 }],
    ["one worker", { threads: 1 }],
    ["the caller's thread", { place: "caller" }],
  ],
  ([name]) => name !== "the caller's thread",
)("arrays keep their numbers while the memory grows: %s", async (_, options) => {
  const context = await open(options);
  const program = await LoadedCpuProgram.load(context, everyStep(context.memory));
  const arrays: CpuArray[] = [];
  const time = ndarray([1], [0]);
  for (const N of [16, 50_000, 150_000]) {
    const values = numbers(N, N % 7);
    arrays.push(uploadCpuArray(context, ndarray([N], values)));
    const y = uploadCpuArray(context, ndarray([N], values));
    const [out] = program.run({ x: ndarray([N], values), y, time });
    expect(bitsOf((await out?.read())?.data ?? [])).toBe(bitsOf(expected(values, values, 1).y));
  }
  for (const [i, N] of [16, 50_000, 150_000].entries())
    expect(bitsOf((await arrays[i]?.read())?.data ?? [])).toBe(bitsOf(numbers(N, N % 7)));
});

test("runs and programs leak no memory", async () => {
  const context = await open({ threads: 2 });
  const before = context.heap.allocated;
  const program = await LoadedCpuProgram.load(context, everyStep(context.memory), [2]);
  const N = 512;
  let y = uploadCpuArray(context, ndarray([N], numbers(N)));
  let after: object | undefined;
  for (let i = 0; i < 200; i++) {
    const [next, pair, four] = program.run({ x: ndarray([N], numbers(N)), y, time: ndarray([2], [0, 0]) });
    pair?.destroy();
    if (i % 20 === 0) await four?.read();
    four?.destroy();
    y = next as CpuArray;
    after ??= context.heap.allocated;
  }
  expect(context.heap.allocated).toEqual(after);
  program.destroy();
  program.destroy();
  y.destroy();
  expect(context.heap.allocated).toEqual(before);
  expect(() => program.run({ x: ndarray([N], numbers(N)), y, time: ndarray([1], [0]) })).toThrow(
    "everyStep was destroyed; compile it again",
  );
});

test("tapes of recently used sizes are cached, up to a limit", async () => {
  const context = await open({ threads: 1 });
  const program = await LoadedCpuProgram.load(context, everyStep(context.memory), [1, 2]);
  const [N, values] = [16, numbers(16)];
  let y = uploadCpuArray(context, ndarray([N], values));
  let state = values;
  const run = async (T: number) => {
    const [next] = program.run({ x: ndarray([N], values), y, time: ndarray([T], new Array(T).fill(0)) });
    y = next as CpuArray;
    state = expected(values, state, T).y;
    expect([...(await y.read()).data]).toEqual(state);
    return context.heap.allocated.buffers;
  };
  await run(40);
  const one = await run(30);
  const two = await run(20);
  expect(two).toBe(one + 1);
  expect(await run(30)).toBe(two);
  // Now only the last tape is cached, however large it is.
  context.tapeBytes = 1;
  for (const T of [40, 1, 30]) expect(await run(T)).toBe(one - 1);
});

test("an out-of-memory error names the value, no part of the run is done, and a smaller run works", async () => {
  const context = await open({ threads: 2, maximumPages: 64 });
  expect(() => uploadCpuArray(context, ndarray([2 ** 20], numbers(2 ** 20)))).toThrow(
    "the device WebAssembly SIMD, 2 threads is out of memory: an array [1048576] needs 4.0 MiB; lower the batch",
  );
  const program = await LoadedCpuProgram.load(context, everyStep(context.memory));
  const N = 200_000;
  const y = uploadCpuArray(context, ndarray([N], numbers(N)));
  expect(() => program.run({ x: ndarray([N], numbers(N)), y, time: ndarray([1], [0]) })).toThrow(
    "out of memory: everyStep at N=200000, T=1: output 1 needs 3.8 MiB; lower",
  );
  expect([...(await y.read()).data]).toEqual(numbers(N));
  // Scratch memory, and y.
  expect(context.heap.allocated.buffers).toBe(2);
  const few = numbers(100);
  const [out] = program.run({
    x: ndarray([100], few),
    y: uploadCpuArray(context, ndarray([100], few)),
    time: ndarray([1], [0]),
  });
  expect([...((await out?.read())?.data ?? [])]).toEqual(expected(few, few, 1).y);
});

/** Simulates an engine that allows a maximum of `mostPages` pages, and growth up to `mostGrown` pages. */
function limitMemory(mostPages: number, mostGrown: number): number[] {
  const asked: number[] = [];
  Reflect.set(
    WebAssembly,
    "Memory",
    class extends Memory {
      constructor(descriptor: WebAssembly.MemoryDescriptor) {
        asked.push(descriptor.maximum ?? 0);
        if ((descriptor.maximum ?? 0) > mostPages) throw new RangeError("could not allocate memory");
        super(descriptor);
      }
      override grow(pages: number): number {
        if (this.buffer.byteLength / 65536 + pages > mostGrown) throw new RangeError("could not grow memory");
        return super.grow(pages);
      }
    },
  );
  return asked;
}

test("a maximum that the engine refuses is halved", async () => {
  const asked = limitMemory(20_000, 20_000);
  const context = await open({ place: "caller" });
  expect(asked).toEqual([65536, 32768, 16384]);
  expect(context.heap.limit).toBe(16384 * 65536);
});

test("without any memory the device is unavailable", async () => {
  limitMemory(0, 0);
  const line = await open({ place: "caller" }).catch(message);
  expect(line).toBe(
    "DeviceUnavailableError: WebAssembly cannot allocate memory (could not allocate memory). Close other programs or pages that use it.",
  );
});

test.each([
  ["that was not written yet", false],
  ["that lacks an address", true],
])("a run after an out-of-memory run is rejected if it would use a tape %s", async (_, hasRun) => {
  limitMemory(65536, 40);
  const context = await open({ place: "caller" });
  const program = await LoadedCpuProgram.load(context, everyStep(context.memory));
  const few = numbers(16);
  const upload = (start: number) => uploadCpuArray(context, ndarray([16], numbers(16, start)));
  const run = (x: CpuArray, y: CpuArray) => program.run({ x, y, time: ndarray([1], [0]) })[0] as CpuArray;
  const [first, second] = [upload(500), upload(0)];
  const later = [upload(0), upload(0)];
  if (hasRun) await run(first, upload(0)).read();
  // Words that are valid in a tape, so that running it would terminate.
  const low = uploadCpuArray(context, ndarray([2 ** 14], new Array(2 ** 14).fill(1), "i32"));
  const large = uploadCpuArray(context, ndarray([10 ** 6], numbers(10 ** 6)));
  const behindIt = upload(0);
  low.destroy();
  const without = run(second, behindIt);
  const after = run(second, upload(0));
  for (const array of [without, after])
    expect(message(await array.read().catch((error) => error))).toMatch(
      /^DeviceMemoryError: .* everyStep at N=16, T=1 /,
    );
  // Of uploads that such a run took along, those are lost for which there was no memory.
  expect(message(await large.read().catch((error) => error))).toMatch(/^DeviceMemoryError: .* an array \[1000000\] /);
  for (const y of later) expect([...(await y.read()).data]).toEqual(numbers(16, 0));
  large.destroy();
  // The tape is rewritten in place, and later runs use it.
  for (const y of later) expect([...(await run(second, y).read()).data]).toEqual(expected(few, few, 1).y);
});

test("memory that cannot grow to its maximum is out of memory", async () => {
  limitMemory(65536, 40);
  const context = await open({ place: "caller" });
  const large = uploadCpuArray(context, ndarray([10 ** 6], numbers(10 ** 6)));
  expect(message(await large.read().catch((error) => error))).toMatch(
    /^DeviceMemoryError: the device WebAssembly SIMD, the caller's thread is out of memory: an array \[1000000\] needs 3\.8 MiB; lower/,
  );
  large.destroy();
  expect(context.heap.limit).toBe(16 * 65536);
});

/** @file Workers that end, or that the host does not start. */
import { syncBuiltinESMExports } from "node:module";
import threads from "node:worker_threads";
import { afterEach, expect, test } from "vitest";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import { uploadCpuArray } from "../../runtime/cpu/arrays.ts";
import { CpuContext } from "../../runtime/cpu/context.ts";
import { LoadedCpuProgram } from "../../runtime/cpu/loaded-program.ts";
import { controlWords, type EngineMessage } from "../../runtime/cpu/protocol.ts";
import { everyStep, expected } from "./hand-made.ts";

/** The host's own Worker; imported bindings follow a replacement. */
const { Worker } = threads;

const contexts: CpuContext[] = [];

const values = (count: number, start: number) =>
  Array.from({ length: count }, (_, i) => Math.fround(Math.sin(start + i)));

function replaceWorker(given: typeof Worker): void {
  threads.Worker = given;
  syncBuiltinESMExports();
}

async function open(): Promise<CpuContext> {
  const context = await CpuContext.open({ threads: 3 });
  contexts.push(context);
  return context;
}

afterEach(() => {
  replaceWorker(Worker);
  for (const context of contexts.splice(0)) context.destroy();
});

/** Makes the host start at most `count` workers; returns the list of them. */
function atMost(count: number): threads.Worker[] {
  const started: threads.Worker[] = [];
  replaceWorker(
    class extends Worker {
      constructor(...given: ConstructorParameters<typeof Worker>) {
        if (started.length === count) throw new Error("no more threads");
        super(...given);
        started.push(this);
      }
    },
  );
  return started;
}

test.each([0, 2])("a worker that ends loses the device: %i", async (number) => {
  const started = atMost(3);
  const context = await open();
  const array = uploadCpuArray(context, ndarray([2], [1, 2]));
  await array.read();
  await started[number]?.terminate();
  const { message } = await context.lost;
  // 0 if it had not started.
  expect(message).toMatch(
    /^the device WebAssembly SIMD, 3 threads was lost: a worker ended with code [01]; open a new one/,
  );
  await expect(array.read()).rejects.toThrow(message);
});

test.each([
  [2, "2 threads"],
  [1, "1 thread"],
  [0, "the caller's thread"],
])("with %i workers from the host: %s", async (count, place) => {
  atMost(count);
  const context = await open();
  expect(context.name).toBe(`WebAssembly SIMD, ${place}`);
  const array = uploadCpuArray(context, ndarray([2], [1, 2]));
  expect([...(await array.read()).data]).toEqual([1, 2]);
});

test("a worker that never starts is retried once, then the caller's thread is used", async () => {
  const started: threads.Worker[] = [];
  replaceWorker(
    class extends Worker {
      constructor(_: string | URL, options?: threads.WorkerOptions) {
        super("setInterval(() => {}, 1e6)", options);
        started.push(this);
      }
    },
  );
  const context = await CpuContext.open({ threads: 2, patience: 0.05 });
  contexts.push(context);
  expect([started.length, context.name]).toEqual([2, "WebAssembly SIMD, the caller's thread"]);
});

/** Notes what the host sends to each worker, in the order in which they start. */
function listening(): EngineMessage[][] {
  const sent: EngineMessage[][] = [];
  replaceWorker(
    class extends Worker {
      readonly #messages: EngineMessage[] = [];
      constructor(...given: ConstructorParameters<typeof Worker>) {
        super(...given);
        sent.push(this.#messages);
      }
      override postMessage(message: EngineMessage, transfer?: readonly threads.Transferable[]): void {
        this.#messages.push(message);
        super.postMessage(message, transfer);
      }
    },
  );
  return sent;
}

test("a run takes the uploads of its turn along, and followers are awake until it is done", async () => {
  const sent = listening();
  const context = await open();
  const program = await LoadedCpuProgram.load(context, everyStep(context.memory));
  const [N, x, y] = [40_000, values(40_000, 1), values(40_000, 2)];
  const early = uploadCpuArray(context, ndarray([N], y));
  await early.read();
  const late = uploadCpuArray(context, ndarray([N], x));
  const outputs = program.run({ x: late, y: early, time: ndarray([1], [0]) });
  const [leader = [], follower = []] = sent;
  expect(leader.map(({ kind }) => kind)).toEqual(["lead", "load", "write", "read", "run"]);
  const first = follower[0];
  if (first?.kind !== "follow") throw new Error("a follower's first message is not the expected one");
  // The number of runs on their way.
  const runs = () => Atomics.load(new Int32Array(first.control), controlWords.runs);
  expect(runs()).toBe(1);
  expect([...((await outputs[0]?.read())?.data ?? [])]).toEqual(expected(x, y, 1).y);
  expect(runs()).toBe(0);
  expect([...(await late.read()).data]).toEqual(x);
});

test("a run with nothing to share wakes no follower", async () => {
  const sent = listening();
  const context = await open();
  const program = await LoadedCpuProgram.load(context, everyStep(context.memory));
  const [x, y] = [values(8, 1), values(8, 2)];
  const [output] = program.run({
    x: ndarray([8], x),
    y: uploadCpuArray(context, ndarray([8], y)),
    time: ndarray([1], [0]),
  });
  const first = sent[1]?.[0];
  if (first?.kind !== "follow") throw new Error("a follower's first message is not the expected one");
  expect(Atomics.load(new Int32Array(first.control), controlWords.runs)).toBe(0);
  expect([...((await output?.read())?.data ?? [])]).toEqual(expected(x, y, 1).y);
  expect(Atomics.load(new Int32Array(first.control), controlWords.runs)).toBe(0);
});

test.each([
  ["that the engine cannot instantiate", false, 2 ** 16, "the engine reports"],
  ["without enough memory", true, 2 ** 33, "out of memory"],
])("a program %s is unloaded from all workers", async (_, isShared, end, reason) => {
  const sent = listening();
  const context = await open();
  const { name, kernels, module } = everyStep({ ...context.memory, isShared });
  const command = { module: await WebAssembly.compile(module), scratch: 64, scratchStride: 64, end };
  await expect(context.load(name, kernels, command)).rejects.toThrow(reason);
  const kinds = sent.map((messages) => messages.map(({ kind }) => kind));
  expect(kinds).toEqual(["lead", "follow", "follow"].map((first) => [first, "load", "unload"]));
  // The workers still work.
  const array = uploadCpuArray(context, ndarray([2], [1, 2]));
  expect([...(await array.read()).data]).toEqual([1, 2]);
});

/** @file Workers that end, or that the host does not start. */
import { syncBuiltinESMExports } from "node:module";
import threads from "node:worker_threads";
import { afterEach, expect, test } from "vitest";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import { uploadCpuArray } from "../../runtime/cpu/arrays.ts";
import { CpuContext } from "../../runtime/cpu/context.ts";
import type { EngineMessage } from "../../runtime/cpu/protocol.ts";
import { everyStep } from "./hand-made.ts";

/** The host's own Worker; imported bindings follow a replacement. */
const { Worker } = threads;

const contexts: CpuContext[] = [];

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

test.each([
  ["that the engine cannot instantiate", false, 2 ** 16, "the engine reports"],
  ["without enough memory", true, 2 ** 33, "out of memory"],
])("a program %s is unloaded from all workers", async (_, isShared, end, reason) => {
  const sent: string[][] = [];
  replaceWorker(
    class extends Worker {
      readonly #kinds: string[] = [];
      constructor(...given: ConstructorParameters<typeof Worker>) {
        super(...given);
        sent.push(this.#kinds);
      }
      override postMessage(message: EngineMessage, transfer?: readonly threads.Transferable[]): void {
        this.#kinds.push(message.kind);
        super.postMessage(message, transfer);
      }
    },
  );
  const context = await open();
  const { name, kernels, module } = everyStep({ ...context.memory, isShared });
  const command = { module: await WebAssembly.compile(module), scratch: 64, scratchStride: 64, end };
  await expect(context.load(name, kernels, command)).rejects.toThrow(reason);
  expect(sent).toEqual(["lead", "follow", "follow"].map((first) => [first, "load", "unload"]));
  // The workers still work.
  const array = uploadCpuArray(context, ndarray([2], [1, 2]));
  expect([...(await array.read()).data]).toEqual([1, 2]);
});

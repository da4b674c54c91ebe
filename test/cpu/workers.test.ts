/** @file Workers that end, or that the host does not give. */
import { syncBuiltinESMExports } from "node:module";
import threads from "node:worker_threads";
import { afterEach, expect, test } from "vitest";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import { uploadCpuArray } from "../../runtime/cpu/arrays.ts";
import { CpuContext } from "../../runtime/cpu/context.ts";
import type { EngineMessage } from "../../runtime/cpu/protocol.ts";
import { everyStep } from "./hand-made.ts";

/** The host's own; names that are imported follow what is put in its place. */
const { Worker } = threads;

const contexts: CpuContext[] = [];

function hostGives(given: typeof Worker): void {
  threads.Worker = given;
  syncBuiltinESMExports();
}

async function open(): Promise<CpuContext> {
  const context = await CpuContext.open({ threads: 3 });
  contexts.push(context);
  return context;
}

afterEach(() => {
  hostGives(Worker);
  for (const context of contexts.splice(0)) context.destroy();
});

/** A host that starts at most `count` workers; they are listed. */
function atMost(count: number): threads.Worker[] {
  const started: threads.Worker[] = [];
  hostGives(
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

test.each([0, 2])("a worker that ends takes the device with it: %i", async (number) => {
  const started = atMost(3);
  const context = await open();
  const array = uploadCpuArray(context, ndarray([2], [1, 2]));
  await array.read();
  await started[number]?.terminate();
  const { message } = await context.lost;
  // 0 where it had not begun.
  expect(message).toMatch(
    /^the device WebAssembly SIMD, 3 threads was lost: a worker ended with code [01]; open a new one/,
  );
  await expect(array.read()).rejects.toThrow(message);
});

test.each([
  [2, "2 threads"],
  [1, "1 thread"],
  [0, "the caller's thread"],
])("of %i workers that the host gives: %s", async (count, place) => {
  atMost(count);
  const context = await open();
  expect(context.name).toBe(`WebAssembly SIMD, ${place}`);
  const array = uploadCpuArray(context, ndarray([2], [1, 2]));
  expect([...(await array.read()).data]).toEqual([1, 2]);
});

test("a worker that never begins is started again, and then the caller's thread does", async () => {
  const started: threads.Worker[] = [];
  hostGives(
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
  ["of which the engine makes no instance", false, 2 ** 16, "the engine reports"],
  ["for which there is no memory", true, 2 ** 33, "out of memory"],
])("a program %s is taken back from all workers", async (_, isShared, end, reason) => {
  const sent: string[][] = [];
  hostGives(
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
  // They go on.
  const array = uploadCpuArray(context, ndarray([2], [1, 2]));
  expect([...(await array.read()).data]).toEqual([1, 2]);
});

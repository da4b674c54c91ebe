/**
 * @file `peak.mjs`: prints the peaks of this machine in this engine as JSON, for one and two threads. Also the code of each
 * worker.
 */
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { hasRelaxedMadd } from "../../wasm/features.ts";
import { flopsOfTurn, type PeakForm, peakModule } from "./peak-module.ts";

export interface Peak extends PeakForm {
  readonly threads: number;
  /** The best of several repeats. */
  readonly gflops: number;
}

export interface Peaks {
  readonly hasRelaxed: boolean;
  readonly all: readonly Peak[];
}

interface Task {
  readonly module: Uint8Array<ArrayBuffer>;
  readonly turns: number;
  /** Number of ready threads, by repeat. */
  readonly ready: Int32Array;
  readonly threads: number;
}

const counts = [2, 4, 6, 8, 10, 12, 14, 16, 20];
const repeats = 6;
/** Operations per repeat: about 10 to 20 milliseconds. */
const flopsOfRepeat = 400e6;

/** Milliseconds of each repeat; all threads start together. */
function work({ module, turns, ready, threads }: Task): number[] {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module), { env: { memory } });
  const run = exports.run as (turns: number) => number;
  // Warms up: the engine optimises the function between calls.
  for (let i = 0; i < 400; i++) run(200);
  return Array.from({ length: repeats }, (_, i) => {
    Atomics.add(ready, i, 1);
    while (Atomics.load(ready, i) < threads);
    const start = performance.now();
    const value = run(turns);
    const milliseconds = performance.now() - start;
    if (!Number.isFinite(value)) throw new Error(`the peak's loop gave ${value}`);
    return milliseconds;
  });
}

async function measure(form: PeakForm, threads: number): Promise<Peak> {
  const turns = Math.round(flopsOfRepeat / flopsOfTurn(form));
  const ready = new Int32Array(new SharedArrayBuffer(4 * repeats));
  const task: Task = { module: peakModule(form), turns, ready, threads };
  const times = await Promise.all(
    Array.from({ length: threads }, () => {
      const worker = new Worker(new URL(import.meta.url), { workerData: task });
      return new Promise<number[]>((resolve, reject) => worker.once("message", resolve).once("error", reject));
    }),
  );
  const rates = Array.from({ length: repeats }, (_, i) => {
    const slowest = Math.max(...times.map((each) => each[i] ?? Number.NaN));
    return (threads * turns * flopsOfTurn(form)) / slowest / 1e6;
  });
  return { ...form, threads, gflops: Math.max(...rates) };
}

if (isMainThread) {
  const all: Peak[] = [];
  for (const threads of [1, 2])
    for (const isRelaxed of hasRelaxedMadd() ? [false, true] : [false])
      for (const accumulators of counts) all.push(await measure({ accumulators, isRelaxed }, threads));
  const peaks: Peaks = { hasRelaxed: hasRelaxedMadd(), all };
  console.log(JSON.stringify(peaks));
} else parentPort?.postMessage(work(workerData as Task));

/** @file Times kernels with timestamp queries, one compute pass each. */
import { UserError } from "../compiler/graph/errors.ts";
import type { GpuContext } from "./context.ts";
import { bufferUsage } from "./gpu-flags.ts";

const maxQueries = 4096;
const nanosecondsPerMillisecond = 1e6;

export class KernelTimer {
  readonly #context: GpuContext;
  readonly #queries: GPUQuerySet;
  readonly #resolved: GPUBuffer;
  readonly #milliseconds = new Map<number, number>();
  #pending: number[] = [];

  /** Throws a UserError if the adapter has no timestamp queries. */
  constructor(context: GpuContext) {
    if (!context.device.features.has("timestamp-query")) {
      throw new UserError(
        `${context.host.name} has no timestamp queries, so its kernels cannot be timed; use another device, such as "software"`,
      );
    }
    this.#context = context;
    this.#queries = context.device.createQuerySet({ type: "timestamp", count: maxQueries });
    this.#resolved = context.device.createBuffer({
      label: "timestamps",
      size: maxQueries * 8,
      usage: bufferUsage.QUERY_RESOLVE | bufferUsage.COPY_SRC,
    });
  }

  /** Splits steps into batches of as many dispatches as fit between two calls of `collect`. */
  *batches<T>(steps: readonly T[]): Generator<readonly T[]> {
    const capacity = maxQueries / 2;
    for (let start = 0; start < steps.length; start += capacity) yield steps.slice(start, start + capacity);
  }

  /** The timestamp queries for the next dispatch of a kernel. */
  next(kernel: number): GPUComputePassTimestampWrites {
    const first = 2 * this.#pending.length;
    this.#pending.push(kernel);
    return { querySet: this.#queries, beginningOfPassWriteIndex: first, endOfPassWriteIndex: first + 1 };
  }

  /** Submits the encoded commands and adds up their times. */
  async collect(encoder: GPUCommandEncoder): Promise<void> {
    const count = 2 * this.#pending.length;
    if (count > 0) encoder.resolveQuerySet(this.#queries, 0, count, this.#resolved, 0);
    this.#context.device.queue.submit([encoder.finish()]);
    if (count === 0) return;
    const stamps = new BigUint64Array(await this.#context.readBuffer(this.#resolved, count * 8));
    for (const [i, kernel] of this.#pending.entries()) {
      const nanoseconds = Number((stamps[2 * i + 1] ?? 0n) - (stamps[2 * i] ?? 0n));
      const before = this.#milliseconds.get(kernel) ?? 0;
      this.#milliseconds.set(kernel, before + nanoseconds / nanosecondsPerMillisecond);
    }
    this.#pending = [];
  }

  /** The total time of each kernel that has run. */
  get milliseconds(): ReadonlyMap<number, number> {
    return this.#milliseconds;
  }

  destroy(): void {
    this.#queries.destroy();
    this.#resolved.destroy();
  }
}

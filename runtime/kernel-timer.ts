/** @file Times kernels with timestamp queries, one pass each. */
import { at } from "../compiler/graph/errors.ts";
import type { Program } from "../compiler/plan/program.ts";
import type { GpuContext } from "./context.ts";

export interface KernelTime {
  readonly name: string;
  readonly label: string;
  readonly dispatches: number;
  /** Sum over all dispatches, on the device's clock. */
  readonly milliseconds: number;
}

const maxQueries = 4096;
const nanosecondsPerMillisecond = 1e6;

export class KernelTimer {
  /** Dispatches that fit between two calls of `collect`. */
  readonly capacity = maxQueries / 2;
  readonly #context: GpuContext;
  readonly #program: Program;
  readonly #queries: GPUQuerySet;
  readonly #resolved: GPUBuffer;
  readonly #totals = new Map<number, { dispatches: number; nanoseconds: number }>();
  #pending: number[] = [];

  constructor(context: GpuContext, program: Program) {
    this.#context = context;
    this.#program = program;
    this.#queries = context.device.createQuerySet({ type: "timestamp", count: maxQueries });
    this.#resolved = context.device.createBuffer({
      label: "timestamps",
      size: maxQueries * 8,
      usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    });
  }

  /** The queries around the next dispatch of a kernel. */
  next(kernel: number): GPUComputePassTimestampWrites {
    const first = 2 * this.#pending.length;
    this.#pending.push(kernel);
    return { querySet: this.#queries, beginningOfPassWriteIndex: first, endOfPassWriteIndex: first + 1 };
  }

  /** Submits what was encoded and adds its times up. */
  async collect(encoder: GPUCommandEncoder): Promise<void> {
    const count = 2 * this.#pending.length;
    if (count > 0) encoder.resolveQuerySet(this.#queries, 0, count, this.#resolved, 0);
    this.#context.device.queue.submit([encoder.finish()]);
    if (count === 0) return;
    const stamps = new BigUint64Array(await this.#context.readBuffer(this.#resolved, count * 8));
    for (const [i, kernel] of this.#pending.entries()) {
      const total = this.#totals.get(kernel) ?? { dispatches: 0, nanoseconds: 0 };
      total.dispatches += 1;
      total.nanoseconds += Number((stamps[2 * i + 1] ?? 0n) - (stamps[2 * i] ?? 0n));
      this.#totals.set(kernel, total);
    }
    this.#pending = [];
  }

  /** Times by kernel, in the order of the program. */
  times(): KernelTime[] {
    return [...this.#totals].map(([kernel, { dispatches, nanoseconds }]) => {
      const { name, label } = at(this.#program.kernels, kernel);
      return { name, label, dispatches, milliseconds: nanoseconds / nanosecondsPerMillisecond };
    });
  }

  destroy(): void {
    this.#queries.destroy();
    this.#resolved.destroy();
  }
}

export function* chunksOf<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}

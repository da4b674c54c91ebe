/** @file What each kernel did in a run: its time on the device's clock beside the work that the compiler has counted. */
import type { DimSizes } from "../compiler/graph/dim.ts";
import type { Site } from "../compiler/graph/graph.ts";
import type { Kernel, Program } from "../compiler/plan/program.ts";
import { evaluateSize, runsOf } from "./walk.ts";

/** All that one kernel did in one run of a program. */
export interface KernelProfile {
  /** The kernel's name in the program, such as `k1_dot`. */
  readonly name: string;
  /** The ops that it computes. */
  readonly label: string;
  /** The line that they come from, such as `cells/gru.ts:23:59`. */
  readonly site: Site | undefined;
  /** How often it ran; a sequence that is cut into chunks counts once. */
  readonly dispatches: number;
  /** Sum over all dispatches, on the device's clock, which may tick no finer than 0.1 ms. */
  readonly milliseconds: number;
  /**
   * Floating point operations: 2 m n k for a product, one for each element of an elementwise op or that a reduction
   * combines; `compiler/plan/work.ts` has the rest.
   */
  readonly flops: number;
  /** Bytes that must be read from storage and written to it, each element once in a dispatch. */
  readonly bytes: number;
  /** 10^9 FLOP per second; undefined where the clock saw no time pass. */
  readonly gigaflopsPerSecond: number | undefined;
  /** 10^9 bytes per second; undefined where the clock saw no time pass. */
  readonly gigabytesPerSecond: number | undefined;
}

/** What a profile says of a kernel of any target. */
type Profiled = Pick<Kernel, "name" | "label" | "site" | "work">;

/** The rates that follow from work and time. */
export function ratesOf({ flops, bytes, milliseconds }: Pick<KernelProfile, "flops" | "bytes" | "milliseconds">) {
  const billionsPerSecond = (count: number) => (milliseconds > 0 ? count / (milliseconds * 1e6) : undefined);
  return { gigaflopsPerSecond: billionsPerSecond(flops), gigabytesPerSecond: billionsPerSecond(bytes) };
}

/** Profiles of a program's kernels, in its order; `milliseconds` has the time of each that ran. */
export function profileKernels(
  program: Program<Profiled>,
  sizes: DimSizes,
  milliseconds: ReadonlyMap<number, number>,
): KernelProfile[] {
  const dispatches = countDispatches(program, sizes);
  return program.kernels.flatMap(({ name, label, site, work }, kernel): KernelProfile[] => {
    const time = milliseconds.get(kernel);
    if (time === undefined) return [];
    const count = dispatches[kernel] ?? 0;
    const total = {
      milliseconds: time,
      flops: count * evaluateSize(work.flops, sizes),
      bytes: count * evaluateSize(work.bytes, sizes),
    };
    return [{ name, label, site, dispatches: count, ...total, ...ratesOf(total) }];
  });
}

/** How often each kernel of a program runs at given sizes. */
export function countDispatches(program: Program<unknown>, sizes: DimSizes): number[] {
  const counts = program.kernels.map(() => 0);
  for (const { step, times } of runsOf(program.steps, sizes))
    if (step.kind === "dispatch") counts[step.kernel] = (counts[step.kernel] ?? 0) + times;
  return counts;
}

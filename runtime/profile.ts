/** @file Kernel profiles: the time of each kernel on the device's clock, and the work that the compiler has counted. */
import type { DimSizes } from "../compiler/graph/dim.ts";
import type { Site } from "../compiler/graph/graph.ts";
import type { Kernel, Program } from "../compiler/plan/program.ts";
import { evaluateSize, runsOf } from "./walk.ts";

/** Time and work of one kernel in one run of a program. */
export interface KernelProfile {
  /** The kernel's name in the program, such as `k1_dot`. */
  readonly name: string;
  /** The ops it computes. */
  readonly label: string;
  /** The source line of the ops, such as `cells/gru.ts:23:59`. */
  readonly site: Site | undefined;
  /** How often it ran; a sequence split into chunks counts once. */
  readonly dispatches: number;
  /** Sum over all dispatches, on the device's clock, whose resolution can be as coarse as 0.1 ms. */
  readonly milliseconds: number;
  /**
   * Floating-point operations: 2 m n k for a matrix product, one per element of an elementwise op or a reduction's input;
   * see `compiler/plan/work.ts` for the rest.
   */
  readonly flops: number;
  /** Bytes read from and written to storage, counting each element once per dispatch. */
  readonly bytes: number;
  /** 10^9 FLOP per second; undefined if the measured time is 0. */
  readonly gigaflopsPerSecond: number | undefined;
  /** 10^9 bytes per second; undefined if the measured time is 0. */
  readonly gigabytesPerSecond: number | undefined;
}

/** The fields of a kernel that a profile uses, on any target. */
type Profiled = Pick<Kernel, "name" | "label" | "site" | "work">;

/** The rates that follow from work and time. */
export function ratesOf({ flops, bytes, milliseconds }: Pick<KernelProfile, "flops" | "bytes" | "milliseconds">) {
  const billionsPerSecond = (count: number) => (milliseconds > 0 ? count / (milliseconds * 1e6) : undefined);
  return { gigaflopsPerSecond: billionsPerSecond(flops), gigabytesPerSecond: billionsPerSecond(bytes) };
}

/** Profiles of a program's kernels in program order; `milliseconds` has the time of each kernel that ran. */
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

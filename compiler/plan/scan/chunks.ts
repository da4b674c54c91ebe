/**
 * @file How many steps of a sequence one persistent dispatch runs. Operating systems reset a GPU whose dispatch takes
 * too long (Windows after 2 s), and the screen waits for it, so a long sequence is cut into chunks: dispatches of one
 * kernel, each of which starts from the carries that the previous one stored.
 *
 * The number of steps follows from an estimate of one workgroup's time per step:
 *
 *   seconds per step = FLOP / FLOP per second + barriers * seconds per barrier
 *   steps of a chunk = budget / seconds per step
 *
 * It depends on the widths of a row, the rows of a workgroup and the target, all known at compile time. It does not
 * depend on batch and length, which are no part of a pipeline, or on a measurement, so reruns cut at the same steps.
 * The position of a cut changes no bit of the result.
 */
import { type Dim, dimCoefficient } from "../../graph/dim.ts";
import type { Size } from "../program.ts";
import type { Target } from "../stages/tiles.ts";

/** The work of one workgroup in one step. */
export interface StepWork {
  /** As `work.ts` counts them. */
  readonly flops: number;
  readonly barriers: number;
  /** Invocations of the workgroup. */
  readonly lanes: number;
}

interface Pace {
  /** Estimated seconds that a chunk of one workgroup may take. */
  readonly budget: number;
  readonly flopsPerSecond: (lanes: number) => number;
  readonly secondsPerBarrier: number;
}

/**
 * Conservative estimates.
 *
 * On a GPU an invocation waits for its loads: with two depth steps of a product in flight, 4 FLOP, and 200 ns until
 * weights arrive from a cache that all cores share, it does 20 million FLOP per second. If a batch is larger than the
 * device, its workgroups run in several rounds, which multiplies the time: the budget allows four rounds below 100 ms,
 * and eighty below 2 s.
 *
 * A CPU runs a workgroup on one core, and a page whose main thread it uses must stay responsive. WebAssembly engines do
 * not replace the code of a running loop, so optimised code is used only from the next chunk on.
 *
 * A software adapter runs a workgroup on one core, at about 10^9 FLOP per second whatever its number of lanes. It has
 * no watchdog and blocks no screen, and a dispatch costs more: the budget is larger.
 */
const paces: Record<Target, Pace> = {
  gpu: { budget: 0.025, flopsPerSecond: (lanes) => 20e6 * lanes, secondsPerBarrier: 2e-6 },
  software: { budget: 0.5, flopsPerSecond: () => 1e9, secondsPerBarrier: 10e-6 },
  cpu: { budget: 0.01, flopsPerSecond: () => 5e9, secondsPerBarrier: 0.2e-6 },
};

/** Maximum number of steps of one dispatch; at least 1. */
export function chunkSteps({ flops, barriers, lanes }: StepWork, target: Target): number {
  const { budget, flopsPerSecond, secondsPerBarrier } = paces[target];
  const seconds = flops / flopsPerSecond(lanes) + Math.max(1, barriers) * secondsPerBarrier;
  return Math.max(1, Math.floor(budget / seconds));
}

/**
 * FLOP of one row in one step, from those of all rows in all steps. FLOP that do not depend on the number of rows count
 * once.
 */
export function flopsOfRow(flops: Size, rows: Dim, length: Dim): number {
  const total = flops.reduce<number>((sum, dim) => sum + dimCoefficient(dim), 0);
  const shares = dimCoefficient(rows) * dimCoefficient(length);
  return shares === 0 ? 0 : total / shares;
}

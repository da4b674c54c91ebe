/**
 * @file How many steps of a sequence one persistent dispatch runs. Systems reset a GPU whose dispatch does not end (Windows
 * after 2 s), and a screen waits for it, so a long sequence is cut into chunks: dispatches of one kernel, each of
 * which starts from the carries that the one before has left.
 *
 * The number of steps follows from an estimate of one workgroup's time for a step:
 *
 *   seconds per step = FLOP / FLOP per second + barriers * seconds per barrier
 *   steps of a chunk = budget / seconds per step
 *
 * It depends on the widths of a row, the rows of a workgroup and the target, which are all known when a program is
 * compiled: not on batch and length, so that these are no part of a pipeline, and not on a measurement, so that reruns
 * cut at the same places. Where a cut lies changes no bit of the result.
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
  /** Seconds that a chunk of one workgroup may take by the estimate. */
  readonly budget: number;
  readonly flopsPerSecond: (lanes: number) => number;
  readonly secondsPerBarrier: number;
}

/**
 * Estimates on the slow side.
 *
 * On a GPU an invocation waits for what it loads: with two steps of a product's depth in flight, 4 FLOP, and 200 ns until
 * weights come from a cache that all cores share, it does 20 million FLOP a second. Workgroups that do not
 * run at once, of which there are several rounds where a batch is larger than the device, multiply the budget: it leaves
 * room for four below 100 ms, and for eighty below 2 s.
 *
 * A CPU runs a workgroup on one core, and a page whose own thread it takes must stay responsive; its compiler replaces no
 * loop that runs, so the optimised code is reached with the next chunk.
 *
 * A software adapter runs a workgroup on one core, at about 10^9 FLOP a second whatever its lanes are. There is no
 * watchdog and no screen to hold up, and a dispatch costs more: the budget is larger.
 */
const paces: Record<Target, Pace> = {
  gpu: { budget: 0.025, flopsPerSecond: (lanes) => 20e6 * lanes, secondsPerBarrier: 2e-6 },
  software: { budget: 0.5, flopsPerSecond: () => 1e9, secondsPerBarrier: 10e-6 },
  cpu: { budget: 0.01, flopsPerSecond: () => 5e9, secondsPerBarrier: 0.2e-6 },
};

/** Steps that one dispatch runs at the most; at least 1. */
export function chunkSteps({ flops, barriers, lanes }: StepWork, target: Target): number {
  const { budget, flopsPerSecond, secondsPerBarrier } = paces[target];
  const seconds = flops / flopsPerSecond(lanes) + Math.max(1, barriers) * secondsPerBarrier;
  return Math.max(1, Math.floor(budget / seconds));
}

/** FLOP of one row in one step, from those of all rows in all steps. What does not belong to a row counts once. */
export function flopsOfRow(flops: Size, rows: Dim, length: Dim): number {
  const total = flops.reduce<number>((sum, dim) => sum + dimCoefficient(dim), 0);
  const shares = dimCoefficient(rows) * dimCoefficient(length);
  return shares === 0 ? 0 : total / shares;
}

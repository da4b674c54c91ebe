/** @file Times the kernels of one training step on a device, and whole steps for comparison. */
import { setImmediate } from "node:timers/promises";
import type { Device, KernelProfile } from "../../devices/device.ts";
import { ratesOf } from "../../runtime/profile.ts";
import type { Batch } from "../../train/data/batches.ts";
import type { Trainer } from "../../train/trainer.ts";

export interface StepProfile {
  readonly device: string;
  /** Number of timed steps of each kind; times are their medians. */
  readonly runs: number;
  /** Slowest first. */
  readonly kernels: readonly KernelProfile[];
  /** Wall time of a normal training step, with nothing else in flight, until its loss is read back. */
  readonly stepMilliseconds: number;
}

/** Timed steps of each kind (with and without kernel timing), after one warm-up step of each. */
export const profiledRuns = 5;

/** Calls `progress` after each step, `2 * profiledRuns + 2` times in all. */
export async function profileStep(
  device: Device,
  trainer: Trainer,
  batch: Batch,
  progress: () => void,
): Promise<StepProfile> {
  const profiles: KernelProfile[][] = [];
  const walls: number[] = [];
  for (let run = 0; run <= profiledRuns; run++) {
    const kernels = await trainer.profile(batch);
    progress();
    const start = performance.now();
    await trainer.step(batch);
    const wall = performance.now() - start;
    progress();
    // Lets signals through even if the device computes synchronously.
    await setImmediate();
    // Warm-up.
    if (run === 0) continue;
    profiles.push(kernels);
    walls.push(wall);
  }
  const kernels = medianOf(profiles).sort((a, b) => b.milliseconds - a.milliseconds);
  return { device: device.name, runs: profiledRuns, kernels, stepMilliseconds: median(walls) };
}

/** Tokens [T, B] for x and targets, the same in every run. Their values do not affect the time. */
export function anyBatch(vocabulary: number, batch: number, time: number): Batch {
  const tokens = (start: number) => ({
    dtype: "i32" as const,
    shape: [time, batch],
    data: Float64Array.from({ length: time * batch }, (_, i) => (start + 7 * i) % vocabulary),
  });
  return { x: tokens(0), targets: tokens(1) };
}

/** Each kernel with the median of its times in all profiles. */
function medianOf(profiles: readonly (readonly KernelProfile[])[]): KernelProfile[] {
  return (profiles[0] ?? []).map((kernel, i) => {
    const timed = { ...kernel, milliseconds: median(profiles.flatMap((profile) => profile[i]?.milliseconds ?? [])) };
    return { ...timed, ...ratesOf(timed) };
  });
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const [low, high] = [Math.floor((sorted.length - 1) / 2), Math.ceil((sorted.length - 1) / 2)];
  return ((sorted[low] ?? Number.NaN) + (sorted[high] ?? Number.NaN)) / 2;
}

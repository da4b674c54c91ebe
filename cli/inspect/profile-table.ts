/** @file How `inspect --profile` shows times to people: a table of the kernels, their sum, and a whole step beside it. */

import type { KernelProfile } from "../../devices/device.ts";
import { ratesOf } from "../../runtime/profile.ts";
import type { StepProfile } from "./profile-step.ts";

/** Names to the left, numbers to the right, what a kernel comes from last. */
const HEADINGS = ["kernel", "dispatches", "ms", "share", "GFLOP", "GFLOP/s", "MB", "GB/s", "from"];

export function* profileTable({ device, runs, kernels, stepMilliseconds }: StepProfile): Generator<string> {
  const total = totalOf(kernels);
  const rows = [...kernels, total].map((kernel) => cellsOf(kernel, total.milliseconds));
  yield `device: ${device}`;
  yield* aligned([HEADINGS, ...rows]);
  yield `a step as training runs it: ${stepMilliseconds.toFixed(2)} ms of wall time; all times are medians of ${runs} steps`;
}

export function totalOf(kernels: readonly KernelProfile[]): KernelProfile {
  const sum = (of: (kernel: KernelProfile) => number) => kernels.reduce((total, kernel) => total + of(kernel), 0);
  const work = {
    milliseconds: sum(({ milliseconds }) => milliseconds),
    flops: sum(({ flops }) => flops),
    bytes: sum(({ bytes }) => bytes),
  };
  const dispatches = sum(({ dispatches }) => dispatches);
  return { name: "total", label: "", site: undefined, dispatches, ...work, ...ratesOf(work) };
}

function cellsOf(kernel: KernelProfile, total: number): string[] {
  const share = total > 0 ? `${((100 * kernel.milliseconds) / total).toFixed(1)}%` : "-";
  return [
    kernel.name,
    String(kernel.dispatches),
    kernel.milliseconds.toFixed(3),
    share,
    (kernel.flops / 1e9).toFixed(4),
    rate(kernel.gigaflopsPerSecond),
    (kernel.bytes / 1e6).toFixed(3),
    rate(kernel.gigabytesPerSecond),
    // What belongs to no line of the user's, such as the optimizer, says what it computes.
    kernel.site ?? kernel.label,
  ];
}

function rate(value: number | undefined): string {
  return value === undefined ? "-" : value.toFixed(2);
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => {
        if (column === HEADINGS.length - 1) return cell;
        return column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0);
      })
      .join("  ")
      .trimEnd(),
  );
}

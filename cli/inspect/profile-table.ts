/** @file The text output of `inspect --profile`: a table of the kernels, their sum, and the time of a whole step. */

import type { KernelProfile } from "../../devices/device.ts";
import { ratesOf } from "../../runtime/profile.ts";
import type { StepProfile } from "./profile-step.ts";

/** Names are left-aligned, numbers right-aligned; the source line of a kernel comes last. */
const HEADINGS = ["kernel", "dispatches", "ms", "share", "GFLOP", "GFLOP/s", "MB", "GB/s", "from"];

export function* profileTable({ device, runs, kernels, stepMilliseconds }: StepProfile): Generator<string> {
  const total = totalOf(kernels);
  const rows = [...kernels, total].map((kernel) => cellsOf(kernel, total.milliseconds));
  yield `device: ${device}`;
  yield* aligned([HEADINGS, ...rows]);
  yield `a normal training step: ${stepMilliseconds.toFixed(2)} ms of wall time; all times are medians of ${runs} steps`;
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
    // Kernels without a line in the user's code, such as the optimizer's, show what they compute.
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

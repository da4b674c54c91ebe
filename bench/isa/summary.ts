/** @file The kernels of one pass (forward or backward) of one cell at one size, added up. */
import type { KernelRow } from "./kernel-row.ts";

export interface Summary {
  readonly cell: string;
  readonly units: number;
  readonly batch: number;
  readonly phase: string;
  /** Cycles of a step: kernels that walk the time, or run once in each step, and all others. */
  readonly recurrence: number;
  readonly others: number;
  /** Kernels of the recurrence, and whether they have the time loop inside. */
  readonly kernels: number;
  readonly isPersistent: boolean;
  /** Of the kernels of the recurrence together, of a step and a wave. */
  readonly instructions: number;
  readonly fma: number;
  readonly waits: number;
  readonly barriers: number;
  readonly guards: number;
  readonly minima: number;
  /** Parameters that a step loads for each row. */
  readonly weightLoads: number;
  /** FMA of all instructions in the block with the most of them, in the kernel of the recurrence with the most. */
  readonly fmaShare: number | undefined;
  readonly spills: number;
  /** Kernels whose counts cannot be told; the sums are without them. */
  readonly faults: number;
}

/** In the order of the rows. */
export function summariesOf(rows: readonly KernelRow[]): Summary[] {
  const groups = new Map<string, KernelRow[]>();
  for (const row of rows) {
    const key = keyOf(row);
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return [...groups.values()].flatMap((all) => {
    const [first] = all;
    return first === undefined ? [] : [summaryOf(first, all)];
  });
}

export const keyOf = ({ cell, units, batch, phase }: Pick<Summary, "cell" | "units" | "batch" | "phase">) =>
  `${cell} ${units} ${batch} ${phase}`;

function summaryOf({ cell, units, batch, phase }: KernelRow, all: readonly KernelRow[]): Summary {
  const recurrent = all.filter(({ loop }) => loop !== "once");
  const cycles = (rows: readonly KernelRow[]) => rows.reduce((sum, { cyclesPerStep = 0 }) => sum + cyclesPerStep, 0);
  const perWave = (name: "instructions" | "fma" | "waits" | "barriers" | "guards" | "minima") =>
    recurrent.reduce((sum, { perWave: counts }) => sum + (counts?.[name] ?? 0), 0);
  const fmaOf = ({ hotBlock }: KernelRow) => (hotBlock?.runs ?? 0) * (hotBlock?.fma ?? 0);
  const hottest = recurrent.length === 0 ? undefined : recurrent.reduce((a, b) => (fmaOf(b) > fmaOf(a) ? b : a));
  return {
    ...{ cell, units, batch, phase },
    recurrence: cycles(recurrent),
    others: cycles(all.filter(({ loop }) => loop === "once")),
    kernels: recurrent.length,
    isPersistent: recurrent.some(({ loop }) => loop === "inside"),
    instructions: perWave("instructions"),
    fma: perWave("fma"),
    waits: perWave("waits"),
    barriers: perWave("barriers"),
    guards: perWave("guards"),
    minima: perWave("minima"),
    weightLoads: recurrent.reduce((sum, { weightLoadsPerStep = 0 }) => sum + weightLoadsPerStep, 0),
    fmaShare: hottest?.fmaShare,
    spills: all.reduce((sum, { spills }) => sum + spills, 0),
    faults: all.filter(({ fault }) => fault !== undefined).length,
  };
}

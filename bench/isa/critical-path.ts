/**
 * @file The critical path of a training step: its kernels run one after another, so their cycles and barriers over the
 * whole sequence add up. By it schedules are compared that walk the time in other ways.
 */
import { table } from "../report.ts";
import type { KernelRow } from "./kernel-row.ts";
import type { IsaOptions } from "./options.ts";
import { disclaimer } from "./report.ts";

const whole = (value: number) => Math.round(value).toLocaleString("en-US");

/** A table with a line for each schedule, pass and batch; JSON lines of the kernels instead, if asked for. */
export function criticalPaths(
  found: readonly (readonly [schedule: string, rows: readonly KernelRow[]])[],
  { time, json }: Pick<IsaOptions, "time" | "json">,
): string {
  if (json)
    return found
      .flatMap(([schedule, rows]) => rows.map((row) => JSON.stringify({ ...row, schedule, time })))
      .join("\n");
  const lines = found.flatMap(([schedule, rows]) => {
    const groups = new Map<string, KernelRow[]>();
    for (const row of rows) {
      const key = [row.cell, row.units, row.batch, row.phase].join("\n");
      groups.set(key, [...(groups.get(key) ?? []), row]);
    }
    return [...groups].map(([key, all]) => {
      const sum = (of: (row: KernelRow) => number | undefined) => all.reduce((total, row) => total + (of(row) ?? 0), 0);
      const walks = all.filter(({ loop, barriersOfSequence }) => loop !== "once" && barriersOfSequence !== 0);
      const faults = all.filter(({ fault }) => fault !== undefined).length;
      return [
        ...[...key.split("\n"), whole(time), schedule, String(walks.length), String(all.length)],
        whole(sum(({ cyclesOfSequence }) => cyclesOfSequence)),
        whole(sum(({ barriersOfSequence }) => barriersOfSequence)),
        faults === 0 ? "" : `${faults} not counted`,
      ];
    });
  });
  const head = ["cell", "units", "batch", "pass", "steps", "schedule", "loops", "dispatches", "cycles", "barriers", ""];
  return `${disclaimer}\n\n${table([head], lines)}`;
}

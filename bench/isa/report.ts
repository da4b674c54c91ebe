/** @file What was found, as tables for the terminal and for Markdown, and as lines of JSON to compare with later. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../options.ts";
import { table } from "../report.ts";
import { steps } from "./cells.ts";
import { family } from "./driver.ts";
import type { KernelRow } from "./kernel-row.ts";
import { rdna2 } from "./rdna2.ts";
import { keyOf, type Summary, summariesOf } from "./summary.ts";
import { type Counts, noCounts } from "./wave/tally.ts";

export const disclaimer =
  "This is a model of one vendor's chip, by its compiler's machine code. It is not a measurement: no GPU has run any of it.";

/** The rows of a file that `save` wrote, or of the output of --json. */
export function readRows(file: string): KernelRow[] {
  const fault = (reason: string) =>
    new UsageError(`--against ${file}: ${reason}; it takes a file that --save wrote, or the output of --json`);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw fault(error instanceof Error && "code" in error && error.code === "ENOENT" ? "no such file" : String(error));
  }
  const lines = text.split("\n").filter((line) => line !== "");
  if (lines.length === 0) throw fault("it is empty");
  return lines.map((line, i) => {
    const row = parsed(line);
    if (row === undefined) throw fault(`line ${i + 1} is not a kernel`);
    return row.perWave === undefined ? row : { ...row, perWave: { ...noCounts(), ...row.perWave } };
  });
}

function parsed(line: string): KernelRow | undefined {
  try {
    const row: unknown = JSON.parse(line);
    const isRow = typeof row === "object" && row !== null && "kernel" in row && "batch" in row && "phase" in row;
    return isRow ? (row as KernelRow) : undefined;
  } catch {
    return undefined;
  }
}

const whole = (value: number) => Math.round(value).toLocaleString("en-US");
const tenth = (value: number) => (value >= 100 || value === Math.round(value) ? whole(value) : value.toFixed(1));
const percent = (share: number | undefined) => (share === undefined ? "" : `${Math.round(share * 100)} %`);

const summaryHead = [
  ["cell", "units", "batch", "pass", "runs", "recurrence", "others", "instructions", "FMA", "waits", "barriers"],
  ["guards", "minima", "weights a row", "FMA share", "spills"],
].flat();

function summaryCells(one: Summary): string[] {
  const { cell, units, batch, phase, kernels, isPersistent, recurrence, others, faults } = one;
  return [
    ...[cell, String(units), String(batch), phase, isPersistent ? "inside" : `${kernels} a step`],
    ...[whole(recurrence), `${whole(others)}${faults > 0 ? ` + ${faults} not counted` : ""}`],
    ...[one.instructions, one.fma, one.waits, one.barriers, one.guards, one.minima, one.weightLoads].map(tenth),
    ...[percent(one.fmaShare), String(one.spills)],
  ];
}

export function summaryTable(rows: readonly KernelRow[]): string {
  return table([summaryHead], summariesOf(rows).map(summaryCells));
}

const kernelHead = [
  [
    "cell",
    "units",
    "pass",
    "kernel",
    "lanes",
    "groups",
    "VGPRs",
    "spills",
    "LDS bytes",
    "cycles",
    "bound",
    "instructions",
  ],
  [
    "FMA",
    "loads",
    "stores",
    "LDS",
    "waits",
    "barriers",
    "FMA share",
    "waiting",
    "ACO latency",
    "ACO inverse throughput",
  ],
].flat();

function kernelCells(row: KernelRow): string[] {
  const { cell, units, phase, kernel, perWave, cyclesPerStep, fault } = row;
  const facts = [cell, String(units), phase, kernel, String(row.lanes), whole(row.workgroups), String(row.registers)];
  const sizes = [String(row.spills), whole(row.workgroupBytes)];
  const aco = [whole(row.acoLatency), whole(row.acoInverseThroughput)];
  if (perWave === undefined || cyclesPerStep === undefined)
    return [...facts, ...sizes, "not counted", fault ?? "", ...Array.from({ length: 9 }, () => ""), ...aco];
  const { instructions, fma, loads, stores, localReads, localWrites, waits, barriers } = perWave;
  return [
    ...[...facts, ...sizes, whole(cyclesPerStep), row.bound ?? ""],
    ...[instructions, fma, loads, stores, localReads + localWrites, waits, barriers].map(tenth),
    ...[percent(row.fmaShare), percent((row.waitedPerStep ?? 0) / cyclesPerStep), ...aco],
  ];
}

export function kernelTable(rows: readonly KernelRow[]): string {
  return table([kernelHead], rows.map(kernelCells));
}

const againstHead = [
  ["cell", "units", "batch", "pass", "recurrence, before", "now", "times", "others, before", "now"],
  ["instructions, before", "now", "waits, before", "now", "barriers, before", "now", "weights a row, before", "now"],
].flat();

/** Both runs side by side, where both have the cell and size. */
export function againstTable(rows: readonly KernelRow[], before: readonly KernelRow[]): string {
  const earlier = new Map(summariesOf(before).map((one) => [keyOf(one), one]));
  const cells = summariesOf(rows).flatMap((now) => {
    const old = earlier.get(keyOf(now));
    if (old === undefined) return [];
    const pair = (name: "others" | "instructions" | "waits" | "barriers" | "weightLoads") => [
      tenth(old[name]),
      tenth(now[name]),
    ];
    return [
      [
        ...[now.cell, String(now.units), String(now.batch), now.phase],
        ...[whole(old.recurrence), whole(now.recurrence), (old.recurrence / now.recurrence).toFixed(2)],
        ...(["others", "instructions", "waits", "barriers", "weightLoads"] as const).flatMap(pair),
      ],
    ];
  });
  return table([againstHead], cells);
}

export function tables(rows: readonly KernelRow[], before: readonly KernelRow[] | undefined): string {
  const parts = [
    `Cycles of a step by the model of ${rdna2.name}. ${disclaimer}`,
    summaryTable(rows),
    kernelTable(rows.filter(({ loop }) => loop !== "once")),
    ...(before === undefined ? [] : [`Before and now\n\n${againstTable(rows, before)}`]),
  ];
  return parts.join("\n\n");
}

export interface IsaReport {
  readonly date: string;
  readonly command: string;
  /** As it calls itself, with its version. */
  readonly driver: string;
  readonly rows: readonly KernelRow[];
  readonly before: readonly KernelRow[] | undefined;
}

export function markdown({ date, command, driver, rows, before }: IsaReport): string {
  const shown = rows.filter(({ batch }) => batch === 16);
  const of = shown.length > 0 ? shown : rows;
  const recurrent = of.filter(({ loop }) => loop !== "once");
  const others = of.filter(({ loop, units }) => loop === "once" && units === 128);
  return `# What AMD's compiler makes of a training step, ${date}

**${disclaimer}**

A language model with one recurrent layer, a vocabulary and an embedding of 64, sequences of ${steps} steps: the kernels of the
forward and the backward pass, compiled by ACO (${driver}) for ${family}, with no GPU behind it. Counts are of the machine
code, run through with the sizes of the table; cycles are those of [the model](../isa/rdna2.ts) of ${rdna2.name}, whose constants
have their sources beside them.

- Command: \`${command}\`
- "recurrence" and "others": cycles of a step, of the kernels that walk the time or run in every step, and of all others,
  whose cycles are divided by the ${steps} steps. "runs": whether the time loop is inside a kernel, or how many kernels a step
  dispatches.
- Instructions, FMA, waits, barriers, guards and minima: of a step and a wave of 64 lanes, the kernels of the recurrence
  together. Guards are counters against endless loops, minima what clamping an index compiles to.
- "weights a row": parameters that a step loads for one row of the batch, repeated loads counted each time.
- "FMA share": of all instructions in the block that does most of the FMA.

${summaryTable(rows)}
${before === undefined ? "" : `\n## Before and now\n\n${againstTable(rows, before)}\n`}
## Kernels of the recurrence, batch ${of[0]?.batch ?? ""}

"bound": the bound of the model that decides (latency, issue, special functions, workgroup memory, L0, L2, or the gap
between dispatches). "waiting": the share of its cycles in which the slowest wave waits for memory. ACO's own latency and
inverse throughput are of the whole kernel, with guessed trip counts of loops.

${kernelTable(recurrent)}

## All other kernels, 128 units, batch ${of[0]?.batch ?? ""}

${kernelTable(others)}
`;
}

/** Writes both files and returns their names. */
export function save(folder: string, name: string, report: IsaReport): string[] {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.md`), markdown(report));
  writeFileSync(join(folder, `${name}.jsonl`), report.rows.map((row) => `${shortLineOf(row)}\n`).join(""));
  return [`${name}.md`, `${name}.jsonl`];
}

/** A row as one line of JSON, with four digits of each number, which is more than the model has. */
export function lineOf(row: KernelRow): string {
  return JSON.stringify(row, (_, value) =>
    typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value,
  );
}

/** The same for a file that is kept: less the loops, and without the counts that are 0, which `readRows` puts back. */
function shortLineOf({ loops: _, ...row }: KernelRow): string {
  const counts = Object.entries(row.perWave ?? {}).filter(([, value]) => value !== 0);
  return lineOf(row.perWave === undefined ? row : { ...row, perWave: Object.fromEntries(counts) as Counts });
}

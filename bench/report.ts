/** @file Results as a table for the terminal, as Markdown and as JSON. */
import type { ContenderInfo } from "./browser/job.ts";
import { median, type Timing } from "./measure/measure.ts";
import { type CellName, productFlops, sizesAt } from "./measure/workload.ts";

export interface SteadyRow {
  readonly host: "Chromium" | "Node";
  readonly workgroupInit: boolean;
  readonly cell: CellName;
  readonly time: number;
  readonly contender: string;
  readonly medianMs: number;
  readonly minMs: number;
  /** Median divided by cellgrad's median in the same run. */
  readonly ratio: number;
  readonly gflops: number;
  readonly dispatches: number;
  readonly submits: number;
  readonly loss: number;
  readonly stepsMs: readonly number[];
}

export interface ColdRow {
  readonly host: "Chromium" | "Node";
  readonly workgroupInit: boolean;
  readonly cell: CellName;
  readonly time: number;
  readonly contender: string;
  /** cellgrad only: from the traced graph until all pipelines are ready. */
  readonly compileMs?: number;
  /** From the start of the work to its first loss, minus a steady step. */
  readonly startMs: number;
  readonly firstStepMs: number;
  readonly steadyMs: number;
  readonly pipelines: number;
}

export interface Report {
  readonly date: string;
  readonly command: string;
  readonly machine: string;
  readonly browser: string;
  readonly flags: readonly string[];
  readonly adapters: Readonly<Record<string, string>>;
  readonly versions: Readonly<Record<string, string>>;
  readonly work: Readonly<Record<string, string>>;
  readonly steady: readonly SteadyRow[];
  readonly cold: readonly ColdRow[];
}

type Setting = Pick<SteadyRow, "host" | "workgroupInit" | "cell" | "time">;

export function steadyRows(setting: Setting, timings: readonly Timing[]): SteadyRow[] {
  const reference = timings.find(({ contender }) => contender === "cellgrad");
  const flops = productFlops({ cell: setting.cell, sizes: sizesAt(setting.time) });
  return timings.map(({ contender, steps, counts, loss }) => {
    const middle = median(steps);
    return {
      ...setting,
      contender,
      medianMs: rounded(middle),
      minMs: rounded(Math.min(...steps)),
      ratio: rounded(middle / median(reference?.steps ?? [])),
      gflops: rounded(flops / middle / 1e6),
      dispatches: counts.dispatches,
      submits: counts.submits,
      loss,
      stepsMs: steps.map(rounded),
    };
  });
}

export function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}

export function factsOf(contenders: readonly ContenderInfo[]) {
  const record = (key: "adapter" | "version" | "work") =>
    Object.fromEntries(contenders.map((contender) => [contender.name, contender[key]]));
  return { adapters: record("adapter"), versions: record("version"), work: record("work") };
}

const initName = (workgroupInit: boolean) => (workgroupInit ? "default" : "disable_workgroup_init");

const steadyHead = [
  ["host", "Dawn", "cell", "T", "contender", "median ms", "min ms", "x cellgrad", "GFLOP/s", "dispatches", "submits"],
];
const coldHead = [
  ["host", "Dawn", "cell", "T", "contender", "compile ms", "to first loss minus a step, ms", "pipelines"],
];

function steadyCells(row: SteadyRow): string[] {
  return [
    row.host,
    initName(row.workgroupInit),
    row.cell,
    String(row.time),
    row.contender,
    row.medianMs.toFixed(1),
    row.minMs.toFixed(1),
    row.ratio.toFixed(2),
    row.gflops.toFixed(2),
    String(row.dispatches),
    String(row.submits),
  ];
}

function coldCells(row: ColdRow): string[] {
  return [
    row.host,
    initName(row.workgroupInit),
    row.cell,
    String(row.time),
    row.contender,
    row.compileMs === undefined ? "-" : row.compileMs.toFixed(0),
    row.startMs.toFixed(0),
    String(row.pipelines),
  ];
}

/** A table with aligned columns, which is also valid Markdown. */
export function table(head: readonly (readonly string[])[], rows: readonly (readonly string[])[]): string {
  const all = [...head, ...rows];
  const widths = all[0]?.map((_, column) => Math.max(3, ...all.map((row) => row[column]?.length ?? 0))) ?? [];
  const line = (row: readonly string[]) => `| ${row.map((text, i) => text.padEnd(widths[i] ?? 0)).join(" | ")} |`;
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
  return [...head.map(line), rule, ...rows.map(line)].join("\n");
}

export function tables(report: Pick<Report, "steady" | "cold">): string {
  const parts = [];
  if (report.steady.length > 0) parts.push(table(steadyHead, report.steady.map(steadyCells)));
  if (report.cold.length > 0) parts.push(table(coldHead, report.cold.map(coldCells)));
  return parts.join("\n\n");
}

export function markdown(report: Report): string {
  const list = (record: Readonly<Record<string, string>>) =>
    Object.entries(record)
      .map(([name, value]) => `${name} ${value}`)
      .join(", ");
  return `# Training step of a language model, ${report.date}

Batch 16, vocabulary 64, embedding 64, 128 units, a dense head and the mean cross-entropy at every step. All contenders
start from the same weights and see the same tokens, and their losses and gradient norms agreed to 1e-3 before timing.
A step is timed until its loss has been read back; contenders alternate, one step each.

- Work of a step: ${list(report.work)}
- Versions: ${list(report.versions)}
- Adapters: ${list(report.adapters)}
- Browser: ${report.browser}, flags \`${report.flags.join(" ")}\`, and \`--enable-dawn-features=disable_workgroup_init\` in the rows that say so
- Machine: ${report.machine}
- Command: \`${report.command}\`

${tables(report)}

GFLOP/s counts the products of the cell and the head (forward once, backward twice), the same for all contenders. cellgrad
computes fewer: it multiplies the embedding table once and looks up rows of the product.
"compile ms" is from the traced graph until all pipelines are ready. "To first loss" starts when the device is open and
the page loaded, and ends when the first loss has been read, minus a steady step.
`;
}

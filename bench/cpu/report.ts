/** @file Results of the CPU benchmark as tables for the terminal, as Markdown and as JSON. */
import { median } from "../measure/measure.ts";
import { rounded, table } from "../report.ts";
import { type Case, describe } from "./cases.ts";
import { comparedSteps, type Measured, tolerance } from "./compare.ts";
import type { Group } from "./options.ts";
import type { Peak, Peaks } from "./peak.ts";

/** One contender in one case, in its best setting. */
export interface CpuRow {
  readonly case: string;
  readonly group: Group;
  readonly contender: string;
  readonly setting: string;
  readonly medianMs?: number;
  readonly minMs?: number;
  /** The least time of any PyTorch in this case, divided by this one's. */
  readonly timesPyTorch?: number;
  /** In its fastest step. */
  readonly gflops?: number;
  readonly firstStepMs?: number;
  readonly losses?: readonly number[];
  readonly stepsMs?: readonly number[];
  readonly version?: string;
  readonly work?: string;
  readonly runsOn?: string;
  readonly notRun?: string;
  /** The least time of each setting. */
  readonly settings?: Readonly<Record<string, number | string>>;
}

export interface CpuReport {
  readonly date: string;
  readonly command: string;
  readonly machine: string;
  readonly peaks: readonly Peaks[];
  readonly cases: readonly { readonly name: string; readonly shape: string; readonly gflop: number }[];
  readonly rows: readonly CpuRow[];
}

export function rowsOf(one: Case, flops: number, measured: readonly Measured[]): CpuRow[] {
  const least = ({ stepsMs = [] }: Measured) => Math.min(...stepsMs);
  const reference = Math.min(...measured.filter(({ entrant }) => entrant.group === "pytorch").map(least));
  const names = [...new Set(measured.map(({ entrant }) => entrant.name))];
  return names.flatMap((name): CpuRow[] => {
    const all = measured.filter(({ entrant }) => entrant.name === name);
    const best = all.reduce((a, b) => (least(b) < least(a) ? b : a));
    const { entrant, stepsMs, ...rest } = best;
    const facts = { case: one.name, group: entrant.group, contender: name, setting: entrant.setting };
    const settings = Object.fromEntries(
      all.map((each) => [each.entrant.setting, each.notRun ?? rounded(least(each))] as const),
    );
    const others = all.length > 1 ? { settings } : {};
    if (stepsMs === undefined) return [{ ...facts, ...rest, ...others }];
    const minMs = least(best);
    return [
      {
        ...facts,
        ...rest,
        ...{ medianMs: rounded(median(stepsMs)), minMs: rounded(minMs), gflops: rounded(flops / minMs / 1e6) },
        ...(Number.isFinite(reference) ? { timesPyTorch: rounded(reference / minMs) } : {}),
        ...(rest.firstStepMs === undefined ? {} : { firstStepMs: rounded(rest.firstStepMs) }),
        stepsMs: stepsMs.map(rounded),
        ...others,
      },
    ];
  });
}

const head = [["contender", "best setting", "median ms", "min ms", "GFLOP/s", "speed / PyTorch", "first step ms"]];

function cells(row: CpuRow): string[] {
  if (row.notRun !== undefined) return [row.contender, `not run: ${row.notRun}`, "", "", "", "", ""];
  const fixed = (value: number | undefined, digits: number) => value?.toFixed(digits) ?? "";
  return [
    row.contender,
    row.setting,
    fixed(row.medianMs, 2),
    fixed(row.minMs, 2),
    fixed(row.gflops, 1),
    fixed(row.timesPyTorch, 2),
    fixed(row.firstStepMs, 0),
  ];
}

export function caseTable({ name, shape, gflop }: CpuReport["cases"][number], rows: readonly CpuRow[]): string {
  const own = rows.filter((row) => row.case === name);
  return `${name}: ${shape}, ${gflop.toFixed(3)} GFLOP a step\n\n${table(head, own.map(cells))}`;
}

/** The best peak of all runs, by threads and form. */
function bestPeaks(peaks: readonly Peaks[]): Peak[] {
  const all = peaks.flatMap((each) => each.all);
  return [1, 2].flatMap((threads) =>
    [false, true].flatMap((isRelaxed) => {
      const own = all.filter((peak) => peak.threads === threads && peak.isRelaxed === isRelaxed);
      return own.length === 0 ? [] : [own.reduce((a, b) => (b.gflops > a.gflops ? b : a))];
    }),
  );
}

export function peakTable(peaks: readonly Peaks[]): string {
  const rows = bestPeaks(peaks).map(({ threads, isRelaxed, accumulators, gflops }) => [
    ...[String(threads), isRelaxed ? "relaxed_madd" : "mul, add"],
    ...[String(accumulators), gflops.toFixed(1)],
  ]);
  return table([["threads", "f32x4", "accumulators", "GFLOP/s"]], rows);
}

export function summaryOf(one: Case, flops: number): CpuReport["cases"][number] {
  return { name: one.name, shape: describe(one), gflop: flops / 1e9 };
}

export function tables({ cases, rows, peaks }: Pick<CpuReport, "cases" | "rows" | "peaks">): string {
  const parts = cases.map((one) => caseTable(one, rows));
  if (peaks.length > 0) parts.push(`Peak of WebAssembly SIMD on this machine\n\n${peakTable(peaks)}`);
  return parts.join("\n\n");
}

export function markdown(report: CpuReport): string {
  const facts = new Map(report.rows.map((row) => [row.contender, row]));
  const contenders = [...facts.values()]
    .filter(({ version }) => version !== undefined)
    .map(({ contender, version, work, runsOn }) => `- ${contender}: version ${version}; ${work}; on ${runsOn}`);
  const relaxed = report.peaks.some(({ hasRelaxed }) => hasRelaxed) ? "" : " This engine has no relaxed_madd.";
  return `# Training step on a CPU, ${report.date}

A language model with one recurrent layer (B rows, vocabulary V, embedding 64, H units, T steps), a dense head and the mean
cross-entropy at every step; forward, backward through time, and Adam. All contenders start from the same weights and see
the same tokens. Before timing, the losses of ${comparedSteps} steps agreed with the median of all to a relative
${tolerance}. A step is timed until its loss has been read; each contender runs in its own process, and they alternate.

- Machine: ${report.machine}
- Command: \`${report.command}\`
${contenders.join("\n")}

${report.cases.map((one) => `## ${caseTable(one, report.rows)}`).join("\n\n")}

GFLOP/s divides cellgrad's operation count of its own step, the same for all rows, by the time of the fastest step. "Speed /
PyTorch" is the least time of any PyTorch divided by the least of the row: above 1 is faster than PyTorch. "First step" is
the time from the traced model to its first loss, including compilation. PyTorch runs with each setting of threads and
denormals, except settings several times slower than another in the first steps, and the best one counts; the JSON file has
all.

## Peak of WebAssembly SIMD on this machine

${report.peaks.length > 0 ? peakTable(report.peaks) : "Not measured."}

A loop of multiplications and additions of four numbers each, on several accumulators.${relaxed}
`;
}

/** @file `npm run bench:cpu`: times whole training steps on the CPU, in cellgrad and in other libraries. */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, release, tmpdir, type } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { UsageError } from "../options.ts";
import { writeJson } from "../results.ts";
import { writeCase } from "./case-files.ts";
import { caseNamed, describe } from "./cases.ts";
import { compare } from "./compare.ts";
import { entrantsOf, findPythons, type Places, type Python } from "./entrants.ts";
import { flopsOf } from "./flops.ts";
import { type CpuOptions, commandOf, parseCpuOptions, usage } from "./options.ts";
import type { Peaks } from "./peak.ts";
import { type CpuReport, type CpuRow, caseTable, markdown, peakTable, rowsOf, summaryOf } from "./report.ts";

/** This file runs as bench/dist/cpu/main.mjs. */
const dist = fileURLToPath(new URL(".", import.meta.url));
const bench = join(dist, "../..");
const places: Places = { dist, peers: join(bench, "cpu", "peers.py") };
const say = (words: string) => console.error(`bench:cpu: ${words}`);

async function main(): Promise<number> {
  const options = parseCpuOptions(process.argv.slice(2));
  if (options === undefined) {
    console.log(usage);
    return 0;
  }
  const wantsPython = options.groups.some((group) => group === "pytorch" || group === "jax");
  const pythons = wantsPython ? await findPythons(options.pythons, places) : [];
  for (const python of pythons) say(pythonWords(python));
  const rows: CpuRow[] = [];
  const summaries: CpuReport["cases"][number][] = [];
  const peaks: Peaks[] = [];
  const wantsPeak = options.groups.includes("peak");
  const takePeak = async () => {
    say("measuring the peak of WebAssembly SIMD");
    const { stdout } = await promisify(execFile)(process.execPath, [join(dist, "peak.mjs")]);
    peaks.push(JSON.parse(stdout) as Peaks);
  };
  for (const name of options.cases) {
    if (wantsPeak) await takePeak();
    if (options.groups.every((group) => group === "peak")) break;
    const { summary, found } = await runCase(name, options, pythons);
    summaries.push(summary);
    rows.push(...found);
    console.log(`${caseTable(summary, rows)}\n`);
  }
  if (wantsPeak) console.log(peakTable(peaks));
  const report: CpuReport = {
    date: new Date().toISOString().slice(0, 10),
    command: commandOf(process.argv.slice(2)),
    machine: `${cpus().length} x ${cpus()[0]?.model.trim() ?? "unknown CPU"}, ${type()} ${release()}, Node ${process.version}`,
    ...{ peaks, cases: summaries, rows },
  };
  if (options.saves) await save(report, options.out ?? `cpu-${report.date}`);
  return 0;
}

async function runCase(name: string, { groups, rounds }: CpuOptions, pythons: readonly Python[]) {
  const one = caseNamed(name);
  say(`${name}: ${describe(one)}`);
  const folder = await mkdtemp(join(tmpdir(), "cellgrad-bench-"));
  try {
    await writeCase(folder, one);
    const entrants = entrantsOf(one, folder, pythons, places).filter(({ group }) => groups.includes(group));
    const measured = await compare(entrants, rounds, say);
    const flops = flopsOf(one);
    return { summary: summaryOf(one, flops), found: rowsOf(one, flops, measured) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function pythonWords({ file, python, torch, noTorch, jax, noJax }: Python): string {
  const first = torch === undefined ? `no PyTorch (${noTorch})` : `PyTorch ${torch.version} on ${torch.blas}`;
  return `${file} (${python}): ${first}, ${jax === undefined ? `no JAX (${noJax})` : `JAX ${jax.version}`}`;
}

async function save(report: CpuReport, name: string): Promise<void> {
  const results = join(bench, "results");
  await mkdir(results, { recursive: true });
  await writeFile(join(results, `${name}.md`), markdown(report));
  await writeJson(join(results, `${name}.json`), report);
  say(`written: bench/results/${name}.md and .json`);
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    const usageError = error instanceof UsageError;
    console.error(`bench:cpu: ${usageError ? error.message : error instanceof Error ? error.stack : String(error)}`);
    process.exitCode = usageError ? 2 : 1;
  },
);

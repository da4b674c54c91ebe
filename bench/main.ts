/** @file `npm run bench`: runs the jobs one after the other, each in a fresh browser, and writes the report. */
import { spawn } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { cpus, release, type } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { unpackChromium } from "../test/support/chromium.ts";
import { flagsFor } from "./browser/chromium.ts";
import type { ContenderName, Job } from "./browser/job.ts";
import { type Result, runJob } from "./browser/run-job.ts";
import { DisagreementError } from "./measure/measure.ts";
import { type BenchOptions, parseOptions, UsageError, usage } from "./options.ts";
import { type ColdRow, factsOf, markdown, type Report, rounded, type SteadyRow, steadyRows, tables } from "./report.ts";
import { writeJson } from "./results.ts";

/** This file runs as bench/dist/main.mjs. */
const bench = fileURLToPath(new URL("..", import.meta.url));
const allContenders: readonly ContenderName[] = ["cellgrad", "jax-js", "tfjs"];
/** Lengths at which start-up is measured; the second shows whether it grows with the length. */
const coldTimes: Readonly<Record<ContenderName, readonly number[]>> = {
  cellgrad: [100, 1000],
  "jax-js": [100],
  tfjs: [100],
};
const say = (words: string) => console.error(`bench: ${words}`);

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options === undefined) {
    console.log(usage);
    return 0;
  }
  const chromium = await unpackChromium(join(bench, "node_modules", ".cache", "cellgrad"));
  const script = await readFile(join(bench, "dist", "page.js"), "utf8");
  const seen = new Map<string, Result["contenders"][number]>();
  const steady: SteadyRow[] = [];
  const cold: ColdRow[] = [];
  const add = (host: "Chromium" | "Node", workgroupInit: boolean, job: Job, result: Result) => {
    for (const contender of result.contenders) seen.set(contender.name, seen.get(contender.name) ?? contender);
    const setting = { host, workgroupInit, cell: job.cell, time: job.time };
    if (result.kind === "steady") steady.push(...steadyRows(setting, result.timings));
    else {
      const { contender, compileMs, untilFirstLossMs, firstStepMs, steadyMs, pipelines } = result.timing;
      const compile = compileMs === undefined ? {} : { compileMs: rounded(compileMs) };
      const startMs = rounded(untilFirstLossMs - steadyMs);
      const rest = { startMs, firstStepMs: rounded(firstStepMs), steadyMs: rounded(steadyMs), pipelines };
      cold.push({ ...setting, contender, ...compile, ...rest });
    }
  };
  const browserJobs = jobsOf(options);
  for (const init of options.inits) {
    for (const job of browserJobs) {
      say(`Chromium, ${init}: ${describe(job)}`);
      add("Chromium", init === "init", job, await runJob(chromium, script, job, flagsFor(init === "init"), say));
    }
  }
  if (options.parts.includes("node")) {
    for (const job of nodeJobs(options)) {
      say(`Node: ${describe(job)}`);
      add("Node", false, job, await runInNode(job));
    }
  }
  const report: Report = {
    date: new Date().toISOString().slice(0, 10),
    command: ["npm run bench", ...(process.argv.length > 2 ? ["--", ...process.argv.slice(2)] : [])].join(" "),
    machine: `${cpus().length} x ${cpus()[0]?.model.trim() ?? "unknown CPU"}, ${type()} ${release()}, Node ${process.version}`,
    browser: `@sparticuz/chromium ${chromium.version}`,
    flags: flagsFor(true),
    ...factsOf([...seen.values()]),
    steady,
    cold,
  };
  console.log(tables(report));
  const name = options.out ?? `web-${report.date}${options.partial ? "-partial" : ""}`;
  await mkdir(join(bench, "results"), { recursive: true });
  await writeFile(join(bench, "results", `${name}.md`), markdown(report));
  await writeJson(join(bench, "results", `${name}.json`), report);
  say(`written: bench/results/${name}.md and .json`);
  return 0;
}

function jobsOf(options: BenchOptions): Job[] {
  const { rounds } = options;
  const steady = options.cells.flatMap((cell) =>
    options.times.map((time): Job => ({ kind: "steady", cell, time, contenders: allContenders, rounds, warmups: 1 })),
  );
  const cold = allContenders.flatMap((name) =>
    coldTimes[name].map(
      (time): Job => ({
        kind: "cold",
        cell: "lstm",
        time,
        contenders: [name],
        rounds: Math.min(3, rounds),
        warmups: 0,
      }),
    ),
  );
  return [
    ...(options.parts.includes("steady") ? steady : []),
    ...(options.parts.includes("cold") && options.cells.includes("lstm") ? cold : []),
  ];
}

function nodeJobs(options: BenchOptions): Job[] {
  return jobsOf({ ...options, parts: ["steady", "cold"] }).flatMap((job): Job[] =>
    job.contenders.includes("cellgrad") ? [{ ...job, contenders: ["cellgrad"] }] : [],
  );
}

function describe({ kind, cell, time, contenders }: Job): string {
  return `${kind} ${cell}, T=${time}: ${contenders.join(", ")}`;
}

async function runInNode(job: Job): Promise<Result> {
  const child = spawn(process.execPath, [join(bench, "dist", "node-job.mjs"), JSON.stringify(job)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => {
    text += chunk;
  });
  const code = await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0) throw new Error(`the measurement in Node ended with ${code}`);
  return JSON.parse(text) as Result;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    const usageError = error instanceof UsageError;
    const known = error instanceof DisagreementError || usageError;
    console.error(`bench: ${known ? error.message : error instanceof Error ? error.stack : String(error)}`);
    process.exitCode = usageError ? 2 : 1;
  },
);

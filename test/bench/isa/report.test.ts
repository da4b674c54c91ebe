/** @file Options, errors and tables of `npm run bench:isa`; nothing is compiled. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";
import { criticalPaths } from "../../../bench/isa/critical-path.ts";
import { findDriver, NotRun } from "../../../bench/isa/driver.ts";
import type { KernelRow } from "../../../bench/isa/kernel-row.ts";
import { parseIsaOptions } from "../../../bench/isa/options.ts";
import { againstTable, lineOf, markdown, readRows, save, tables } from "../../../bench/isa/report.ts";
import { summariesOf } from "../../../bench/isa/summary.ts";
import { noCounts } from "../../../bench/isa/wave/tally.ts";
import { slow } from "../../support/some-of.ts";

const folder = mkdtempSync(join(tmpdir(), "cellgrad-isa-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const written = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

test("options choose cells and sizes, and the whole grid is the default", () => {
  const all = parseIsaOptions([], "2026-01-02");
  expect([all?.cells.length, all?.units, all?.batches]).toEqual([5, [32, 64, 128, 256, 512, 1024], [1, 16, 256]]);
  expect(parseIsaOptions(["--save"], "2026-01-02")?.save).toBe("isa-2026-01-02");
  const some = parseIsaOptions(["--cell", "gru,lstm", "--units", "96", "--batch", "3,4", "--json"], "");
  expect(some).toMatchObject({ cells: ["lstm", "gru"], units: [96], batches: [3, 4], json: true, save: undefined });
  expect(parseIsaOptions(["--help"], "")).toBeUndefined();
  expect(all).toMatchObject({ time: 32, schedules: undefined });
  const long = parseIsaOptions(["--cell", "min-gru", "--time", "16384", "--schedule", "parallel,auto"], "");
  expect(long).toMatchObject({ cells: ["min-gru"], time: 16384, schedules: ["parallel", "auto"] });
});

test.each([
  [["--cell", "lstn"], "--cell lstn is unknown; it takes rnn, lstm, gru, minimal-gated-unit, layer-norm-lstm, min-gru"],
  [["--schedule", "fast"], "--schedule fast is unknown; it takes auto, newton, parallel"],
  [["--time", "3,4"], "--time takes one number, got 3,4"],
  [["--cell", ","], "--cell needs a name"],
  [["--units", "12.5"], "--units must be made of whole numbers above 0, got 12.5"],
  [["--batch", ""], "--batch must be made of whole numbers above 0, got nothing"],
  [["--unit", "3"], "Unknown option '--unit'"],
])("%j is refused", (args, message) => expect(() => parseIsaOptions(args, "")).toThrow(message));

test("the critical path adds up the kernels of each schedule over the whole sequence", () => {
  const whole = (phase: "forward" | "backward", cyclesOfSequence: number, barriersOfSequence: number) =>
    row({ phase, cyclesOfSequence, barriersOfSequence });
  const parallel = [whole("forward", 3000, 20), whole("forward", 1234, 0), whole("backward", 50, 1)];
  const sequential = [whole("forward", 9e6, 64)];
  const found = [["parallel", parallel] as const, ["persistent", sequential] as const];
  const text = criticalPaths(found, { time: 16384, json: false });
  expect(text).toMatch(/^This is a model of one vendor's chip/);
  expect(text).toMatch(/\| forward +\| 16,384 \| parallel +\| 1 +\| 2 +\| 4,234 +\| 20 +\|/);
  expect(text).toMatch(/\| backward \| 16,384 \| parallel +\| 1 +\| 1 +\| 50 +\| 1 +\|/);
  expect(text).toMatch(/\| forward +\| 16,384 \| persistent \| 1 +\| 1 +\| 9,000,000 \| 64 +\|/);
  const lines = criticalPaths([["parallel", parallel]], { time: 16384, json: true }).split("\n");
  expect(lines.map((line) => JSON.parse(line).schedule)).toEqual(["parallel", "parallel", "parallel"]);
});

test.each([
  ["missing", undefined, "no such file"],
  ["empty", "", "it is empty"],
  ["text", '{"kernel":"k","batch":1,"phase":"forward"}\nnot JSON\n', "line 2 is not a kernel"],
  ["other", '{"date":"2026"}', "line 1 is not a kernel"],
])("--against: %s", (name, text, message) => {
  const file = text === undefined ? join(folder, name) : written(name, text);
  expect(() => readRows(file)).toThrow(`--against ${file}: ${message}; it takes a file that --save wrote`);
});

test("a fault of the call is one line and exit code 2", { ...slow, timeout: 60_000 }, async () => {
  const script = fileURLToPath(new URL("../../../bench/isa/isa.mjs", import.meta.url));
  const ended = promisify(execFile)(process.execPath, [script, "--units", "many"]);
  const message = "bench:isa: --units must be made of whole numbers above 0, got many\n";
  await expect(ended).rejects.toMatchObject({ code: 2, stderr: message, stdout: "" });
});

test("without driver or headers it says what to install", () => {
  const driver = written("radeon_icd.x86_64.json", "{}");
  expect(() => findDriver("", { manifests: [join(folder, "none")], header: driver })).toThrow(NotRun);
  const without = () => findDriver("", { manifests: [folder], header: join(folder, "none.h") });
  if (process.platform === "linux") expect(without).toThrow("no Vulkan headers (apt-get install");
  else expect(without).toThrow(NotRun);
});

function row(part: Partial<KernelRow>, counts: Partial<KernelRow["perWave"]> = {}): KernelRow {
  return {
    ...{ cell: "gru", units: 8, batch: 16, phase: "forward", kernel: "k0", label: "", loop: "inside" },
    ...{ registers: 8, scalarRegisters: 128, spills: 0, scratchBytes: 0, workgroupBytes: 0, lanes: 64, workgroups: 1 },
    ...{ codeInstructions: 1, acoLatency: 123456, acoInverseThroughput: 7, cyclesPerStep: 1000, bound: "latency" },
    ...part,
    perWave: { ...noCounts(), ...counts },
  };
}

const rows = [
  row(
    {
      weightLoadsPerStep: 64,
      hotBlock: { block: "BB1", runs: 4, instructions: 20, fma: 10, memory: 1, local: 1, waits: 1 },
      fmaShare: 0.5,
    },
    { instructions: 300, waits: 12, barriers: 1 },
  ),
  row({ kernel: "k1", loop: "step", cyclesPerStep: 500 }, { instructions: 100, waits: 3 }),
  row({ kernel: "k2", loop: "once", cyclesPerStep: 40 }, { instructions: 9 }),
  row({ kernel: "k3", phase: "backward", spills: 3 }),
];

test("kernels of a pass are added up, those of the recurrence apart", () => {
  expect(summariesOf(rows)).toMatchObject([
    {
      phase: "forward",
      recurrence: 1500,
      others: 40,
      instructions: 400,
      waits: 15,
      barriers: 1,
      weightLoads: 64,
      fmaShare: 0.5,
      kernels: 2,
      spills: 0,
      faults: 0,
    },
    { phase: "backward", recurrence: 1000, others: 0, spills: 3 },
  ]);
});

test("a kernel that cannot be counted is named, and its cycles are not in the sum", () => {
  const { perWave: _, cyclesPerStep: __, ...bare } = row({ kernel: "k9" });
  const withFault: KernelRow = { ...bare, fault: "data decides how often the loop with block BB7 runs" };
  const text = tables([...rows, withFault], undefined);
  expect(text).toContain("1,500");
  expect(text).toContain("40 + 1 not counted");
  expect(text).toContain("data decides how often the loop with block BB7 runs");
});

test("an earlier run stands beside this one", () => {
  const before = rows.map((one) => ({ ...one, cyclesPerStep: 3 * (one.cyclesPerStep ?? 0) }));
  const lines = againstTable(rows, before).split("\n");
  expect(lines).toHaveLength(4);
  expect(
    lines[2]
      ?.split("|")
      .map((cell) => cell.trim())
      .slice(1, 8),
  ).toEqual(["gru", "8", "16", "forward", "4,500", "1,500", "3.00"]);
  expect(againstTable(rows, before.slice(3)).split("\n")).toHaveLength(3);
});

test("a file that is kept is read back with the counts that are 0, and the page stands beside it", () => {
  const report = { date: "2026-01-02", command: "npm run bench:isa", driver: "radv", rows, before: undefined };
  expect(save(folder, "isa-test", report)).toEqual(["isa-test.md", "isa-test.jsonl"]);
  expect(readRows(join(folder, "isa-test.jsonl"))).toEqual(rows);
  expect(readFileSync(join(folder, "isa-test.jsonl"), "utf8")).not.toContain(':0,"otherVector"');
  expect(readFileSync(join(folder, "isa-test.md"), "utf8")).toBe(markdown(report));
});

test("lines are read back, with four digits, and every page says that it is a model", () => {
  const file = written("rows.jsonl", rows.map((one) => `${lineOf({ ...one, cyclesPerStep: 1234.5678 })}\n`).join(""));
  expect(readRows(file).map(({ kernel, cyclesPerStep }) => [kernel, cyclesPerStep])).toEqual(
    rows.map(({ kernel }) => [kernel, 1235]),
  );
  const page = markdown({ date: "2026-01-02", command: "npm run bench:isa", driver: "radv", rows, before: undefined });
  for (const text of [page, tables(rows, undefined)]) expect(text).toContain("It is not a measurement");
});

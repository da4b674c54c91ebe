/** @file `cellgrad inspect --profile`: its table and JSON on the software adapter, and its errors. */
import { afterEach, expect, test, vi } from "vitest";
import { profileTable } from "../../cli/inspect/profile-table.ts";
import { main } from "../../cli/main.ts";
import { GpuContext } from "../../runtime/context.ts";
import { requestAdapter } from "../../runtime/host.ts";
import { type KernelProfile, ratesOf } from "../../runtime/profile.ts";
import { slow } from "../support/some-of.ts";
import { Collected, jsonLines, run } from "./run.ts";

const SMALL = ["--cell", "rnn", "--units", "8", "--embed", "4", "--vocabulary", "10", "--batch", "4", "--time", "6"];
const PROFILE = ["inspect", "--profile", "--device", "software", ...SMALL];

afterEach(() => vi.restoreAllMocks());

const kernel = (name: string, milliseconds: number, more: Partial<KernelProfile>): KernelProfile => {
  const work = { flops: 3e9, bytes: 2e6, milliseconds };
  return { name, label: "f: dot", site: undefined, dispatches: 1, ...work, ...ratesOf(work), ...more };
};

test("the table is aligned, with shares, rates, the source line or the ops, and the sum", () => {
  const kernels = [
    kernel("k1_dot", 7.5, { dispatches: 100, site: "my-cell.ts:5:3" }),
    kernel("k0_sum", 2.5, {}),
    kernel("k12_map", 0, {}),
  ];
  expect([...profileTable({ device: "GPU", runs: 5, kernels, stepMilliseconds: 9.25 })]).toEqual([
    "device: GPU",
    "kernel   dispatches      ms   share   GFLOP  GFLOP/s     MB  GB/s  from",
    "k1_dot          100   7.500   75.0%  3.0000   400.00  2.000  0.27  my-cell.ts:5:3",
    "k0_sum            1   2.500   25.0%  3.0000  1200.00  2.000  0.80  f: dot",
    "k12_map           1   0.000    0.0%  3.0000        -  2.000     -  f: dot",
    "total           102  10.000  100.0%  9.0000   900.00  6.000  0.60",
    "a normal training step: 9.25 ms of wall time; all times are medians of 5 steps",
  ]);
});

test("every kernel of the step is in the table, slowest first; a terminal shows a bar meanwhile", slow, async () => {
  const [stdout, stderr] = [new Collected(), Object.assign(new Collected(), { isTTY: true })];
  expect(await main(PROFILE, { stdout, stderr })).toBe(0);
  expect(stderr.text).toContain("12/12");
  const [title, device, headings = "", ...rows] = stdout.text.trimEnd().split("\n");
  expect(title).toBe("rnn: 1 x 8 units, embedding 4, vocabulary 10, batch 4, time 6");
  expect(device).toMatch(/^device: \S/);
  const end = headings.indexOf("  from");
  const kernels = rows.slice(0, -2);
  for (const row of kernels) expect(row.slice(end - 1, end + 3)).toMatch(/^[\d.-] {2}\S$/);
  expect(kernels.map((row) => row.split(" ")[0]).toSorted()).toEqual(
    [...new Set(kernels.map((row) => /^k\d+_[a-zA-Z]+/.exec(row)?.[0]))].toSorted(),
  );
  const times = kernels.map((row) => Number(row.split(/ +/)[2]));
  expect(times).toEqual(times.toSorted((a, b) => b - a));
  expect(stdout.text).toMatch(/ cells\/rnn\.ts:\d+:\d+$/m);
  expect(rows.at(-2)).toMatch(/^total +\d+ +[\d.]+ +100\.0%/);
  expect(rows.at(-1)).toMatch(/^a normal training step: [\d.]+ ms of wall time; all times are medians of 5 steps$/);
});

test("with --json, the object of inspect includes the profile, with loops counted", slow, async () => {
  const { code, stdout, stderr } = await run(...PROFILE, "--json", "--schedule", "stepwise");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const [report = {}] = jsonLines(stdout);
  expect(report.kernels).toContainEqual(expect.objectContaining({ wgsl: expect.stringContaining("@compute") }));
  expect(report.profile).toMatchObject({ device: expect.any(String), runs: 5, stepMilliseconds: expect.any(Number) });
  const { kernels, total } = report.profile as { kernels: KernelProfile[]; total: KernelProfile };
  expect([...new Set(kernels.map(({ dispatches }) => dispatches))].toSorted()).toEqual([1, 6]);
  const sum = (of: (kernel: KernelProfile) => number) => kernels.reduce((all, each) => all + of(each), 0);
  expect(total.flops).toBe(sum(({ flops }) => flops));
  expect(total.bytes).toBe(sum(({ bytes }) => bytes));
  expect(total.flops).toBeGreaterThan(0);
});

test("an adapter without timestamp queries gives an error that says what to do", async () => {
  const host = await requestAdapter("software");
  vi.spyOn(GpuContext, "open").mockResolvedValue(new GpuContext(host, await host.adapter.requestDevice()));
  const { code, stdout, stderr } = await run(...PROFILE);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toMatch(
    /^cellgrad: .* has no timestamp queries, so its kernels cannot be timed; use another device.*\n$/,
  );
});

test.each([
  ["the interpreter has no kernels", ["--profile", "--device", "interpreter"], /the interpreter has none/],
  ["a device without --profile", ["--device", "software"], /--device is for --profile/],
])("%s", async (_, options, message) => {
  const { code, stdout, stderr } = await run("inspect", ...SMALL, ...options);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toMatch(message);
  expect(stderr.split("\n")).toHaveLength(2);
});

/**
 * @file The fuzz in each host: a few cells, an entry that fails, and what a wrong option is answered.
 *
 * @module-tag slow
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { long, someOf } from "../support/some-of.ts";
import { corpus } from "./corpus.ts";
import { drivers } from "./hosts.ts";
import { type Entry, type FuzzEvent, type HostJob, hostNames } from "./protocol.ts";

async function eventsOf(host: (typeof hostNames)[number], job: HostJob): Promise<FuzzEvent[]> {
  const events: FuzzEvent[] = [];
  await drivers[host](job, (event) => events.push(event));
  return events;
}

test.each(hostNames)("%s checks a cell and a training run, and says what it was at", async (host) => {
  const events = await eventsOf(host, { fuzz: { device: "all", seed: 2, minutes: 1e-6, training: 1, second: 0 } });
  const [device, ...rest] = events;
  expect(device).toMatchObject({ event: "device", name: expect.stringMatching(/^WebAssembly SIMD, .* and \S/) });
  const totals = { cells: 1, cellsDiscarded: 0, secondOrder: 0, trainings: 1, trainingsDiscarded: 0, failures: 0 };
  expect(rest).toEqual([
    { event: "checking", kind: "cell", seed: 2 },
    { event: "checking", kind: "training", seed: 2 },
    { event: "progress", totals: { ...totals, minutes: expect.any(Number) } },
    { event: "done", totals: { ...totals, minutes: expect.any(Number) } },
  ]);
});

test.each(hostNames)("%s checks more cells on the CPU alone", long, async (host) => {
  const job = { device: "cpu", seed: 11, minutes: 1e-6, cells: 6, training: 6, second: 3 } as const;
  const events = await eventsOf(host, { fuzz: job });
  expect(events[0]).toMatchObject({ event: "device", name: expect.stringMatching(/^WebAssembly SIMD, (?!.* and )/) });
  const done = events.at(-1);
  if (done?.event !== "done") throw new Error("it did not end");
  const { cells, cellsDiscarded, secondOrder, trainings, trainingsDiscarded, failures } = done.totals;
  expect([cells + cellsDiscarded, trainings + trainingsDiscarded, failures]).toEqual([6, 1, 0]);
  expect([cells > 3, secondOrder > 0, trainings]).toEqual([true, true, 1]);
});

const forcedSchedules = [
  ["node", "evaluator", "parallel"],
  ["node", "software", "resident"],
  ["node", "evaluator", "stepwise"],
  ["node", "evaluator", "resident"],
  ["node", "evaluator", "persistent"],
  ["node", "cpu", "parallel"],
  ["deno", "software", "resident"],
  ["deno", "software", "parallel"],
] as const;

someOf(forcedSchedules, (_, i) => i < 2)(
  "%s checks cells on %s in a schedule that is forced, %s, and counts what ran in it",
  async (host, device, schedule) => {
    const forced = { schedule, widest: 12 };
    const job = { device, seed: 31, minutes: 1e-6, cells: 3, training: 1, second: 1, forced } as const;
    const events = await eventsOf(host, { fuzz: job });
    const done = events.at(-1);
    if (done?.event !== "done") throw new Error("it did not end");
    const { cells, cellsDiscarded, trainings, failures, taken } = done.totals;
    expect([cells + cellsDiscarded, trainings, failures]).toEqual([3, 0, 0]);
    expect(taken?.loops).toBeGreaterThan(0);
    if (schedule === "stepwise") expect(taken?.refused).toEqual({});
  },
);

test("an entry that fails in a host says what is wrong", async () => {
  const entry = corpus()["training.json"] as Entry & { plan: { objective: object } };
  const unknown = { ...entry, plan: { ...entry.plan, objective: { ...entry.plan.objective, cell: "nobody" } } };
  const [replayed] = await eventsOf("node", { replay: unknown });
  expect(replayed).toMatchObject({
    event: "replayed",
    wrong: expect.stringMatching(/^unknown cell nobody; the cells are rnn/),
  });
});

test("a host that ends says how", async () => {
  const noJob = JSON.parse("null") as HostJob;
  await expect(eventsOf("node", noJob)).rejects.toThrow(/^the process ended with code 1: .*TypeError/s);
});

const script = fileURLToPath(new URL("../../scripts/fuzz.mjs", import.meta.url));

test.each([
  [
    ["--host", "safari"],
    "option '--host <host>' argument 'safari' is invalid. Allowed choices are node, deno, chromium, all.",
  ],
  [
    ["--device", "interpreter"],
    "option '--device <device>' argument 'interpreter' is invalid. Allowed choices are cpu, gpu, software, all, evaluator.",
  ],
  [
    ["--schedule", "auto"],
    "option '--schedule <schedule>' argument 'auto' is invalid. Allowed choices are newton, parallel, resident, persistent, stepwise.",
  ],
  [["--device", "evaluator"], "--device evaluator needs a --schedule"],
  [["--device", "cpu", "--schedule", "resident"], "--schedule forces a GPU's rules, which --device cpu has not"],
  [["--minutes", "0"], "option '--minutes <n>' argument '0' is invalid. It must be a number above 0."],
  [["--seed", "1.5"], "option '--seed <n>' argument '1.5' is invalid. It must be a whole number below 2^30."],
])("%j is refused in a line", async (args, line) => {
  const answer = await new Promise((resolve) => {
    execFile(process.execPath, [script, ...args], (error, stdout, stderr) =>
      resolve({ code: error?.code, stdout, stderr }),
    );
  });
  expect(answer).toEqual({ code: 2, stdout: "", stderr: `fuzz: ${line}\n` });
});

/** @file Settings of a run: all that the library has, what they may be, and that each changes what is trained. */
import { expect, test } from "vitest";
import { cells } from "../../cells/index.ts";
import * as more from "../../entries/optimizers.ts";
import * as library from "../../index.ts";
import { correctedNumber } from "../../playground/page/corrected-number.ts";
import {
  checkedSettings,
  optimizerNames,
  plainTraining,
  type RunSettings,
  ranges,
  scheduleNames,
  usualRates,
  withOptimizer,
} from "../../playground/shared/settings.ts";
import { updateOf } from "../../playground/worker/recipe.ts";
import { factorsOf } from "../../train/optimizers/schedules.ts";
import { slow } from "../support/some-of.ts";
import { clientWithText, runSpec, smallSettings } from "./client.ts";

const lstm = cells.lstm as NonNullable<typeof cells.lstm>;

/** What an export makes with no options, where it is a rule of update. */
function optimizerOf(make: unknown): string[] {
  try {
    const made: unknown = typeof make === "function" ? make() : undefined;
    // Others refuse to be called so, some of them later.
    Promise.resolve(made).catch(() => {});
    const isRule = typeof made === "object" && made !== null && "slots" in made && "update" in made && "name" in made;
    return isRule ? [String(made.name)] : [];
  } catch {
    return [];
  }
}

test("every rule of update that the library exports can be chosen", () => {
  const exported = Object.values({ ...library, ...more }).flatMap(optimizerOf);
  expect(exported.length).toBeGreaterThanOrEqual(7);
  const chosen = optimizerNames.map((optimizer) => updateOf({ ...smallSettings, optimizer }).optimizer.name);
  expect(chosen).toEqual(expect.arrayContaining(exported));
  expect(new Set(chosen).size).toBe(optimizerNames.length);
});

test("schedules begin after the warm-up and end where they should", () => {
  const factors = (change: Partial<RunSettings>) => {
    const { rateSchedule } = updateOf({ ...smallSettings, ...change });
    return rateSchedule === undefined
      ? undefined
      : factorsOf(rateSchedule, 12).map((factor) => Number(factor.toFixed(3)));
  };
  expect(factors({})).toBeUndefined();
  expect(factors({ schedule: "linear", scheduleSteps: 10 })).toEqual([
    1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0, 0,
  ]);
  expect(factors({ schedule: "step", scheduleSteps: 6, warmup: 2 })).toEqual([
    0.5, 1, 1, 1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001, 0, 0,
  ]);
  expect(factors({ schedule: "cosine", scheduleSteps: 4 })?.slice(0, 5)).toEqual([1, 0.854, 0.5, 0.146, 0]);
});

test(
  "each setting of the training changes what is trained, and what is dropped is dropped in training alone",
  slow,
  async () => {
    const changes: readonly Partial<RunSettings>[] = [
      ...optimizerNames.slice(1).map((optimizer) => ({ optimizer, weightDecay: optimizer === "adamw" ? 0.5 : 0 })),
      ...scheduleNames.slice(1).map((schedule) => ({ schedule, scheduleSteps: 3 })),
      { warmup: 5 },
      { weightDecay: 1 },
      { optimizer: "sgd", weightDecay: 1 },
      { clipNorm: 0.01, optimizer: "sgd" },
      { dropout: 0.5 },
      { recurrentDropout: 0.5 },
      { zoneout: 0.5 },
    ];
    const client = await clientWithText("interpreter");
    const names = ["plain", ...changes.map((change) => JSON.stringify(change))];
    const runs = [{}, ...changes].map((change, i) =>
      runSpec(names[i] ?? "", lstm, null, { units: 3, batch: 1, ...change }),
    );
    await client.ask({ type: "setRuns", runs });
    await client.ask({ type: "start", steps: 3 });
    await client.until(() => client.eventsOf("stopped").length === runs.length);
    const losses = names.map((run) =>
      client
        .eventsOf("progress")
        .flatMap((event) => (event.run === run && event.heldOut?.step === 3 ? [event.heldOut.loss] : []))
        .at(-1),
    );
    expect(losses.every((loss) => loss !== undefined && Number.isFinite(loss))).toBe(true);
    expect(new Set(losses).size).toBe(losses.length);
    // Sampling and the flow of gradients know nothing of what is dropped.
    const run = JSON.stringify({ dropout: 0.5 });
    const sample = () => client.ask({ type: "sample", run, length: 8, temperature: 0 });
    expect((await sample()).text).toBe((await sample()).text);
    expect((await client.ask({ type: "gradientFlow", run })).states).toHaveLength(2);
    expect((await client.ask({ type: "inspect", run })).passes.length).toBeGreaterThan(2);
    await client.ask({ type: "destroy" });
  },
);

test("runs that are kept go on while others are made anew, and what ends frees its memory", slow, async () => {
  const client = await clientWithText("cpu");
  await client.ask({ type: "setRuns", runs: [runSpec("a", lstm), runSpec("b", lstm)] });
  await client.ask({ type: "start", steps: 2 });
  await client.until(() => client.eventsOf("stopped").length === 2);
  const both = (await client.ask({ type: "memory" })).buffers;
  expect(await client.refusal({ type: "setRuns", runs: [runSpec("a", lstm)], keep: ["a"] })).toMatch(/one name/);
  expect(await client.refusal({ type: "setRuns", runs: [], keep: ["c"] })).toMatch(/no run "c"; there are a, b/);
  const reports = await client.ask({ type: "setRuns", runs: [runSpec("c", lstm)], keep: ["a"] });
  expect(reports.map(({ run }) => run)).toEqual(["c"]);
  expect(await client.refusal({ type: "inspect", run: "b" })).toMatch(/no run "b"; there are a, c/);
  await client.ask({ type: "start", steps: 1, runs: ["a"] });
  await client.until(() => client.eventsOf("stopped").length === 3);
  expect(client.eventsOf("stopped").at(-1)).toMatchObject({ run: "a", step: 3 });
  await client.ask({ type: "setRuns", runs: [], keep: ["a"] });
  expect((await client.ask({ type: "memory" })).buffers).toBeLessThan(both);
  await client.ask({ type: "setRuns", runs: [] });
  expect((await client.ask({ type: "memory" })).buffers).toBe(0);
  await client.ask({ type: "destroy" });
});

test("the usual rate and decay come with the optimizer, and those of the visitor stay", () => {
  const first: RunSettings = { ...smallSettings, learningRate: usualRates.adam };
  expect(withOptimizer(first, "sgd")).toEqual({ optimizer: "sgd", learningRate: 0.5, weightDecay: 0 });
  expect(withOptimizer(first, "adamw")).toMatchObject({ weightDecay: 0.01 });
  expect(withOptimizer({ ...first, optimizer: "adamw", weightDecay: 0.01 }, "adam").weightDecay).toBe(0);
  expect(withOptimizer({ ...first, learningRate: 0.0123, weightDecay: 0.2 }, "sgd")).toEqual({ optimizer: "sgd" });
});

test.each([
  ["12", { value: 12 }],
  ["0.5", { value: 1, line: "Units is a whole number from 1 to 1024: 0.5 was taken as 1." }],
  ["5000", { value: 1024, line: "Units is a whole number from 1 to 1024: 5000 was taken as 1024." }],
  ["", { value: 7, line: "Units is a whole number from 1 to 1024; it stays 7." }],
  ["many", { value: 7, line: "Units is a whole number from 1 to 1024; it stays 7." }],
])("%j typed for a number", (typed, expected) => {
  expect(correctedNumber(typed, 7, ranges.units)).toEqual(expected);
});

test("of a stranger's settings only those are taken that are right", () => {
  const all: RunSettings = { ...smallSettings, optimizer: "lion", schedule: "step" };
  expect(checkedSettings({ ...all })).toEqual(all);
  expect(checkedSettings({ ...plainTraining, clipNorm: 0 }).clipNorm).toBeNull();
  expect(checkedSettings({ ...all, clipNorm: null }).clipNorm).toBeNull();
  const wrong = {
    units: 2.5,
    layers: 99,
    time: "8",
    learningRate: -1,
    optimizer: "magic",
    schedule: "never",
    seed: Number.NaN,
  };
  expect(checkedSettings({ ...wrong, dropout: 1, more: 1 })).toEqual({});
});

/** @file `cellgrad train --population`: curves, the best model, halving, and what does not go with it. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { curves, frame } from "../../cli/population/display.ts";
import { roundEnds, type TrainedModel, trainPopulation } from "../../cli/population/session.ts";
import { populationSettings } from "../../cli/population/settings.ts";
import { setupOfText } from "../../cli/training-setup.ts";
import { adam, gru } from "../../index.ts";
import { decodeModel } from "../../train/files/model-file.ts";
import { cpu } from "../support/cpu-executors.ts";
import { slow } from "../support/some-of.ts";
import { jsonLines, run, TEXT, Workspace } from "./run.ts";

const SMALL = ["--units", "6", "--embed", "4", "--batch", "2", "--time", "8", "--device", "cpu"] as const;

let space: Workspace;

beforeEach(() => {
  space = new Workspace({ "text.txt": TEXT });
});

afterEach(() => space.remove());

const train = (...args: string[]) => run("train", space.file("text.txt"), ...SMALL, ...args);

test("rates from a range: all curves are shown, and the best model is kept and goes on alone", slow, async () => {
  const out = space.file("m.safetensors");
  const found = await train("--population", "4", "--lr", "1e-4..1e-1", "--steps", "12", "--out", out);
  expect(found.code).toBe(0);
  const lines = found.stdout.split("\n").filter((line) => /^[* ] lr /.test(line));
  expect(lines.map((line) => line.slice(2).split(" ").slice(0, 2).join(" "))).toEqual([
    ...["lr 0.0001", "lr 0.001", "lr 0.01", "lr 0.1"],
  ]);
  const losses = lines.map((line) => Number(/held-out (\S+)/.exec(line)?.[1]));
  const best = lines.findIndex((line) => line.startsWith("*"));
  expect(losses[best]).toBe(Math.min(...losses));
  expect(found.stdout).toContain(`best: ${["lr 0.0001", "lr 0.001", "lr 0.01", "lr 0.1"][best]}, held-out loss`);
  const { training, run: record } = decodeModel(readFileSync(out), "m");
  expect(training?.learningRate).toBe([1e-4, 1e-3, 1e-2, 1e-1][best]);
  expect(record).toMatchObject({ steps: 12, planned: 12, seed: 1 });

  // The same as that model trained alone.
  const alone = space.file("alone.safetensors");
  expect((await train("--lr", String(training?.learningRate), "--steps", "12", "--out", alone)).code).toBe(0);
  const [a, b] = [decodeModel(readFileSync(out), "m"), decodeModel(readFileSync(alone), "m")];
  expect(a.parameters).toEqual(b.parameters);
  const resumed = await run("train", space.file("text.txt"), "--resume", out, "--steps", "2", "--device", "cpu");
  expect(resumed.code).toBe(0);
});

test("seeds, halving and JSON: the worse half ends after each round", slow, async () => {
  const log = space.file("log.jsonl");
  const found = await train("--population", "4", "--steps", "12", "--seed", "5", "--halving", "--json", "--log", log);
  expect(found.code).toBe(0);
  const lines = jsonLines(found.stdout);
  const done = lines.at(-1) as { best: number; models: { seed: number; steps: number; valLoss: number }[] };
  expect(lines.slice(0, -1).map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  expect(done.models.map(({ seed }) => seed)).toEqual([5, 6, 7, 8]);
  expect(done.models.map(({ steps }) => steps).toSorted((a, b) => a - b)).toEqual([4, 4, 8, 12]);
  expect(done.models[done.best]?.steps).toBe(12);
  expect(lines[9]).toMatchObject({
    losses: done.models.map(({ steps }) => (steps === 12 ? expect.any(Number) : null)),
  });
  const logged = jsonLines(readFileSync(log, "utf8"));
  expect(logged[0]).toMatchObject({ population: [{ seed: 5 }, { seed: 6 }, { seed: 7 }, { seed: 8 }] });
  expect(logged).toHaveLength(lines.length + 1);
});

test("a log for TensorBoard has a curve for each model", async () => {
  const found = await train("--population", "2", "--steps", "3", "--log", `tensorboard:${space.file("events")}`);
  expect(found.code).toBe(0);
  const [name = ""] = readdirSync(space.file("events"));
  const events = readFileSync(join(space.file("events"), name), "latin1");
  for (const tag of ["loss/model 0", "loss/model 1"]) expect(events.split(tag)).toHaveLength(4);
});

test("an interrupted run ends with all of its steps reported: its checkpoint is that of the last", async () => {
  const setup = await setupOfText(TEXT, "text", { cell: gru, units: 4, layers: 1, embed: 4, batch: 2, time: 8 });
  const settings = populationSettings(4, 1, 0.01);
  const reported: number[] = [];
  const result = await trainPopulation({
    ...{ setup, device: cpu, settings, update: { optimizer: adam() }, tuned: undefined, steps: 40, halves: true },
    ...{ evalBatches: 1, report: ({ step }) => void reported.push(step), isInterrupted: () => reported.length > 15 },
  });
  expect(result.interrupted).toBe(true);
  expect(reported).toEqual(Array.from({ length: result.step }, (_, i) => i + 1));
  expect([...(result.best?.checkpoint.step?.data ?? [])]).toEqual([result.step]);
  // The held-out losses of the first round are about other weights than those that are kept.
  expect(result.training.map((model) => result.models[model]?.valLoss)).toEqual([undefined, undefined]);
  expect(result.models.filter(({ valLoss }) => valLoss !== undefined)).toHaveLength(2);
});

test("models that diverge are named, and if all do, nothing is kept", slow, async () => {
  const out = space.file("none.safetensors");
  const some = await train(
    "--population",
    "2",
    "--lr",
    "1e-3..1000",
    "--optimizer",
    "sgd",
    "--steps",
    "30",
    "--weight-decay",
    "1",
  );
  expect(some.code).toBe(0);
  expect(some.stdout).toMatch(/^ {2}lr 1000 .* not finite at step \d+$/m);
  const all = await train(
    "--population",
    "2",
    "--lr",
    "900..1000",
    "--optimizer",
    "sgd",
    "--steps",
    "30",
    "--weight-decay",
    "1",
    "--out",
    out,
  );
  expect(all.code).not.toBe(0);
  expect(all.stderr).toContain(
    "cellgrad: no model has a finite loss, so none was kept; smaller learning rates often help",
  );
  expect(() => readFileSync(out)).toThrow();
});

test.each([
  [
    ["--population", "8", "--halving", "--steps", "3"],
    "--halving of 8 models takes 4 rounds of at least one step; give --steps 4 or more",
  ],
  [["--lr", "1e-4..1e-1"], "--lr FROM..TO is for many models at once; give their number as --population"],
  [["--halving"], "--halving is for many models at once; give their number as --population"],
  [["--population", "3", "--lr", "1..0.1"], '--lr must be a range such as 1e-4..1e-1, lower end first, got "1..0.1"'],
  [["--population", "1", "--lr", "0.1..1"], "--lr FROM..TO is for two models or more; give --population 2 or more"],
  [["--population", "0"], '--population must be a whole number from 1 to 4096, got "0"'],
  [
    ["--population", "2", "--patience", "2"],
    "--patience does not go with --population: --halving ends the models that fall behind",
  ],
  [
    ["--population", "2", "--lr-schedule", "plateau"],
    "--lr-schedule plateau does not go with --population: it follows the loss of one model",
  ],
])("%o", async (args, message) => {
  const found = await train(...args);
  expect(found.code).not.toBe(0);
  expect(found.stderr).toContain(`cellgrad: ${message}\n`);
});

test("rates are spread evenly over the digits of a range, ends included", () => {
  const rates = populationSettings(5, 1, 0, { from: 1e-4, to: 0.5 }).map(({ learningRate }) => learningRate);
  expect(rates).toEqual([1e-4, 8.41e-4, 7.07e-3, 5.95e-2, 0.5]);
  expect(roundEnds(32, 600, true)).toEqual([100, 200, 300, 400, 500, 600]);
  expect(roundEnds(1, 600, true)).toEqual([600]);
  expect(roundEnds(8, 600, false)).toEqual([600]);
});

test("curves have one scale, from the first losses down, and a frame fits its terminal", () => {
  const model = (label: string, losses: number[], divergedAt?: number): TrainedModel => {
    return { label, seed: 1, learningRate: 1, losses, valLoss: undefined, divergedAt };
  };
  const models = [model("a", [4, 3, 2, 1]), model("b", [4, 4]), model("c", [4, 90], 3)];
  expect(curves(models, 4, 4)).toEqual(["█▆▃▁", "██", "██"]);
  expect(curves(models, 8, 4)).toEqual(["▇▁", "█", "█"]);
  const many = Array.from({ length: 4096 }, () =>
    model(
      "m",
      Array.from({ length: 60 }, (_, i) => 60 - i),
    ),
  );
  expect(new Set(curves(many, 60, 48)).size).toBe(1);
  const report = { step: 4, models, training: [0, 1, 2], tokensPerSecond: 1234 };
  const picture = frame(report, { steps: 4, unit: "characters", columns: 50, rows: 4 });
  expect(picture).toHaveLength(3);
  expect(picture[0]).toMatch(/^\* a █▆▃▁ {2}1\.000$/);
  expect(picture.at(-1)).toBe("step 4/4  3 models  best loss 1.000, median 4.000 ");
  expect(picture.every((line) => [...line].length <= 50)).toBe(true);
});

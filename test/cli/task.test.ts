/** @file `cellgrad task`: benchmark tasks from the command line, and the scores of oracle networks. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { UserError } from "../../compiler/graph/errors.ts";
import { type NdArray, zeros } from "../../compiler/graph/ndarray.ts";
import type { Device } from "../../devices/device.ts";
import { openInterpreter } from "../../devices/interpreter.ts";
import { lstm } from "../../index.ts";
import { initialize } from "../../train/initialize.ts";
import { createPredictor } from "../../train/predictor.ts";
import { copy, embeddedReber, selectiveCopy, tasks } from "../../train/tasks/index.ts";
import { networkOfTask } from "../../train/tasks/network.ts";
import type { Predict, Task } from "../../train/tasks/task.ts";
import { slow } from "../support/some-of.ts";
import { jsonLines, run } from "./run.ts";

const SMALL = [
  "--device",
  "interpreter",
  "--units",
  "4",
  "--embed",
  "3",
  "--batch",
  "20",
  "--time",
  "8",
  "--steps",
  "3",
];

test("without a name the tasks are listed, with their sources and parameters", async () => {
  const { stdout } = await run("task");
  for (const { name, source, parameters } of Object.values(tasks)) {
    expect(stdout).toContain(`${name}: `);
    expect(stdout).toContain(source);
    for (const { name, initial } of parameters) expect(stdout).toContain(`--with ${name}=${initial}`);
  }
  const names = jsonLines((await run("task", "--json")).stdout).map(({ name }) => name);
  expect(names).toEqual(Object.keys(tasks));
});

test("the same seed gives the same result, with all its settings", slow, async () => {
  const of = async (seed: string) => {
    const { code, stdout } = await run("task", "adding-halves", ...SMALL, "--seed", seed, "--json");
    expect(code).toBe(0);
    const { seconds, ...rest } = jsonLines(stdout)[0] ?? {};
    expect(seconds).toBeGreaterThan(0);
    return rest;
  };
  const result = await of("4");
  expect(result).toMatchObject({ task: "adding-halves", cell: "lstm", units: 4, seed: 4, steps: 3, baseline: 1 / 6 });
  expect(result.loss).toBeGreaterThan(0.01);
  expect(await of("4")).toEqual(result);
  expect((await of("5")).loss).not.toBe(result.loss);
});

test("task parameters and initial weights are applied", slow, async () => {
  const tiny = ["--time", "4", "--with", "length=2", "--with", "symbols=3"];
  const { stdout } = await run("task", "copy", ...SMALL, ...tiny);
  const [, loss, baseline] = /^loss on new sequences (\S+); baseline \(ignores its input\) (\S+),/m.exec(stdout) ?? [];
  expect(Number(loss)).toBeGreaterThan(0.1);
  expect(Number(baseline)).toBeCloseTo((2 * Math.log(3)) / (4 + 4), 3);
  expect(stdout).toMatch(/^symbols that are wrong: \S+\nsequences with a wrong symbol: \S+$/m);
  const lossOf = async (...more: string[]) =>
    jsonLines((await run("task", "adding-halves", ...SMALL, "--json", ...more)).stdout)[0]?.loss;
  expect(await lossOf("--start", "input/bias=-3")).not.toBe(await lossOf());
});

/** Logits that are 1 for the given tokens [T, B], and 0 for all others. */
const saying = ({ shape }: NdArray, classes: number, says: (t: number, row: number) => number): NdArray => {
  const [steps = 0, rows = 0] = shape;
  const data = new Float64Array(steps * rows * classes);
  for (let t = 0; t < steps; t++)
    for (let row = 0; row < rows; row++) data[(t * rows + row) * classes + says(t, row)] = 1;
  return { dtype: "f32", shape: [steps, rows, classes], data };
};

describe("scores", () => {
  type Says = (x: NdArray) => Promise<NdArray>;
  const score = (task: Task, says: Says, time = 8) => {
    const predict: Predict = async (batch) => {
      const output = "x" in batch ? await says(batch.x as NdArray) : zeros([0]);
      return { output, outputs: { output } };
    };
    return task.score?.(3, { batch: 1, time, parameters: task === embeddedReber ? {} : { length: 4 } }, predict);
  };

  test.each([copy, selectiveCopy])(
    "$name: who says the symbols again has none wrong, who says a is right by chance",
    async (task) => {
      const again: Says = async (x) => {
        const [steps = 0, rows = 1] = x.shape;
        const symbols = (row: number) =>
          Array.from({ length: steps }, (_, t) => x.data[t * rows + row] ?? 8).filter((token) => token < 8);
        return saying(x, 10, (t, row) => (t < steps - 4 ? 8 : (symbols(row)[t - steps + 4] ?? 8)));
      };
      expect(await score(task, again)).toEqual({ "symbols that are wrong": 0, "sequences with a wrong symbol": 0 });
      const chance = await score(task, async (x) => saying(x, 10, () => 0));
      expect(chance?.["symbols that are wrong"]).toBeCloseTo(7 / 8, 1);
      expect(chance?.["sequences with a wrong symbol"]).toBeGreaterThan(0.99);
    },
  );

  test("embedded Reber: an oracle predicts nothing illegal; without the second symbol it fails in half the strings", async () => {
    const symbols = "BEPSTVX";
    const next: Says = async (x) => {
      const [steps = 0, rows = 1] = x.shape;
      return saying(x, 7, (t, row) => (t + 1 < steps ? (x.data[(t + 1) * rows + row] ?? 0) : 0));
    };
    // One of two that are legal is said, so the other is not above what is illegal.
    expect(await score(embeddedReber, next)).toEqual({
      "strings with a symbol that is illegal": 0,
      "strings with one above a legal one": 1000,
    });
    const forgetful: Says = async (x) => {
      const said = await next(x);
      const [steps = 0, rows = 1] = x.shape;
      // Wherever a P is next but for choices, a T is said: at the end of strings, between E and E.
      for (let t = 1; t + 2 < steps; t++) {
        for (let row = 0; row < rows; row++) {
          const token = (step: number) => symbols[x.data[step * rows + row] ?? 0];
          if (token(t) !== "E" || token(t + 1) !== "P" || token(t + 2) !== "E") continue;
          said.data[(t * rows + row) * 7 + symbols.indexOf("T")] = 2;
        }
      }
      return said;
    };
    const forgotten = (await score(embeddedReber, forgetful))?.["strings with a symbol that is illegal"];
    expect(Math.abs((forgotten ?? 0) - 500)).toBeLessThan(60);
    // Knowing which symbols are legal is all it takes.
    const silent = await score(embeddedReber, async (x) => saying(x, 7, () => 0));
    expect(silent?.["strings with a symbol that is illegal"]).toBe(1000);
  });
});

describe("predictions", () => {
  let device: Device;
  beforeAll(() => {
    device = openInterpreter();
  });
  afterAll(() => device.destroy());

  test("are those of the model over whole sequences", async () => {
    const made = copy.batches(1, { batch: 2, time: 5 });
    const network = networkOfTask(copy, made, { cell: lstm, units: 3, layers: 1, embed: 2 });
    const { predict, destroy } = await createPredictor(device, network, initialize(network.specs, 1));
    const [batch] = made.training;
    if (batch === undefined) throw new UserError("no batch");
    const { output: all } = await predict(batch);
    expect(all.shape).toEqual([25, 2, 10]);
    // What comes later changes nothing, and rows do not meet.
    const data = Float64Array.from(batch.x.data, (token, i) => (i === 15 ? (token + 1) % 10 : token));
    const { output: other } = await predict({ x: { ...batch.x, data } });
    const same = Array.from({ length: 25 * 2 }, (_, i) =>
      all.data.subarray(i * 10, (i + 1) * 10).every((logit, k) => logit === other.data[i * 10 + k]),
    );
    expect(same).toEqual(same.map((_, i) => i < 15 || i % 2 === 0));
    destroy();
  });
});

test("npm run tasks runs command lines that exist", async () => {
  const script = readFileSync(fileURLToPath(new URL("../../scripts/tasks.mjs", import.meta.url)), "utf8");
  const flags = new Set([...script.matchAll(/"(--[a-z-]+)"/g)].map(([, flag]) => flag));
  const { stdout } = await run("task", "--help");
  const known = new Set([...stdout.matchAll(/^ +(?:-\w, )?(--[a-z-]+)/gm)].map(([, flag]) => flag));
  expect(flags.size).toBeGreaterThan(5);
  expect([...flags].filter((flag) => !known.has(flag))).toEqual([]);
});

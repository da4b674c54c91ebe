/** @file Update options of `cellgrad train`: optimizers, schedules, warm-up, weight decay, clipping. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { OPTIMIZER_NAMES } from "../../cli/options.ts";
import { type UpdateCommandOptions, updateOptionsOf } from "../../cli/update-options.ts";
import { decodeModel } from "../../train/files/model-file.ts";
import { factorsOf } from "../../train/optimizers/schedules.ts";
import { slow } from "../support/some-of.ts";
import { jsonLines, run, TEXT, TINY, Workspace } from "./run.ts";

let space: Workspace;
beforeAll(() => {
  space = new Workspace({ "text.txt": TEXT });
});
afterAll(() => space.remove());

/** The losses of all steps, and the weights that were saved. */
async function trained(...options: string[]) {
  const out = space.file("m.safetensors");
  const { code, stdout, stderr } = await run(
    "train",
    space.file("text.txt"),
    ...TINY,
    ...options,
    "--json",
    "--out",
    out,
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const lines = jsonLines(stdout);
  const weights = Object.values(decodeModel(readFileSync(out), "m").parameters).flatMap(({ data }) => [...data]);
  return {
    losses: lines.slice(0, -1).flatMap(({ loss }) => (loss === undefined ? [] : [loss])),
    weights,
    last: lines.pop(),
  };
}

test("every optimizer trains, and each in its own way", slow, async () => {
  const results: string[] = [];
  for (const name of OPTIMIZER_NAMES) results.push((await trained("--optimizer", name, "--steps", "2")).weights.join());
  expect(new Set(results).size).toBe(OPTIMIZER_NAMES.length);
  // The default is Adam, clipped to a norm of 1.
  expect((await trained("--steps", "2", "--clip", "1")).weights.join()).toBe(results[0]);
});

test("plateau halves the rate when the held-out loss stops falling, not before", slow, async () => {
  const plateau = ["--lr-schedule", "plateau"];
  const good = ["--steps", "6", "--lr", "0.01"];
  expect((await trained(...good, ...plateau)).losses).toEqual((await trained(...good)).losses);
  // Adam moves every weight by about the rate, which here is far too much: measured after every step.
  const bad = ["--steps", "10", "--lr", "4"];
  const [wild, tamed] = [await trained(...bad), await trained(...bad, ...plateau)];
  expect(tamed.losses.slice(0, 3)).toEqual(wild.losses.slice(0, 3));
  expect(tamed.losses).not.toEqual(wild.losses);
});

test("batches are accumulated for an update, and a resumed run goes on within one", slow, async () => {
  const every = ["--accumulate", "3", "--lr", "0.05"];
  const whole = await trained(...every, "--steps", "6");
  // Until the first update the weights are those of the start: the losses differ by their batches alone.
  expect((await trained("--lr", "0.05", "--steps", "6")).losses.slice(1)).not.toEqual(whole.losses.slice(1));
  const [part, out] = [space.file("part.safetensors"), space.file("whole.safetensors")];
  await run("train", space.file("text.txt"), ...TINY, ...every, "--steps", "4", "--out", part);
  expect(decodeModel(readFileSync(part), "part").run?.update).toMatchObject({ accumulate: 3 });
  const args = ["--device", "interpreter", "--resume", part, "--steps", "2", "--json", "--out", out];
  expect(await run("train", space.file("text.txt"), ...args)).toMatchObject({ code: 0, stderr: "" });
  const weights = Object.values(decodeModel(readFileSync(out), "whole").parameters).flatMap(({ data }) => [...data]);
  // A file keeps float32, and the interpreter computes in float64.
  expect(Math.max(...weights.map((weight, i) => Math.abs(weight - Number(whole.weights[i]))))).toBeLessThan(1e-5);
  const refused = await run("train", space.file("text.txt"), ...args, "--accumulate", "2");
  expect(refused.stderr).toBe("cellgrad: --accumulate is fixed by the model of --resume; leave it out\n");
});

test("the options are printed, and the losses of a text also in other units", async () => {
  const options = ["--optimizer", "adamw", "--lr-schedule", "cosine", "--warmup", "2", "--clip", "0"];
  const { stdout } = await run("train", space.file("text.txt"), ...TINY, ...options);
  expect(stdout).toMatch(
    /^updates: adamw, learning rate 0\.05, schedule cosine, warm-up over 2 steps, weight decay 0\.01, gradients not clipped$/m,
  );
  const [, perplexity, bits] = /^perplexity (\S+), (\S+) bits per character$/m.exec(stdout) ?? [];
  const { last } = await trained();
  expect(Number(perplexity)).toBeGreaterThan(1);
  expect(Number(bits)).toBeCloseTo(Math.log2(Number(perplexity)), 1);
  expect(last?.perplexity).toBeCloseTo(Math.exp(Number(last?.valLoss)), 8);
  expect(last?.bitsPerCharacter).toBeCloseTo(Number(last?.valLoss) / Math.LN2, 8);
  const plain = await run("train", space.file("text.txt"), ...TINY);
  expect(plain.stdout).not.toContain("updates:");
});

describe("the options give", () => {
  const defaults: UpdateCommandOptions = { optimizer: "adam", lrSchedule: "constant", warmup: 0, clip: 1 };
  const factors = (options: Partial<UpdateCommandOptions>, steps: number) => {
    const { rateSchedule } = updateOptionsOf({ ...defaults, ...options }, steps);
    return rateSchedule && factorsOf(rateSchedule, steps).map((factor) => Number(factor.toFixed(6)));
  };

  test("schedules over all steps, after the warm-up", () => {
    expect(factors({}, 4)).toBeUndefined();
    expect(factors({ lrSchedule: "linear" }, 4)).toEqual([1, 0.75, 0.5, 0.25]);
    expect(factors({ lrSchedule: "linear", warmup: 2 }, 6)).toEqual([0.5, 1, 1, 0.75, 0.5, 0.25]);
    expect(factors({ lrSchedule: "cosine" }, 4)?.[2]).toBe(0.5);
    expect(factors({ lrSchedule: "step" }, 6)).toEqual([1, 1, 0.1, 0.1, 0.01, 0.01]);
    expect(factors({ lrSchedule: "plateau", warmup: 2 }, 4)).toEqual([0.5, 1, 1, 1]);
  });

  test("clipping, or none", () => {
    expect(updateOptionsOf(defaults, 1)).toMatchObject({ clipNorm: 1 });
    expect(updateOptionsOf({ ...defaults, clip: 0 }, 1)).not.toHaveProperty("clipNorm");
  });

  test("weight decay if given, or by default for AdamW", () => {
    const nameOf = (options: Partial<UpdateCommandOptions>) =>
      updateOptionsOf({ ...defaults, ...options }, 1).optimizer.name;
    expect(nameOf({})).toBe("adam");
    expect(nameOf({ optimizer: "adamw" })).toBe("adam with weight decay");
    expect(nameOf({ optimizer: "adamw", weightDecay: 0 })).toBe("adam");
    expect(nameOf({ optimizer: "lion", weightDecay: 0.1 })).toBe("lion with weight decay");
  });
});

test("a plateau needs held-out data", async () => {
  const short = space.write("short.txt", TEXT.slice(0, 9));
  const options = ["--batch", "1", "--time", "4", "--lr-schedule", "plateau"];
  const { code, stderr } = await run("train", short, ...TINY, "--embed", "2", ...options);
  expect(code).toBe(2);
  expect(stderr).toContain("--lr-schedule plateau needs a held-out loss, and");
});

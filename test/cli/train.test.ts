/** @file Training from the command line, and using the model afterwards. The device is the interpreter. */
import { copyFileSync, existsSync, readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { heldOutLoss } from "../../cli/held-out.ts";
import { zeros } from "../../compiler/graph/ndarray.ts";
import { textBatches, vocabularyOf } from "../../entries/data.ts";
import { languageModel } from "../../entries/networks.ts";
import { createTrainer, lstm, openInterpreter } from "../../index.ts";
import { decodeModel } from "../../train/files/model-file.ts";
import { slow } from "../support/some-of.ts";
import { jsonLines, run, SERIES, start, TEXT, TINY, Workspace } from "./run.ts";

const example = fileURLToPath(new URL("../../examples/minimal-gated-unit.ts", import.meta.url));
const TINY_SERIES = TINY.filter((arg, i) => arg !== "--embed" && TINY[i - 1] !== "--embed");

let space: Workspace;

beforeEach(() => {
  space = new Workspace({ "text.txt": TEXT, "series.csv": SERIES });
});

afterEach(() => space.remove());

test("a user's cell trains from another directory, and its model samples after the cell is deleted", slow, async () => {
  copyFileSync(example, space.file("mine.ts"));
  const trained = await start(space.path, [
    "train",
    "text.txt",
    "--cell",
    "./mine.ts",
    "--out",
    "m.safetensors",
    ...TINY,
  ]);
  expect(trained.code).toBe(0);
  expect(trained.stdout).toMatch(/^minimal-gated-unit: 1 layer of 4 units/m);
  expect(trained.stdout).toMatch(/^held-out loss \d\.\d+ -> \d\.\d+ nats per character/m);
  expect(trained.stdout).toMatch(/^saved m\.safetensors/m);

  rmSync(space.file("mine.ts"));
  rmSync(space.file("text.txt"));
  copyFileSync(space.file("m.safetensors"), space.file("copy.safetensors"));
  rmSync(space.file("m.safetensors"));
  const sampled = await start(space.path, [
    "sample",
    "copy.safetensors",
    "--device",
    "interpreter",
    "--length",
    "25",
    "--prompt",
    "the ",
  ]);
  expect(sampled).toMatchObject({ code: 0, stderr: "" });
  expect(sampled.stdout).toMatch(/^the [ .acehmnost]{25}\n$/);
});

test("with --json, standard output is JSON lines and nothing else", slow, async () => {
  const { code, stdout, stderr } = await start(space.path, ["train", "text.txt", "--json", ...TINY]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const lines = jsonLines(stdout);
  const last = lines.pop();
  expect(lines.map(({ step }) => step)).toEqual([1, 2, 3, 4]);
  for (const { loss, tokensPerSecond } of lines) {
    expect(loss).toBeGreaterThan(0);
    expect(tokensPerSecond).toBeGreaterThan(0);
  }
  expect(last).toMatchObject({ done: true, steps: 4, loss: lines[3]?.loss, device: "float64 interpreter" });
  expect(last?.valLoss).toBeLessThan(Number(last?.valLossBefore));
  expect(last?.seconds).toBeGreaterThan(0);
});

test("an untrained network's held-out loss is near ln of the vocabulary", async () => {
  const { stdout } = await run("train", space.file("text.txt"), "--json", ...TINY);
  const distinct = new Set(TEXT).size;
  expect(Math.abs(Number(jsonLines(stdout).pop()?.valLossBefore) - Math.log(distinct))).toBeLessThan(0.2);
});

test("a held-out loss of some batches says so, and --eval-batches sets how many", slow, async () => {
  // 72 held-out characters in rows of 6 steps: 4 rows, 3 batches.
  const told = async (...more: string[]) => {
    const { stdout } = await run("train", space.file("text.txt"), ...TINY, ...more);
    const { stdout: json } = await run("train", space.file("text.txt"), ...TINY, ...more, "--json");
    return { stdout, last: jsonLines(json).pop() };
  };
  const [part, all] = [await told("--eval-batches", "2"), await told("--eval-batches", "0")];
  expect(part.stdout).toContain("nats per character, of the first 2 of 3 held-out batches (--eval-batches) (4 steps");
  expect(all.stdout).toContain("nats per character (4 steps");
  expect(part.last).toMatchObject({ valBatches: 2, heldOutBatches: 3 });
  expect(all.last).toMatchObject({ valBatches: 3, heldOutBatches: 3 });
  const vocabulary = vocabularyOf(TEXT);
  const network = languageModel({
    cell: lstm,
    units: 4,
    layers: 1,
    vocabulary: vocabulary.characters.length,
    embed: 3,
  });
  const { validation } = textBatches(vocabulary.encode(TEXT), { batch: 4, time: 6 });
  const trainer = await createTrainer(openInterpreter(), network, { seed: 1 });
  const batches = [...validation];
  expect(part.last?.valLossBefore).toBe(await trainer.evaluate(batches.slice(0, 2)));
  expect(all.last?.valLossBefore).toBe(await trainer.evaluate(batches));
  expect(part.last?.valLoss).not.toBe(all.last?.valLoss);
  trainer.destroy();
});

test.each([
  [0, 7],
  [3, 3],
  [100, 7],
])("a measurement of at most %i batches of 7 takes %i", async (most, expected) => {
  let walked = 0;
  const batch = { x: zeros([1, 1]), targets: zeros([1, 1]) };
  const stream = {
    count: 7,
    async *from() {
      for (; walked < 7; walked++) yield batch;
    },
  };
  const evaluate = async (batches: AsyncIterable<unknown>) => {
    let count = 0;
    for await (const _ of batches) count += 1;
    return count;
  };
  const trainer = { evaluate };
  expect(await heldOutLoss(trainer, { training: stream, validation: stream }, most)).toBe(expected);
  // What is not measured is not read.
  expect(walked).toBeLessThan(expected + 1);
  expect(await heldOutLoss(trainer, { training: stream, validation: { ...stream, count: 0 } }, most)).toBeUndefined();
});

test("the same seed gives the same model, another seed gives another", async () => {
  const train = async (name: string, seed: string) => {
    const out = space.file(name);
    await run("train", space.file("text.txt"), ...TINY, "--seed", seed, "--out", out);
    return decodeModel(readFileSync(out), name).parameters;
  };
  const [first, again, other] = [await train("a", "3"), await train("b", "3"), await train("c", "4")];
  expect(again).toEqual(first);
  expect(other).not.toEqual(first);
});

test("sampling depends on its seed, and temperature 0 picks the most likely character", slow, async () => {
  const model = space.file("m.safetensors");
  await run("train", space.file("text.txt"), ...TINY, "--steps", "60", "--units", "12", "--out", model);
  const sample = async (...options: string[]) => {
    const { stdout } = await run("sample", model, "--device", "interpreter", "--length", "30", "--json", ...options);
    return jsonLines(stdout)[0]?.text;
  };
  const [first, again, other] = [await sample("--seed", "1"), await sample("--seed", "1"), await sample("--seed", "2")];
  expect(again).toBe(first);
  expect(other).not.toBe(first);
  const likeliest = await sample("--temperature", "0", "--seed", "1");
  expect(await sample("--temperature", "0", "--seed", "2")).toBe(likeliest);
});

test("a series trains, and its forecast has its units and columns", slow, async () => {
  const model = space.file("s.safetensors");
  // Shifted and stretched: a forecast that forgot the normalisation would be far off.
  const shifted = SERIES.trimEnd()
    .split("\n")
    .map((row, i) =>
      i === 0
        ? row
        : row
            .split(",")
            .map((x) => (1000 + 10 * Number(x)).toFixed(3))
            .join(","),
    );
  const file = space.write("shifted.csv", `${shifted.join("\n")}\n`);
  const trained = await run(
    "train",
    file,
    ...TINY_SERIES,
    "--units",
    "8",
    "--steps",
    "80",
    "--lr",
    "0.02",
    "--out",
    model,
  );
  expect(trained).toMatchObject({ code: 0 });
  expect(trained.stdout).toMatch(/90 rows of a, b/);

  const csv = await run("forecast", model, file, "--device", "interpreter", "--horizon", "3");
  const [header, ...rows] = csv.stdout.trimEnd().split("\n");
  expect(header).toBe("a,b");
  expect(rows).toHaveLength(3);
  for (const [i, row] of rows.entries()) {
    const [a, b] = row.split(",").map(Number);
    expect(Math.abs((a ?? 0) - (1000 + 10 * Math.sin((90 + i) / 4)))).toBeLessThan(5);
    expect(Math.abs((b ?? 0) - (1000 + 10 * Math.cos((90 + i) / 4)))).toBeLessThan(5);
  }
  const json = await run("forecast", model, file, "--device", "interpreter", "--horizon", "3", "--json");
  const [forecast] = jsonLines(json.stdout);
  expect(forecast?.columns).toEqual(["a", "b"]);
  const values = (forecast?.values ?? []) as number[][];
  expect(values.map((row) => row.join(","))).toEqual(rows);
});

test("a forecast has enough digits to distinguish its values, whatever their offset", async () => {
  // Around one value far from 0, and around 0; the third moves in the last digits of f64 that make a difference.
  const rows = Array.from({ length: 60 }, (_, t) => [
    1.7e9 + 20 * Math.sin(t / 3),
    Math.cos(t / 3),
    1.7e12 + (t % 5) / 4,
  ]);
  const file = space.write(
    "meter.csv",
    `meter,wave,clock\n${rows.map((row) => row.map((x) => x.toFixed(2)).join(",")).join("\n")}\n`,
  );
  const model = space.file("meter.st");
  const trained = await run("train", file, ...TINY_SERIES, "--steps", "3", "--out", model);
  expect(trained).toMatchObject({ code: 0 });
  const { normalisation } = decodeModel(readFileSync(model), "m");
  expect(normalisation?.deviation[0]).toBeCloseTo(14, 0);
  expect(normalisation?.deviation[2]).toBeCloseTo(0.35, 1);
  const args = ["forecast", model, file, "--device", "interpreter", "--horizon", "6"];
  const csv = (await run(...args)).stdout.trimEnd().split("\n").slice(1);
  const [json] = jsonLines((await run(...args, "--json")).stdout);
  const values = (json?.values ?? []) as number[][];
  expect(values.map((row) => row.join(","))).toEqual(csv);
  const decimals = (column: number) =>
    Math.max(...csv.map((row) => (row.split(",")[column]?.split(".")[1] ?? "").length));
  expect([0, 1, 2].map(decimals)).toEqual([5, 7, expect.toSatisfy((digits: number) => digits >= 3)]);
  for (const column of [0, 1, 2]) expect(new Set(csv.map((row) => row.split(",")[column])).size).toBe(6);
});

/** Its weight w moves by the learning rate at each step, and its value is NaN once w is too far from 1. */
const FALLS = `import { add, cell, constantInit, dense, parameter, sqrt, square, sub } from "cellgrad";
export default cell("falls", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
  const w = parameter("w", [units], constantInit(1));
  const y = add(dense("in", [x, h], units), add(w, sqrt(sub(0.02, square(sub(w, 1))))));
  return { state: { h: sub(y, y) }, output: y };
});
`;

test("a loss of NaN stops training, and the last good weights are saved", async () => {
  space.write("falls.ts", FALLS);
  const train = (out: string, ...options: string[]) =>
    run(
      "train",
      space.file("text.txt"),
      "--cell",
      space.file("falls.ts"),
      ...TINY,
      "--out",
      space.file(out),
      ...options,
    );
  const failed = await train("failed.st", "--steps", "40", "--json");
  expect(failed.code).toBe(2);
  expect(failed.stderr).toMatch(
    /^cellgrad: step 4: the loss is NaN; training stopped, the weights of step 2 are in .*failed\.st\.[^\n]*\n$/,
  );
  const lines = jsonLines(failed.stdout);
  expect(lines.map(({ step }) => step)).toEqual([1, 2, 3, undefined]);
  expect(lines.pop()).toMatchObject({ done: true, steps: 3, stopped: { step: 4, value: "the loss is NaN", kept: 2 } });

  await train("two.st", "--steps", "2");
  const weights = (name: string) => decodeModel(readFileSync(space.file(name)), name).parameters;
  expect(weights("failed.st")).toEqual(weights("two.st"));
});

test("an existing model is left unchanged if no step was good", async () => {
  space.write("falls.ts", FALLS);
  space.write("there.st", "an older model");
  const options = [...TINY, "--lr", "0.5", "--out", space.file("there.st")];
  const { code, stderr } = await run("train", space.file("text.txt"), "--cell", space.file("falls.ts"), ...options);
  expect(code).toBe(2);
  expect(stderr).toMatch(
    /step 2: the loss is NaN; training stopped, no earlier step was good, so no model was written/,
  );
  expect(readFileSync(space.file("there.st"), "utf8")).toBe("an older model");
  expect(space.list()).toEqual(["falls.ts", "series.csv", "text.txt", "there.st"]);
});

test("Ctrl-C stops training, saves the model and says so", slow, async () => {
  const args = ["train", "text.txt", ...TINY, "--steps", "1000000", "--json", "--out", "m.safetensors"];
  const { code, stdout, stderr } = await start(space.path, args, (child) => {
    child.stdout?.once("data", () => child.kill("SIGINT"));
  });
  expect(code).toBe(130);
  const last = jsonLines(stdout).pop();
  expect(last).toMatchObject({ done: true, interrupted: true });
  expect(stderr).toBe(`cellgrad: interrupted, the weights of step ${last?.steps} are in m.safetensors\n`);
  expect(space.list()).toEqual(["m.safetensors", "series.csv", "text.txt"]);
  expect((await run("sample", space.file("m.safetensors"), "--device", "interpreter", "--length", "5")).code).toBe(0);
});

test("Ctrl-C before the first step ends the measurement of the held-out loss too", async () => {
  space.write("long.txt", TEXT.repeat(100));
  const listeners = process.listenerCount("SIGINT");
  const watch = setInterval(() => {
    if (process.listenerCount("SIGINT") === listeners) return;
    clearInterval(watch);
    process.emit("SIGINT");
  }, 1);
  const { code, stdout, stderr } = await run("train", space.file("long.txt"), ...TINY, "--eval-batches", "0", "--json");
  expect({ code, stderr }).toEqual({ code: 130, stderr: "cellgrad: interrupted, before the first step was done\n" });
  expect(jsonLines(stdout)).toEqual([
    expect.objectContaining({ done: true, steps: 0, valLossBefore: null, interrupted: true }),
  ]);
});

test("without --out nothing is written, with a note before training", async () => {
  const before = space.list();
  const { stdout } = await run("train", space.file("text.txt"), ...TINY);
  expect(stdout).toMatch(/will not be saved: give --out FILE to save it[\s\S]*held-out loss/);
  expect(space.list()).toEqual(before);
});

test("without a terminal, progress is printed as lines on standard error", slow, async () => {
  const { stderr } = await run("train", space.file("text.txt"), ...TINY, "--steps", "40");
  const steps = stderr
    .trimEnd()
    .split("\n")
    .map((line) => /^step (\d+)\/40 {2}loss \d+\.\d{3} {2}[\d,]+ characters\/s$/.exec(line)?.[1]);
  expect(steps).toEqual(["1", "5", "9", "13", "17", "21", "25", "29", "33", "37", "40"]);
});

test("a text that is too short to hold anything out still trains", async () => {
  const file = space.write("short.txt", "abcabcab");
  const options = ["--device", "interpreter", "--units", "2", "--batch", "1", "--time", "3", "--steps", "2", "--json"];
  const { code, stdout } = await run("train", file, ...options);
  expect(code).toBe(0);
  expect(jsonLines(stdout).pop()).toMatchObject({ done: true, valLoss: null });
  expect(existsSync(file)).toBe(true);
});

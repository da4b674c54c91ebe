/** @file Tunings on the command line: searching for one, storing it in a model, and using it again. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Tuned } from "../../index.ts";
import { decodeModel, encodeModel } from "../../train/files/model-file.ts";
import { slow } from "../support/some-of.ts";
import { jsonLines, run, TEXT, TINY, Workspace } from "./run.ts";

// The search itself is tested elsewhere, and may be short here.
vi.mock("../../train/tune.ts", async (importOriginal) => {
  const original = await importOriginal<typeof import("../../train/tune.ts")>();
  const tune: typeof original.tune = (device, network, options) =>
    original.tune(device, network, { ...options, seconds: 1 });
  return { ...original, tune };
});

/** The tunings of created trainers. */
const trained = vi.hoisted((): unknown[] => []);
vi.mock("../../train/trainer.ts", async (importOriginal) => {
  const original = await importOriginal<typeof import("../../train/trainer.ts")>();
  const createTrainer: typeof original.createTrainer = (device, network, options) => {
    trained.push(options?.tuning);
    return original.createTrainer(device, network, options);
  };
  return { ...original, createTrainer };
});

/** TINY on a device that has kernels. */
const TINY_KERNELS = TINY.map((arg) => (arg === "interpreter" ? "auto" : arg));
const TUNED: Tuned = {
  tuning: { tileRows: 2, persistentRows: 2, termsPerTurn: 4 },
  ...{ adapter: "an adapter of old", batch: 4, time: 6, speedup: 1.25 },
};

let space: Workspace;
let device: string;

/** A model in a file of the workspace. */
const model = (name: string) => decodeModel(readFileSync(space.file(name)), name);
const note = () =>
  `note: the tuning was found on an adapter of old and this is ${device}: results are still correct, but another tuning may be faster\n`;

beforeAll(async () => {
  space = new Workspace({ "text.txt": TEXT });
  const { code } = await run("train", space.file("text.txt"), ...TINY, "--out", space.file("plain.st"));
  expect(code).toBe(0);
  const plain = model("plain.st");
  space.write("tuned.st", encodeModel({ ...plain, tuned: TUNED }));
  // The length is that of the true text, so only the tuning is wrong.
  const bytes = Buffer.from(encodeModel({ ...plain, tuned: TUNED })).toString("latin1");
  space.write("hostile.st", Buffer.from(bytes.replace('tileRows\\":2', 'tileRows\\":3'), "latin1"));
});

afterAll(() => space.remove());

test("--tune searches for a tuning, trains with it, and saves it in the model", slow, async () => {
  const out = ["--out", space.file("found.st")];
  const { code, stdout } = await run("train", space.file("text.txt"), ...TINY_KERNELS, "--tune", ...out);
  expect(code).toBe(0);
  device = /^device: (.*)$/m.exec(stdout)?.[1] ?? "";
  const { tuned } = model("found.st");
  expect(tuned).toMatchObject({ adapter: device, batch: 4, time: 6 });
  expect(trained.at(-1)).toEqual(tuned?.tuning);
  expect(/^tuning: nothing/m.test(stdout)).toBe(Object.keys(tuned?.tuning ?? {}).length === 0);
  expect(stdout).toMatch(
    /^tuning: (nothing was faster than the default|.*: \d\.\d\d times as fast as the default) \(\d+ other programs tried in \d+ s\)$/m,
  );
});

test("--tuning trains with a model's tuning, and gives the same bits every time", slow, async () => {
  const train = async (name: string, ...options: string[]) => {
    const out = ["--out", space.file(name)];
    const { code, stdout, stderr } = await run("train", space.file("text.txt"), ...TINY_KERNELS, ...out, ...options);
    expect(code).toBe(0);
    return { text: stdout, warning: stderr.split("step")[0], bytes: readFileSync(space.file(name)) };
  };
  const first = await train("first.st", "--tuning", space.file("tuned.st"));
  const again = await train("again.st", "--tuning", space.file("first.st"), "--json");
  expect(first.text).toContain(
    "\ntuning: tileRows 2, persistentRows 2, termsPerTurn 4 (found on an adapter of old at batch 4, time 6: 1.25 times as fast as the default)\n",
  );
  expect(first.warning).toBe(note());
  expect(model("first.st").tuned).toEqual(TUNED);
  expect(jsonLines(again.text).pop()?.tuned).toEqual(TUNED);
  expect(trained.slice(-2)).toEqual([TUNED.tuning, TUNED.tuning]);
  expect(Buffer.compare(again.bytes, first.bytes)).toBe(0);
});

test("inspect shows a model's tuning and compiles with it", slow, async () => {
  const sizes = ["--units", "8", "--embed", "4", "--vocabulary", "10"];
  const inspected = async (...options: string[]) => (await run("inspect", ...sizes, ...options)).stdout;
  const tuned = await inspected("--tuning", space.file("tuned.st"));
  expect(tuned.split("\n")[0]).toMatch(/^tuning: tileRows 2, persistentRows 2, termsPerTurn 4 \(found on an adapter/);
  expect(tuned).toMatch(/^lstm +persistent: rows of the batch are independent, and 2 of them take/m);
  expect(await inspected()).toMatch(/^lstm +resident: \d+ lanes hold the weights of a step in registers/m);
  const json = await inspected("--tuning", space.file("tuned.st"), "--json");
  expect(jsonLines(json)[0]?.tuned).toEqual(TUNED);
});

test("sample uses a model's tuning, and notes its adapter if it is another one", slow, async () => {
  const sample = (...options: string[]) =>
    run("sample", space.file("tuned.st"), "--length", "12", "--temperature", "0", ...options);
  const [tuned, exact] = [await sample(), await sample("--device", "interpreter")];
  expect(tuned).toMatchObject({ code: 0, stderr: note() });
  expect(exact).toEqual({ ...tuned, stderr: "" });
});

test("Ctrl-C during the search ends it, and nothing is trained", slow, async () => {
  const out = ["--out", space.file("none.st")];
  const ending = run("train", space.file("text.txt"), ...TINY_KERNELS, "--tune", ...out);
  // The search is what listens first.
  const listeners = process.listenerCount("SIGINT");
  const watch = setInterval(() => {
    if (process.listenerCount("SIGINT") === listeners) return;
    clearInterval(watch);
    process.emit("SIGINT");
  }, 1);
  const { code, stderr } = await ending;
  expect({ code, stderr }).toEqual({
    code: 130,
    stderr: "cellgrad: interrupted during the search for a tuning; nothing was trained\n",
  });
  expect(space.list()).not.toContain("none.st");
});

const FAULTS: [title: string, args: string[], fault: RegExp][] = [
  [
    "both options",
    ["--tune", "--tuning", "@tuned.st"],
    /--tune searches for a tuning and --tuning reads one from a model/,
  ],
  ["a model without one", ["--tuning", "@plain.st"], /--tuning .*plain\.st: this model has no tuning/],
  [
    "a model with a tuning that is none",
    ["--tuning", "@hostile.st"],
    /hostile\.st is not a usable model: tileRows of a tuning must be one of 1, 2, 4, 8, 16, got 3$/,
  ],
  ["a search on the interpreter", ["--tune"], /the float64 interpreter has no kernels to tune/],
];

test.each(FAULTS)("%s: one line, and nothing is trained", async (_, options, fault) => {
  const given = options.map((option) => (option.startsWith("@") ? space.file(option.slice(1)) : option));
  const { code, stderr } = await run("train", space.file("text.txt"), ...TINY, ...given);
  expect(code).toBe(2);
  const lines = stderr.trimEnd().split("\n");
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(fault);
});

/** @file Runs that are resumed, stop early, store their best weights, and write a log. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { eventFolder } from "../../cli/event-log.ts";
import { openLog } from "../../cli/training-log.ts";
import { decodeModel, encodeModel, type SavedModel } from "../../train/files/model-file.ts";
import { decodeTensors, encodeTensors } from "../../train/files/safetensors.ts";
import { eventsIn } from "../logs/read-events.ts";
import { fewOf, slow } from "../support/some-of.ts";
import { jsonLines, run, SERIES, start, TEXT, TINY, Workspace } from "./run.ts";

const CELL = `import { add, cell, dense, mul, tanh } from "cellgrad";
export default cell("leaky", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
  const next = add(mul(h, 0.5), tanh(dense("hidden", [x, h], units)));
  return { state: { h: next }, output: next };
});
`;
const space = new Workspace({ "text.txt": TEXT, "series.csv": SERIES, "leaky.ts": CELL });
afterAll(() => space.remove());

const at = (name: string) => space.file(name);
const modelOf = (name: string): SavedModel => decodeModel(readFileSync(at(name)), name);
const without = (args: readonly string[], ...names: string[]) =>
  args.filter((arg, i) => !names.includes(arg) && !names.includes(args[i - 1] ?? ""));

describe("a resumed run equals an uninterrupted one, byte for byte", () => {
  // A pass has 18 batches of the text and 2 of the series: the second run starts within a pass.
  const SMALL = ["--units", "6", "--batch", "4", "--time", "8", "--lr", "0.02", "--seed", "5"];
  fewOf(
    [
      [
        "a text by its bytes, with RMSProp, the best weights and a rate that follows them",
        "text.txt",
        [
          "--embed",
          "3",
          "--tokens",
          "bytes",
          "--optimizer",
          "rmsprop",
          "--lr-schedule",
          "plateau",
          "--eval-every",
          "3",
        ],
      ],
      ["a series, two layers, with Adam", "series.csv", ["--layers", "2", "--cell", "gru", "--columns", "b"]],
    ],
    ([name]) => name.startsWith("a series"),
  )("%s", async (_name, file, options) => {
    const train = async (...args: string[]) => {
      const { code, stderr } = await run("train", at(file), "--device", "auto", "--json", ...args);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    };
    const given = [...SMALL, ...options];
    await train(...given, "--steps", "14", "--out", at("whole"));
    await train(...given, "--steps", "7", "--out", at("half"));
    await train("--resume", at("half"), "--steps", "7", "--out", at("both"));
    expect(readFileSync(at("both")).equals(readFileSync(at("whole")))).toBe(true);
    expect(modelOf("both").run?.steps).toBe(14);
    expect(readFileSync(at("half")).equals(readFileSync(at("whole")))).toBe(false);
  });
});

test("a run with a user's cell is resumed into the same file, and runs the rest of its schedule without --steps", async () => {
  const args = ["--cell", at("leaky.ts"), "--lr-schedule", "cosine", "--out", at("leaky")];
  await run("train", at("text.txt"), ...TINY, ...args);
  // As if the run of four steps had been interrupted after one.
  const model = modelOf("leaky");
  const cut = (steps: number) => model.run && { ...model.run, steps };
  space.write("cut", encodeModel({ ...model, ...{ run: cut(1) } } as SavedModel));
  const go = (...more: string[]) =>
    run("train", at("text.txt"), "--device", "interpreter", "--resume", at("cut"), ...more);
  expect(await go("--json")).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/leaky is not a built-in cell; give the module .* --cell \.\/leaky\.ts/),
  });
  const { code, stdout } = await go("--cell", at("leaky.ts"), "--out", at("cut"));
  expect(code).toBe(0);
  expect(stdout).toMatch(/^continues after step 1 of /m);
  expect(modelOf("cut").run).toMatchObject({ steps: 4, planned: 4 });
  expect(await go("--cell", at("leaky.ts"), "--steps", "3")).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(
      /the cosine schedule of the learning rate ends at step 4, and 4 are done; at most 0 steps are left/,
    ),
  });
});

test("a run that cannot be resumed gives one error line", async () => {
  await run("train", at("text.txt"), ...TINY, "--out", at("text"));
  const { checkpoint, run: record, ...plain } = modelOf("text");
  expect([checkpoint, record]).not.toContain(undefined);
  space.write("plain", encodeModel(plain));
  const { tensors, metadata } = decodeTensors(readFileSync(at("text")), "text");
  const broken = { ...metadata, run: JSON.stringify({ ...record, steps: -1 }) };
  space.write("broken", encodeTensors({ tensors, metadata: broken }));
  space.write("more.txt", `${TEXT}x`);
  space.write("other.txt", TEXT.replace("cat", "tac"));
  const refused = async (file: string, model: string, ...more: string[]) => {
    const { code, stdout, stderr } = await run(
      "train",
      at(file),
      "--device",
      "interpreter",
      "--resume",
      at(model),
      ...more,
    );
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr.trimEnd()).not.toContain("\n");
    return stderr;
  };
  expect(await refused("text.txt", "plain")).toContain("this model has no optimizer state to continue from");
  expect(await refused("text.txt", "broken")).toContain("its run is damaged; expected counts above 0");
  expect(await refused("more.txt", "text")).toContain("the cell or the data differs from what the model was");
  expect(await refused("other.txt", "text")).toContain("the file is not the one that the model was trained on");
  expect(await refused("text.txt", "text", "--cell", "gru")).toContain("the cell or the data differs");
  for (const option of [["--units", "5"], ["--time", "7"], ["--seed", "1"], ["--clip", "2"], ["--tune"]])
    expect(await refused("text.txt", "text", ...option)).toContain(`${option[0]} is fixed by the model`);
});

test("a run stops when the held-out loss no longer falls, and stores the best weights", slow, async () => {
  // So large a rate that the loss soon rises.
  const args = [...without(TINY, "--steps", "--lr"), "--steps", "60", "--lr", "0.7", "--seed", "2"];
  const stopping = ["--eval-every", "2", "--patience", "3"];
  const { stdout } = await run("train", at("text.txt"), ...args, ...stopping, "--json", "--out", at("best"));
  const lines = jsonLines(stdout);
  const last = lines.pop();
  const measured = lines.flatMap(({ step, valLoss, best }) => (valLoss === undefined ? [] : [{ step, valLoss, best }]));
  const losses = measured.map(({ valLoss }) => Number(valLoss));
  const lowest = losses.indexOf(Math.min(...losses));
  expect(measured.map(({ step }) => step)).toEqual(losses.map((_, i) => 2 * (i + 1)));
  expect(measured.map(({ best }) => best)).toEqual(
    losses.map((loss, i) => loss < Math.min(...losses.slice(0, i), 1e9)),
  );
  expect(lowest).toBe(losses.length - 4);
  const kept = 2 * (lowest + 1);
  expect(last).toMatchObject({ done: true, stoppedEarly: true, kept, steps: kept + 6, valLoss: losses[lowest] });
  const { training, run: record, parameters } = modelOf("best");
  expect(training).toMatchObject({ steps: kept, valLoss: losses[lowest] });
  expect(record).toMatchObject({ steps: kept + 6, every: 2, patience: 3, losses });

  // The weights are those of a run that ends there.
  await run("train", at("text.txt"), ...without(args, "--steps"), "--steps", String(kept), "--out", at("short"));
  expect(parameters).toEqual(modelOf("short").parameters);
  const { stdout: text } = await run("train", at("text.txt"), ...args, ...stopping);
  expect(text).toMatch(/steps, stopped early because the held-out loss no longer fell/);
  expect(text).toMatch(new RegExp(`keeping the best weights, of step ${kept}$`, "m"));
});

test("an existing log is kept until its first line is written", async () => {
  const [path, next] = [space.write("old.jsonl", "old\n"), at("next.jsonl")];
  for (const place of [path, next]) await (await openLog(place, false, [])).close();
  expect([readFileSync(path, "utf8"), existsSync(next)]).toEqual(["old\n", false]);
  for (const [append, expected] of [
    [true, 'old\n{"step":1}\n'],
    [false, '{"step":1}\n'],
  ] as const) {
    const log = await openLog(path, append, []);
    log.write({ step: 1 });
    await log.close();
    expect(readFileSync(path, "utf8")).toBe(expected);
  }
});

test("the log has a line for each step and measurement, and continues when the run is resumed", slow, async () => {
  const log = at("run.jsonl");
  const train = (...args: string[]) => run("train", at("text.txt"), "--device", "interpreter", "--log", log, ...args);
  await train(...without(TINY, "--device"), "--eval-every", "2", "--out", at("logged"));
  const lines = jsonLines(readFileSync(log, "utf8"));
  const [head, ...rest] = lines;
  expect(head?.run).toMatchObject({ file: at("text.txt"), cell: "lstm", units: 4, batch: 4, first: 1, steps: 4 });
  expect(Date.parse(String(head?.time))).toBeGreaterThan(0);
  const kinds = rest.map((entry) => Object.keys(entry).join(" "));
  const [step, measured] = ["step loss gradientNorm tokensPerSecond seconds", "step valLoss best seconds"];
  expect(kinds.slice(0, -1).toSorted()).toEqual([...Array(4).fill(step), ...Array(2).fill(measured)].toSorted());
  for (const entry of rest.slice(0, -1)) expect(Object.values(entry)).not.toContain(null);
  expect(rest.at(-1)).toMatchObject({ done: true, steps: 4 });

  await train("--resume", at("logged"), "--steps", "2");
  const all = jsonLines(readFileSync(log, "utf8"));
  expect(all.slice(0, lines.length)).toEqual(lines);
  expect(all[lines.length]?.run).toMatchObject({ first: 5, steps: 2 });
  expect(all.slice(lines.length).flatMap(({ loss, step }) => (step && loss ? [step] : []))).toEqual([5, 6]);

  await train(...without(TINY, "--device"));
  expect(jsonLines(readFileSync(log, "utf8"))[0]?.run).toMatchObject({ first: 1 });
  const refused = (place: string) => run("train", at("text.txt"), ...TINY, "--log", place);
  expect((await refused(at("none/run.jsonl"))).stderr).toMatch(/--log .*: the directory .* does not exist/);
  const text = readFileSync(at("text.txt"), "utf8");
  for (const place of [at("text.txt"), relative(process.cwd(), at("text.txt"))])
    expect((await refused(place)).stderr).toMatch(/--log .* is used by this run/);
  expect(readFileSync(at("text.txt"), "utf8")).toBe(text);
  const model = readFileSync(at("logged"));
  const over = await run(
    "train",
    at("text.txt"),
    "--device",
    "interpreter",
    "--resume",
    at("logged"),
    "--log",
    at("logged"),
  );
  expect(over.stderr).toMatch(/--log .* is used by this run/);
  expect(readFileSync(at("logged"))).toEqual(model);
});

test("the log for TensorBoard has the curves of a run, and a resumed run adds a file to its folder", async () => {
  const folder = at("board");
  const model = at("shown");
  const train = async (...args: string[]) => {
    const { stdout } = await run("train", at("text.txt"), "--log", `tensorboard:${folder}`, "--json", ...args);
    return jsonLines(stdout);
  };
  const filesIn = () => readdirSync(folder).toSorted();
  const lines = await train(...TINY, "--eval-every", "2", "--out", model);
  const [first = ""] = filesIn();
  expect(first).toMatch(/^events\.out\.tfevents\.\d+\.cellgrad\.\d+\.\d+$/);
  const pointsOf = (name: string) =>
    eventsIn(readFileSync(join(folder, name))).flatMap(({ step, values }) =>
      values.flatMap(({ tag, number }) => (number === undefined ? [] : [[step, tag, number] as const])),
    );
  const expected = (entries: typeof lines) =>
    entries.flatMap(({ step, loss, valLoss, gradientNorm, tokensPerSecond }) =>
      Object.entries({
        "loss/training": loss,
        "loss/held-out": valLoss,
        "gradient norm": gradientNorm,
        "tokens per second": tokensPerSecond,
      }).flatMap(([tag, number]) =>
        step === undefined || number === undefined ? [] : [[step, tag, Math.fround(Number(number))]],
      ),
    );
  const points = pointsOf(first);
  expect(points).toHaveLength(4 * 3 + 2);
  expect(points.toSorted()).toEqual(expected(lines).toSorted());
  const texts = eventsIn(readFileSync(join(folder, first))).flatMap(({ values }) =>
    values.flatMap(({ tag, text }) => (text === undefined ? [] : [[tag, text] as const])),
  );
  expect(texts.map(([tag]) => tag)).toEqual(["run", "result"]);
  expect(texts[0]?.[1]).toMatch(
    /^\| field \| value \|\n\| --- \| --- \|\n\| file \| .*text\.txt \|\n(.*\n)*\| cell \| lstm \|/,
  );
  expect(texts[1]?.[1]).toMatch(/\| done \| true \|\n\| steps \| 4 \|/);

  const more = await train("--device", "interpreter", "--resume", model, "--steps", "2");
  const [second = ""] = filesIn().filter((name) => name !== first);
  expect(pointsOf(second).toSorted()).toEqual(expected(more).toSorted());
  expect(pointsOf(second).map(([step]) => step)).toContain(6);
});

test("a log for TensorBoard is asked for by its name, and is in a folder of its own where none is named", () => {
  const time = "\\d{4}-\\d\\d-\\d\\dT\\d{6}";
  expect(eventFolder("tensorboard", join("data", "book.txt"))).toMatch(new RegExp(`^runs.book-${time}$`));
  expect(eventFolder("tensorboard:a:b", "book.txt")).toBe("a:b");
  for (const file of ["run.jsonl", "./tensorboard", "tensorboards"])
    expect(eventFolder(file, "book.txt")).toBeUndefined();
});

test(
  "without a folder, the log for TensorBoard is in one of its own below runs, and the command says where",
  slow,
  async () => {
    const { code, stdout } = await start(space.path, ["train", "text.txt", ...TINY, "--log", "tensorboard"]);
    expect(code).toBe(0);
    const [, path = "", name = ""] =
      /^log: (runs\/(text-[\dT-]+)\/events.*); see it with: tensorboard --logdir runs$/m.exec(stdout) ?? [];
    expect(readdirSync(at("runs"))).toEqual([name]);
    expect(eventsIn(readFileSync(at(path)))[0]?.version).toBe("brain.Event:2");
  },
);

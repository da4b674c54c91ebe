/** @file The worker of the playground: training side by side, and what is shown of a run. On the interpreter. */
import { describe, expect, test } from "vitest";
import { cells, gru, lstm, lstm1997, rnn } from "../../cells/index.ts";
import { zeros } from "../../compiler/graph/ndarray.ts";
import { passes as pipeline } from "../../compiler/plan-program.ts";
import { encodeCell, encodeModel, savedModel, traceCell } from "../../entries/files.ts";
import { languageModel } from "../../entries/networks.ts";
import {
  abs,
  add,
  type CellDefinition,
  cell,
  dense,
  exp,
  mul,
  onesInit,
  parameter,
  sin,
  stopGradient,
  tanh,
} from "../../index.ts";
import { checkSizes, loadedModel } from "../../playground/shared/protocol.ts";
import { vocabularyOfModel } from "../../train/data/tokenizer.ts";
import { tasks } from "../../train/tasks/index.ts";
import { slow, someOf } from "../support/some-of.ts";
import { metaspaceJson } from "../support/tokenizers.ts";
import { Client, clientWithText, runSpec } from "./client.ts";

/** Weights that are a little too large make it infinite. */
const explosive = cell("explosive", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
  const sum = dense("hidden", [x, h], units);
  return { state: { h: tanh(sum) }, output: mul(sum, exp(sum)) };
});

const doneWith = (client: Client, count: number) => () => client.eventsOf("stopped").length >= count;

describe("training", () => {
  test("two runs learn side by side, step for step", slow, async () => {
    const client = await clientWithText("interpreter");
    const reports = await client.ask({ type: "setRuns", runs: [runSpec("a", rnn), runSpec("b", gru)] });
    expect(reports.map(({ run, cell }) => [run, cell])).toEqual([
      ["a", "rnn"],
      ["b", "gru"],
    ]);
    await client.ask({ type: "start", steps: 50 });
    await client.until(doneWith(client, 2));
    expect(
      client
        .eventsOf("stopped")
        .map(({ run, step, reason }) => [run, step, reason])
        .sort(),
    ).toEqual([
      ["a", 50, "done"],
      ["b", 50, "done"],
    ]);
    for (const run of ["a", "b"]) {
      const told = client.eventsOf("progress").filter((event) => event.run === run);
      const heldOut = told.flatMap((event) => event.heldOut ?? []);
      expect(told.length).toBeGreaterThan(1);
      expect(told.every(({ tokensPerSecond }) => tokensPerSecond >= 0)).toBe(true);
      expect(heldOut[heldOut.length - 1]?.step).toBe(50);
      // Of 18 characters.
      expect(heldOut[heldOut.length - 1]?.loss).toBeLessThan(Math.log(18) - 0.2);
    }
    // In turns: each is heard of before the other has ended.
    const place = (type: "progress" | "stopped", run: string) =>
      client.events.findIndex((event) => event.type === type && event.run === run);
    expect(place("progress", "b")).toBeLessThan(place("stopped", "a"));
    expect(place("progress", "a")).toBeLessThan(place("stopped", "b"));
    await client.ask({ type: "destroy" });
  });

  test("pause, live learning rate, start, reset: the same seed gives the same run again", async () => {
    const client = await clientWithText("interpreter");
    await client.ask({ type: "setRuns", runs: [runSpec("a", lstm, null, { learningRate: 0.01 })] });
    // How often held-out data are looked at on the way depends on the clock; at the end they always are.
    const lossAfter = async (steps: number) => {
      client.events.length = 0;
      await client.ask({ type: "start", steps });
      await client.until(doneWith(client, 1));
      return client
        .eventsOf("progress")
        .flatMap(({ heldOut }) => heldOut ?? [])
        .at(-1);
    };
    const first = await lossAfter(6);
    expect(first?.step).toBe(6);
    await client.ask({ type: "reset" });
    expect(await lossAfter(6)).toEqual(first);
    await client.ask({ type: "reset" });
    await client.ask({ type: "setLearningRate", value: 0.3 });
    expect((await lossAfter(6))?.loss).not.toBe(first?.loss);

    await client.ask({ type: "start" });
    await client.ask({ type: "pause" });
    client.events.length = 0;
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(client.events).toEqual([]);
    await client.ask({ type: "destroy" });
  });

  test("numbers that are not finite stop a run and leave the others alone", async () => {
    const client = await clientWithText("interpreter");
    const wild = runSpec("wild", explosive, null, { learningRate: 1e38 });
    await client.ask({ type: "setRuns", runs: [wild, runSpec("calm", rnn)] });
    await client.ask({ type: "start", steps: 12 });
    await client.until(doneWith(client, 2));
    const stopped = Object.fromEntries(client.eventsOf("stopped").map((event) => [event.run, event]));
    expect(stopped.wild?.reason).toBe("not finite");
    expect(stopped.wild?.fault?.message).toMatch(
      /^wild: the (loss|gradient norm) of step \d+ is not finite; the weights before it are kept/,
    );
    expect(stopped.calm?.reason).toBe("done");
    expect(stopped.wild?.step).toBe(1);
    // The finite steps before it are told of, too, and nothing after them.
    const before = client.eventsOf("progress").filter(({ run }) => run === "wild");
    expect([...new Set(before.map(({ step, loss }) => `${step} ${Number.isFinite(loss)}`))]).toEqual(["1 true"]);
    // The weights that were kept are too large as well: the next start ends as the first did, and is told of once.
    await client.ask({ type: "start", runs: ["wild"] });
    await client.until(doneWith(client, 3));
    expect(client.eventsOf("stopped").at(-1)).toMatchObject({ run: "wild", step: 1, reason: "not finite" });
    await client.ask({ type: "pause" });
    expect(client.eventsOf("stopped").length).toBe(3);
    await client.ask({ type: "reset", runs: ["wild"] });
    await client.ask({ type: "setLearningRate", run: "wild", value: 0.01 });
    await client.ask({ type: "start", runs: ["wild"], steps: 3 });
    await client.until(doneWith(client, 4));
    expect(client.eventsOf("stopped").at(-1)).toMatchObject({ run: "wild", step: 3, reason: "done" });
    await client.ask({ type: "destroy" });
  });

  someOf(
    ["embedded-reber", "adding", "noisy-sine"],
    (task) => task === "adding",
    () => false,
  )("the task %s is learned", async (name) => {
    const client = new Client();
    await client.ask({ type: "init", device: "interpreter" });
    expect((await client.ask({ type: "listTasks" })).map((task) => task.name)).toContain(name);
    const data = await client.ask({ type: "setData", data: { kind: "task", name, seed: 3 } });
    const settings = { units: 8, batch: 4, time: 10, learningRate: 0.04 };
    await client.ask({ type: "setRuns", runs: [runSpec("a", gru, data.features, settings)] });
    await client.ask({ type: "start", steps: 40 });
    await client.until(doneWith(client, 1));
    const heldOut = client
      .eventsOf("progress")
      .flatMap((event) => event.heldOut ?? [])
      .at(-1);
    expect(heldOut?.loss).toBeLessThan(0.7 * (client.eventsOf("progress")[0]?.loss ?? 0));
    expect(heldOut?.loss).toBeGreaterThan(0.9 * (data.best ?? Number.NaN));
    const sample = await client.ask({ type: "sample", run: "a", length: 12, trace: true });
    if (data.kind === "text") expect(sample.text).toMatch(/^[BTPSXVE]{12}$/);
    else if (data.kind === "series") expect([sample.rows?.rows, sample.rows?.columns]).toEqual([12, 1]);
    else expect([...(sample.truth?.values ?? [])].filter((value) => !Number.isNaN(value)).length).toBe(1);
    expect(sample.trace?.values.map(({ kind }) => kind)).toContain("gate");
    await client.ask({ type: "destroy" });
  });
});

test("every task makes a run, with the bounds of its loss at the run's own sizes", slow, async () => {
  const client = new Client();
  await client.ask({ type: "init", device: "interpreter" });
  const names = (await client.ask({ type: "listTasks" })).map(({ name }) => name);
  expect(names.toSorted()).toEqual(Object.keys(tasks).toSorted());
  for (const name of names) {
    const { features } = await client.ask({ type: "setData", data: { kind: "task", name, seed: 3 } });
    const settings = { units: 3, time: 24 };
    const [report] = await client.ask({ type: "setRuns", runs: [runSpec("a", rnn, features, settings)] });
    const made = tasks[name]?.batches(3, { batch: 2, time: 24 });
    expect([report?.baseline, report?.best], name).toEqual([made?.baseline, made?.best]);
    client.events.length = 0;
    await client.ask({ type: "start", steps: 1 });
    await client.until(doneWith(client, 1));
    expect(client.eventsOf("stopped")[0]?.reason, name).toBe("done");
  }
  await client.ask({ type: "destroy" });
});

describe("what is shown of a run", () => {
  const prepared = async (layers = 2) => {
    const client = await clientWithText("interpreter");
    await client.ask({ type: "setRuns", runs: [runSpec("a", lstm, null, { layers })] });
    await client.ask({ type: "start", steps: 5 });
    await client.until(doneWith(client, 1));
    return client;
  };

  test("a sample comes in pieces, with gates and states at every step that was read", async () => {
    const client = await prepared();
    const sample = await client.ask({ type: "sample", run: "a", prompt: "the ", length: 20, seed: 2, trace: true });
    expect([...sample.text].length).toBe(20);
    expect(
      client
        .eventsOf("sampled")
        .map(({ text }) => text)
        .join(""),
    ).toBe(sample.text);
    const { symbols, values } = sample.trace ?? { symbols: [], values: [] };
    // The last character was written and not read.
    expect(symbols.join("")).toBe(`the ${sample.text}`.slice(0, -1));
    expect(
      values
        .filter(({ kind }) => kind === "state")
        .map(({ name }) => name)
        .sort(),
    ).toEqual(["layers/0/c", "layers/0/h", "layers/1/c", "layers/1/h"]);
    expect(values.map(({ name }) => name)).toContain("layers/1/lstm/forget");
    for (const { name, kind, range, table } of values) {
      expect([table.rows, table.columns, table.values.length], name).toEqual([23, 6, 138]);
      expect(
        table.values.every((value) => value >= range[0] && value <= range[1]),
        name,
      ).toBe(true);
      if (kind === "gate") expect(range, name).toEqual(/tanh|candidate/.test(name) ? [-1, 1] : [0, 1]);
    }
    const again = await client.ask({ type: "sample", run: "a", prompt: "the ", length: 20, seed: 2 });
    expect(again.text).toBe(sample.text);
    expect(again.trace).toBeUndefined();
    await client.ask({ type: "destroy" });
  });

  test("gradient flow has a norm for each state and time step", slow, async () => {
    const client = await prepared();
    const flow = await client.ask({ type: "gradientFlow", run: "a" });
    expect(flow.step).toBe(5);
    expect(flow.states.map(({ name }) => name)).toEqual(["layers/0/c", "layers/0/h", "layers/1/c", "layers/1/h"]);
    for (const { norms } of flow.states) {
      expect(norms.length).toBe(8);
      expect(norms.every((norm) => norm > 0)).toBe(true);
    }
    await client.ask({ type: "destroy" });
  });

  test("inspection has every pass, every kernel and its place in the source", slow, async () => {
    const client = await prepared(1);
    const { passes, kernels, dispatches, bytes } = await client.ask({ type: "inspect", run: "a" });
    expect(passes.map(({ name }) => name)).toEqual(["traced", ...pipeline.map(({ name }) => name)]);
    expect(passes[0]?.text).toContain("sigmoid");
    expect(kernels.length).toBe(dispatches.forward + dispatches.backward + dispatches.update);
    expect(kernels.every(({ text, language }) => language === "WGSL" && text.includes("@compute"))).toBe(true);
    expect(bytes).toBeGreaterThan(1000);
    await client.ask({ type: "destroy" });
  });

  test("a model comes back into its run, and stands by itself", slow, async () => {
    const client = await prepared();
    const wanted = await client.ask({ type: "sample", run: "a", prompt: "the ", length: 15, temperature: 0 });
    const { file, bytes } = await client.ask({ type: "saveModel", run: "a" });
    expect(file).toBe("lstm-5.safetensors");
    await client.ask({ type: "reset" });
    const fresh = await client.ask({ type: "sample", run: "a", prompt: "the ", length: 15, temperature: 0 });
    expect(fresh.text).not.toBe(wanted.text);
    const back = await client.ask({ type: "loadModel", name: file, bytes, run: "a" });
    expect(back).toMatchObject({ run: "a", cell: "lstm", units: 6, layers: 2, training: { steps: 5 } });
    const restored = await client.ask({ type: "sample", run: "a", prompt: "the ", length: 15, temperature: 0 });
    expect(restored.text).toBe(wanted.text);
    await client.ask({ type: "loadModel", name: file, bytes });
    const alone = await client.ask({ type: "sample", run: loadedModel, prompt: "the ", length: 15, temperature: 0 });
    expect(alone.text).toBe(wanted.text);
    await client.ask({ type: "setRuns", runs: [runSpec("wider", lstm, null, { units: 7, layers: 2 })] });
    expect(await client.refusal({ type: "loadModel", name: file, bytes, run: "wider" })).toMatch(
      /^parameter layers\/0\/lstm\/\S+ is \[\d+, 6\]; the model expects/,
    );
    expect(await client.refusal({ type: "loadModel", name: file, bytes: bytes.slice(0, 99) })).toMatch(
      /^lstm-5\.safetensors is not a valid safetensors file/,
    );
    await client.ask({ type: "destroy" });
  });
});

const spaced = metaspaceJson(["▁hello", "▁world"]);

test.each([
  ["bytes", { tokens: "bytes" as const }, "é", ["Ã", "©"], "A", "A"],
  ["a tokenizer", { tokenizer: spaced }, "hello", ["▁hello"], "▁world", " world"],
])("a model of the tokens of %s reads and writes text", async (_of, details, prompt, read, piece, text) => {
  const client = await clientWithText("interpreter");
  const { characters } = await vocabularyOfModel(details);
  const network = languageModel({ cell: gru, units: 2, layers: 1, vocabulary: characters.length, embed: 2 });
  const parameters = Object.fromEntries(network.specs.map(({ path, shape }) => [path, zeros(shape)]));
  // Whatever it has read, it writes one piece.
  parameters["head/bias"]?.data.set([5], characters.indexOf(piece));
  const bytes = new Uint8Array(encodeModel(savedModel(network, parameters, { vocabulary: characters, ...details })));
  await client.ask({ type: "loadModel", name: "m", bytes });
  const ask = { type: "sample", run: loadedModel, prompt, length: 1, temperature: 0, trace: true } as const;
  const sample = await client.ask(ask);
  expect(sample.text).toBe(text);
  expect(sample.trace?.symbols).toEqual(read);
  await client.ask({ type: "destroy" });
});

describe("the gradient check", () => {
  const traced = (definition: CellDefinition) => encodeCell(traceCell(definition, checkSizes));

  test("finds the library's cells right", slow, async () => {
    const client = new Client();
    for (const definition of [lstm1997, cells["gru-reset-after"]] as CellDefinition[]) {
      const result = await client.ask({ type: "check", cell: traced(definition), cases: 4, seed: 5 });
      expect(result).toMatchObject({ cell: definition.cellName, right: true, cases: 4 });
      expect(result.comparisons).toBeGreaterThan(10);
    }
  });

  test("says which argument was never compared", slow, async () => {
    const steps = cell("steps", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
      const scale = parameter("scale", [units], onesInit);
      const next = tanh(dense("hidden", [x, h], units));
      return { state: { h: next }, output: add(next, abs(sin(mul(scale, 1000 * Math.PI)))) };
    }) as CellDefinition;
    const result = await new Client().ask({ type: "check", cell: traced(steps), cases: 6, seed: 1 });
    expect(result).toMatchObject({ right: false, uncompared: ["parameter steps/scale"] });
    expect(result.failure).toBeUndefined();
  });

  test("shows the smallest failing case, and where the derivative is cut off", slow, async () => {
    const cut = cell("cut", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
      const next = tanh(dense("hidden", [x, h], units));
      return { state: { h: add(next, stopGradient(h)) }, output: next };
    }) as CellDefinition;
    const text = traced(cut).replaceAll(/"[^"]*worker\.test\.ts:\d+:\d+"/g, '"cell.ts:4:32"');
    const result = await new Client().ask({ type: "check", cell: text, seed: 1 });
    expect(result.right).toBe(false);
    const { failure } = result;
    expect(failure?.message).toMatch(/^the derivative with respect to (state|parameter|x).*reverse mode gives/);
    expect([failure?.units, failure?.features, failure?.batch]).toEqual([1, 1, 1]);
    expect(failure?.arguments.map(({ name }) => name)).toContain("parameter cut/hidden/kernel");
    expect(failure?.notes).toEqual([{ message: "stopGradient: no derivative passes through it", line: 4 }]);
  });
});

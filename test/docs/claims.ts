/**
 * @file What the programs of the pages claim, each in words and as a check that runs inside the program: that it runs shows
 * only that nothing threw. `after` is a line of a block, behind which the check stands.
 */

/** A check of one block. */
export interface Claim {
  /** The line that it follows, or the first words of it; it stands once in the page's program. */
  readonly after: string;
  readonly says: string;
  /** TypeScript, with `expect` of Vitest and everything the program has defined there. */
  readonly check: string;
}

/** Of docs/hosts.md, whose block continues from a device and kept weights. */
export const hostsClaims: readonly Claim[] = [
  {
    after: "resumed.setParameters(kept); // what trainer.parameters() gave before",
    says: "training goes on from the weights that were kept",
    check: "expect(await resumed.parameters()).toEqual(kept);",
  },
];

/** Of the guide, by page; the blocks of a page are one program. */
export const guideClaims: Readonly<Record<string, readonly Claim[]>> = {
  "docs/guide/get-started.md": [
    {
      after: "console.log(written);",
      says: "training lowers the held-out loss, and the text goes on from the prompt",
      check: `
{
  const untrained = await createTrainer(device, network);
  expect(await trainer.evaluate(batches.validation)).toBeLessThan((await untrained.evaluate(batches.validation)) - 0.5);
  expect(written).toMatch(/^the [a-z. ]{20}$/);
}`,
    },
  ],
  "docs/guide/cells.md": [
    {
      after: "    return { state: { c: nextC, h: nextH }, output: nextH };\n  },\n);",
      says: "the input gate is one minus the forget gate",
      check: `
import { initialize as drawn, interpret as run, model as modelOf, ndarray as array, type Tensor as Value, traceGraph as traced } from "cellgrad";
{
  const states = coupled(1).stateShapes;
  expect(states).toEqual({ c: [1], h: [1] });
  const one = modelOf("one", (x: Value<"f32">) => coupled(1).step(x, { c: mul(x, 2), h: x }).state);
  const specs = one.specs({ dtype: "f32", shape: [1, 1] });
  expect(specs.map(({ path }) => path)).toContain("coupled-lstm/forget/kernel");
  const start = drawn(specs, 1);
  expect(start["coupled-lstm/forget/bias"]?.data[0]).toBe(1);
  const inputs = [{ path: "x", shape: [1, 1] }, ...specs].map(({ path, shape }) => ({ name: path, dtype: "f32", shape }) as const);
  const graph = traced("one", inputs, ([x, ...weights]) => {
    const after = one.apply(Object.fromEntries(specs.map(({ path }, i) => [path, weights[i] as Value<"f32">])), x as Value<"f32">);
    return [after.c, after.h];
  });
  // All weights 0: f and o are 1/2, g is 0.
  const [c, h] = run(graph, [array([1, 1], [3]), ...specs.map(({ shape }) => array(shape, new Float64Array(shape.reduce((a, b) => a * b, 1))))]);
  expect(c?.data[0]).toBeCloseTo(3, 12);
  expect(h?.data[0]).toBeCloseTo(Math.tanh(3) / 2, 12);
}`,
    },
  ],
  "docs/guide/functions.md": [
    {
      after: 'console.log("energy", value?.data[0]);',
      says: "the graph gives the energy and its gradient",
      check: `
{
  const weights = specs.map(({ shape }) => numbers(shape));
  const at = (moved: number) => interpret(graph, [numbers([5, 2, 3]), ...weights.map((w, i) => (i === 0 ? { ...w, data: w.data.map((x, k) => (k === 1 ? x + moved : x)) } : w))]);
  const slope = ((at(1e-5)[0]?.data[0] ?? 0) - (at(-1e-5)[0]?.data[0] ?? 0)) / 2e-5;
  expect(at(0)[1]?.data[1]).toBeCloseTo(slope, 8);
  expect(value?.data[0]).toBeGreaterThan(0);
  expect(printGraph(graph)).toContain("graph energyAndGradient(xs: f32[T,B,3]");
}`,
    },
    {
      after: "console.log(ofSpike?.data, ofRounding?.data); // 1 and 1/4, 1 and 1",
      says: "the slopes are those of the surrogate and of the identity",
      check: `
{
  expect([...(ofSpike?.data ?? [])]).toEqual([1, 0.25]);
  expect([...(ofRounding?.data ?? [])]).toEqual([1, 1]);
}`,
    },
  ],
  "docs/guide/train.md": [
    {
      after: 'console.log("held-out loss", await trainer.evaluate(batches.validation));',
      says: "training lowers the held-out loss, and one seed gives one run",
      check: `
{
  const fresh = await createTrainer(device, network, { optimizer: adamW(), learningRate: 0.02, clipNorm: 1, seed: 1 });
  expect(await trainer.evaluate(batches.validation)).toBeLessThan((await fresh.evaluate(batches.validation)) - 0.3);
  for (let epoch = 0; epoch < 3; epoch++) for (const batch of batches.training) await fresh.step(batch);
  expect(await fresh.parameters()).toEqual(await trainer.parameters());
  fresh.destroy();
}`,
    },
    {
      after:
        'for await (const { loss } of trainer.run(batches.training, { steps: 5 })) console.log("goes on", loss.toFixed(3));',
      says: "the aborted run has made few of its steps, and the trainer goes on after them",
      check: `
{
  expect(stop.signal.aborted).toBe(true);
  expect(trainer.stepCount).toBeLessThan(60);
  const before = trainer.stepCount;
  for (const batch of batches.training) expect((await trainer.step(batch)).step).toBeGreaterThan(before);
}`,
    },
    {
      after: "await Promise.all([lines.close(), curves.close()]); // Rejects if something could not be written.",
      says: "each log has all steps",
      check: `
import { readFile } from "node:fs/promises";
{
  const logged = (await readFile(join(folder, "run.jsonl"), "utf8")).trim().split("\\n").map((line) => JSON.parse(line));
  expect(logged).toHaveLength(12);
  expect(logged.at(-1).step).toBe(trainer.stepCount);
  const events = await readFile(file);
  expect(events.toString("latin1").split("gradient norm").length - 1).toBe(12);
}`,
    },
    {
      after: "    slots: {},\n  }),\n};",
      says: "the step is p - lr (g + 0.01 p)",
      check: `
import { openInterpreter, sgd as plain } from "cellgrad";
{
  const exact = openInterpreter();
  const stepped = async (optimizer: Optimizer) => {
    const one = await createTrainer(exact, network, { optimizer, learningRate: 0.5, seed: 2 });
    const before = await one.parameters();
    for (const batch of batches.training) { await one.step(batch); break; }
    const after = await one.parameters();
    one.destroy();
    return [before, after] as const;
  };
  const [[start, byRule], [, bySgd]] = [await stepped(decayed), await stepped(plain())];
  for (const [path, { data }] of Object.entries(byRule))
    data.forEach((p, i) => expect(p).toBeCloseTo((bySgd[path]?.data[i] ?? 0) - 0.5 * 0.01 * (start[path]?.data[i] ?? 0), 10));
}`,
    },
    {
      after: "const averaged = await averagedParameters(careful);",
      says: "the average is of the updates, two batches make one, kernels decay and biases do not",
      check: `
{
  expect(averaged).not.toEqual(await careful.parameters());
  const { "slots/accumulatedWeight": weight, step } = await careful.checkpoint();
  expect([step?.data[0], weight?.data[0]]).toEqual([2 * batches.stepsPerEpoch, batches.stepsPerEpoch % 1]);
  expect(careful.learningRate).toBe(0.02);
  const moved = async (decays?: typeof matrices) => {
    const one = await createTrainer(device, network, { optimizer: adamW({ weightDecay: 0.1, ...(decays && { decays }) }), learningRate: 0.02 });
    for (const batch of batches.training) { await one.step(batch); break; }
    const after = await one.parameters();
    one.destroy();
    return after;
  };
  const [some, all] = [await moved(matrices), await moved(() => true)];
  const kept = Object.keys(some).filter((path) => some[path]?.data.some((x, i) => x !== all[path]?.data[i]));
  expect(kept.every((path) => path.endsWith("bias"))).toBe(true);
  expect(kept.length).toBeGreaterThan(0);
}`,
    },
    {
      after:
        'console.log("fraction of characters right", await careful.evaluate(batches.validation, { metric: right }));',
      says: "the metric is a fraction of all held-out characters",
      check: `
{
  const found = await careful.evaluate(batches.validation, { metric: right });
  const positions = [...batches.validation].reduce((total, { targets }) => total + targets.data.length, 0);
  expect(found * positions).toBeCloseTo(Math.round(found * positions), 6);
  expect(found).toBeGreaterThan(1 / vocabulary.characters.length);
}`,
    },
  ],
  "docs/guide/data.md": [
    {
      after: 'console.log("batches", trainer.stepCount);',
      says: "every batch of the text is a step, and the model has learned from them",
      check: `
{
  expect(trainer.stepCount).toBe(Math.floor((39 * 60 - 1) / 64));
  const again = streamedTextBatches(["she sells sea shells by the sea shore. ".repeat(4)], vocabulary, { batch: 1, time: 16 });
  expect(await trainer.evaluate(again)).toBeLessThan(2.6);
}`,
    },
  ],
  "docs/guide/objectives.md": [
    {
      after: 'console.log("pen", (await writer.step({ inputs: stroke, fresh: true })).loss);',
      says: "what lies past the end of a stroke does not count",
      check: `
{
  const other = { ...stroke, targets: { ...stroke.targets, data: stroke.targets.data.map((x, i) => (stroke.mask.data[Math.floor(i / 3)] === 1 ? x : 7)) } };
  expect(other.targets.data).not.toEqual(stroke.targets.data);
  expect(await writer.evaluate([{ inputs: other }])).toBe(await writer.evaluate([{ inputs: stroke }]));
}`,
    },
    {
      after: 'console.log("speeds", output.shape, output.data[0], again.output.data[0]);',
      says: "a speed for each point, and the file predicts what the trainer does",
      check: `
expect(output.shape).toEqual([10, 2, 1]);
output.data.forEach((value, i) => expect(again.output.data[i]).toBeCloseTo(value, 5));`,
    },
  ],
  "docs/guide/layers.md": [
    {
      after: 'console.log("evaluated", await sorting.evaluate([{ inputs: padded }]));',
      says: "padding does not count, and each sequence is read to its own end in both directions",
      check: `
import { interpret, sum as sumOf, traceGraph } from "cellgrad";
const numbers = (shape: readonly number[]) => ndarray(shape, Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i)));
{
  const { xs } = padded;
  const lossWith = (changed: (t: number, row: number) => boolean) =>
    sorting.evaluate([{ inputs: { ...padded, xs: { ...xs, data: xs.data.map((x, i) => (changed(Math.floor(i / 6), Math.floor(i / 3) % 2) ? x + 1 : x)) } } }]);
  const loss = await lossWith(() => false);
  expect(await lossWith((t, row) => row === 1 && t >= 3)).toBe(loss);
  for (const at of [0, 2]) expect(await lossWith((t, row) => row === 1 && t === at)).not.toBe(loss);
  // The backward half alone, which a forward layer under it would tell of the first step anyway.
  const ends = bidirectional(gru(2), gru(2), { merge: (_, backward) => backward });
  const last = model("last", (given: Tensor<"f32">) => sumOf(lastOutput(ends.run(given).outputs)));
  const lastSpecs = last.specs({ dtype: "f32", shape: ["T", "B", 3] });
  const lastInputs = [{ path: "xs", shape: ["T", "B", 3] }, ...lastSpecs].map(({ path, shape }) => ({ name: path, dtype: "f32", shape }) as const);
  const lastGraph = traceGraph("last", lastInputs, ([given, ...weights]) => [
    last.apply(Object.fromEntries(lastSpecs.map(({ path }, i) => [path, weights[i] as Tensor<"f32">])), given as Tensor<"f32">),
  ]);
  const comesTo = (first: number) =>
    interpret(lastGraph, [ndarray([3, 1, 3], [first, 0, 0, 1, 2, 3, 4, 5, 6]), ...lastSpecs.map(({ shape }) => numbers(shape))])[0]?.data[0];
  expect(comesTo(1)).not.toBe(comesTo(-1));
}`,
    },
    {
      after: 'console.log("weights", teacher.specs({ dtype: "i32", shape: ["T", "B"] }).length);',
      says: "at rate 0 the truth is read, at rate 1 its own words",
      check: `
{
  const words = (data: number[]) => ndarray([3, 1], data, "i32");
  const logits = (rate: number, data: number[]) => {
    const said = model("said", (given: Tensor<"i32">) => speak(given, rate));
    const specs = said.specs({ dtype: "i32", shape: ["T", "B"] });
    const inputs = [{ name: "words", dtype: "i32", shape: ["T", "B"] } as const, ...specs.map(({ path, shape }) => ({ name: path, dtype: "f32", shape }) as const)];
    const traced = traceGraph("said", inputs, ([given, ...weights]) => [
      said.apply(Object.fromEntries(specs.map(({ path }, i) => [path, weights[i] as Tensor<"f32">])), given as Tensor<"i32">),
    ]);
    return interpret(traced, [words(data), ...specs.map(({ shape }) => numbers(shape))])[0];
  };
  expect(logits(0, [1, 2, 3])?.shape).toEqual([3, 1, 10]);
  expect(logits(0, [1, 2, 3])?.data).not.toEqual(logits(0, [4, 5, 3])?.data);
  expect(logits(1, [1, 2, 3])?.data).toEqual(logits(1, [4, 5, 3])?.data);
}`,
    },
  ],
  "docs/guide/look-inside.md": [
    {
      after: "  const norms = meter.run({ parameters: weights, x: shown.x, targets: shown.targets });",
      says: "a norm for each time step, which die away towards the start",
      check: `
  for (const i of Object.values(flow.outputs)) {
    const found = [...((await norms[i]?.read())?.data ?? [])];
    expect(found).toHaveLength(shown.x.shape[0] ?? 0);
    expect(found[0]).toBeLessThan(found.at(-1) ?? 0);
  }`,
    },
  ],
  "docs/guide/models.md": [
    {
      after: "console.log(written);",
      says: "the model that was loaded is the one that was saved, and goes on from the prompt",
      check: `
{
  const saved = await trainer.parameters();
  for (const [path, { data }] of Object.entries(loaded.parameters)) expect(data).toEqual(saved[path]?.data.map(Math.fround));
  expect(Object.keys(loaded.parameters)).toEqual(Object.keys(saved));
  expect(written).toMatch(/^[a-z. ]{20}$/);
}`,
    },
    {
      after: 'console.log("logits of the next character", output.shape);',
      says: "a logit for each character",
      check: "expect(output.shape).toEqual([1, vocabulary.characters.length]);",
    },
    {
      after:
        "console.log(await forecast({ stream: wave, values: past, horizon: 3, normalisation: parts.normalisation }));",
      says: "three rows in the series' own units",
      check: `
{
  const rows = await forecast({ stream: wave, values: past, horizon: 3, normalisation: parts.normalisation });
  expect(rows.map((row) => row.length)).toEqual([1, 1, 1]);
  expect(rows.flat().every((value) => Math.abs(value) < 3)).toBe(true);
}`,
    },
  ],
  "docs/guide/equations.md": [
    {
      after: "console.log(mgu(64).stateShapes); // { h: [64] }",
      says: "its states are those that the equations read at t-1, and a fault says where it is",
      check: `
expect(mgu.cellName).toBe("mgu");
expect(mgu(64).stateShapes).toEqual({ h: [64] });
expect(() => parseCell("h_t = z_t")).toThrow("cell.cell:1:7: z_t has no equation; a weight has no time: write z\\n  h_t = z_t\\n        ^");`,
    },
  ],
  "docs/guide/jax.md": [
    {
      after: "if (trace !== undefined) console.log(cellToJax(trace));",
      says: "the printed step has the parameters' paths",
      check: `
{
  const text = trace === undefined ? "" : cellToJax(trace);
  expect(text).toContain("def gru(params: Params, h: Array, x: Array)");
  expect(text).toContain('params["update"]["kernel"]');
}`,
    },
    {
      after: "console.log(graphToJax(graph));",
      says: "the graph is a function of a tree of parameters and of the other inputs",
      check: `
expect(graphToJax(graph)).toContain("def gru_output(params: Params, x: Array, h: Array) -> Array:");`,
    },
  ],
  "docs/guide/weights.md": [
    {
      after: "const further = await createTrainer(device, waves.network, { parameters: brought });",
      says: "training goes on from the weights that were brought, which are those that left",
      check: `
{
  const [start, left] = [await further.parameters(), await waves.parameters()];
  expect(Object.keys(start)).toEqual(Object.keys(left));
  for (const [path, { data }] of Object.entries(start)) {
    expect(data).toEqual(brought[path]?.data);
    data.forEach((x, i) => expect(x).toBeCloseTo(left[path]?.data[i] ?? Number.NaN, 6));
  }
  expect(await further.evaluate(parts.validation)).toBeCloseTo(await waves.evaluate(parts.validation), 5);
}`,
    },
    {
      after: 'console.log("bytes of ONNX", modelToOnnx(saved).length);',
      says: "the metadata have the columns, and names are as the Python program expects them",
      check: `
{
  const text = new TextDecoder("latin1").decode(modelToOnnx(saved));
  for (const name of ["columns", JSON.stringify(series.columns), "Scan", "state/layers/0/h", "next/layers/0/h", "output", "normalisation"]) expect(text).toContain(name);
}`,
    },
  ],
  "docs/guide/compile.md": [
    {
      after: 'console.log("bytes of WebAssembly", wasm.length, "of JavaScript", loader.length, types.length);',
      says: "a module that needs nothing, a loader that reads it, and types that name its states",
      check: `
{
  expect(WebAssembly.Module.imports(new WebAssembly.Module(wasm))).toEqual([]);
  expect(loader).toContain('new URL("./shells.wasm", import.meta.url)');
  expect(types).toContain('readonly "layers/0/h": readonly [1, ');
}`,
    },
  ],
  "docs/guide/memory.md": [
    {
      after: "console.log(trainer.segments);",
      says: "a device without programs, as here, cuts nothing, and the trainer trains",
      check: `
import { ndarray } from "cellgrad";
{
  expect(trainer.segments).toBeUndefined();
  const symbols = (shift: number) => ndarray([5, 2], Array.from({ length: 10 }, (_, i) => i + shift), "i32");
  const { loss } = await trainer.step({ x: symbols(0), targets: symbols(1), fresh: true });
  expect(loss).toBeCloseTo(Math.log(32), 0);
}`,
    },
  ],
  "docs/guide/speed.md": [
    {
      after: "const [sample] = batches.training;",
      says: "there is a batch to measure",
      check: "expect(sample?.x.shape).toEqual([16, 4]);",
    },
    {
      after: 'const executable = await device.compile(step.graph, { donate: step.donate, schedule: "stepwise" });',
      says: "it is the step that a trainer makes",
      check: `
import { ndarray } from "cellgrad";
{
  const one = await createTrainer(device, network, { optimizer: adam(), clipNorm: 1, seed: 4 });
  const start = await one.checkpoint();
  const given = { ...start, halted: ndarray([], [0], "bool"), learningRate: ndarray([], [1e-3]) };
  const states = Object.fromEntries(Object.entries(network.stateShapes).map(([name, shape]) => [\`state/\${name}\`, ndarray([4, ...shape], new Float64Array(4 * shape.reduce((a, b) => a * b, 1)))]));
  for (const { x, targets } of batches.training) {
    const outputs = executable.run({ ...given, ...states, x, targets });
    await one.step({ x, targets });
    expect((await outputs[step.outputs.parameters ?? -1]?.read())?.data).toEqual((await one.checkpoint()).parameters?.data);
    break;
  }
  one.destroy();
}`,
    },
    {
      after: 'console.log("kept", decodeModel(kept, "shells.safetensors").tuned?.tuning);',
      says: "the model keeps the choice that training was given",
      check: 'expect(decodeModel(kept, "shells.safetensors").tuned?.tuning).toEqual(tuned?.tuning);',
    },
  ],
};

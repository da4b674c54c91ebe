/** @file Models compiled ahead of time: results equal those of the device cpu to the bit, without other files. */
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { planCpuProgram } from "../../compiler/compile-cpu.ts";
import { evaluateShape } from "../../compiler/graph/dim.ts";
import { inputName, nodeAt } from "../../compiler/graph/graph.ts";
import { byteVocabulary, vocabularyOf } from "../../entries/data.ts";
import { type SavedModel, savedModel } from "../../entries/files.ts";
import { recurrence } from "../../entries/layers.ts";
import { classifierModel, languageModel, regressionModel, seriesModel } from "../../entries/networks.ts";
import { createStream, forecast, sampleText } from "../../entries/stream.ts";
import { modelToWasm } from "../../entries/wasm.ts";
import { zoo } from "../../entries/zoo.ts";
import orthogonalRnn from "../../examples/orthogonal-rnn.ts";
import {
  adam,
  add,
  cell,
  type Device,
  dense,
  gru,
  initialize,
  lstm,
  mul,
  type NdArray,
  ndarray,
  openInterpreter,
  slice,
  sum,
  type Tensor,
  tanh,
  trainingStep,
} from "../../index.ts";
import { bakeProgram } from "../../interchange/standalone/bake.ts";
import { fromDeviceWords, toDeviceWords } from "../../runtime/words.ts";
import { generator, randomFloats } from "../../testing/numbers/random-data.ts";
import { f32Tolerance } from "../../testing/tolerance.ts";
import { normalisationOf } from "../../train/data/normalisation.ts";
import { encodeModule } from "../../wasm/encode.ts";
import { deno } from "../support/deno.ts";
import { fewOf, slow } from "../support/some-of.ts";
import { CompiledFolder, openPlainCpu } from "../support/standalone.ts";
import { tokenizerJson } from "../support/tokenizers.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = new CompiledFolder();
let device: Device;
const interpreter = openInterpreter();

beforeAll(async () => {
  device = await openPlainCpu();
});
afterAll(() => {
  device.destroy();
  folder.remove();
});

const vocabulary = vocabularyOf("she sells sea shells\nby the sea shore");
const symbols = vocabulary.characters.length;

/** Larger numbers than a training begins with, so that states and outputs differ from step to step. */
function drawn(specs: Parameters<typeof initialize>[0]): Record<string, NdArray> {
  const random = generator(3);
  const start = initialize(specs, 1);
  return Object.fromEntries(
    specs.map(({ path, shape }) => [
      path,
      { ...randomFloats(random, shape.map(Number)), data: start[path]?.data.map((x) => x + random() - 0.5) },
    ]),
  ) as Record<string, NdArray>;
}

const textModel = (
  of: Parameters<typeof languageModel>[0],
  details: object = { vocabulary: vocabulary.characters },
) => {
  const made = languageModel(of);
  return savedModel(made, drawn(made.specs), details);
};
const letters = { units: 6, layers: 1, vocabulary: symbols, embed: 4 };
const written = textModel({ ...letters, cell: lstm, layers: 2 });

const walk = [3, 0, 7, 7, 1, symbols - 1];

async function streamed(on: Device, model: SavedModel, inputs: readonly NdArray[], batch = 1): Promise<number[][]> {
  const stream = await createStream(on, model, model.parameters, { batch });
  const outputs: number[][] = [];
  for (const x of inputs) outputs.push([...(await stream.step(x)).output.data]);
  stream.destroy();
  return outputs;
}

const token = (n: number) => ndarray([1], [n], "i32");
const numbers = (outputs: readonly Float32Array[]) => outputs.map((output) => [...output]);

/** The error of all steps as one vector, against their length. */
function errorOf(found: readonly (readonly number[])[], expected: readonly (readonly number[])[]): number {
  const [a, b] = [found.flat(), expected.flat()];
  return Math.hypot(...a.map((x, i) => x - (b[i] ?? Number.NaN))) / Math.hypot(...b);
}

describe("steps", () => {
  /** Its loop within a step is one kernel, or where rows meet in it, one dispatch after another. */
  const pondering = (name: string, again: (h: Tensor<"f32">) => Tensor<"f32">) =>
    cell(name, { state: ({ units }) => ({ h: [units], count: [units] }) }, ({ x, h, count, units }) => {
      const start = tanh(dense("begin", [x, h, count], units));
      const { state } = recurrence((before: Tensor<"f32">) => ({ state: again(before), output: before }), start, [], {
        length: 3,
      });
      return { state: { h: state, count: add(count, 1) }, output: add(state, h) };
    });
  const more = (h: Tensor<"f32">) => tanh(dense("again", h, 8));
  const cells = {
    ...zoo,
    "orthogonal-rnn": orthogonalRnn,
    pondering: pondering("pondering", more),
    meeting: pondering("meeting", (h) => add(more(h), mul(sum(h, [0], { keepAxes: true }), 0.1))),
  };
  fewOf(Object.entries(cells), (_, i) => i % 5 === 0)("of %s are those of the device to the bit", async (name, of) => {
    const model = textModel({ ...letters, cell: of as typeof lstm, units: 8, embed: 8 });
    const loaded = await (await folder.add(name, modelToWasm(model, { name })))();
    const inputs = walk.map(token);
    const found = numbers(walk.map((n) => loaded.step(n)));
    expect(found).toEqual(await streamed(device, model, inputs));
    const exact = await streamed(interpreter, model, inputs);
    // As many different outputs as there are: six, and fewer where spikes are all that comes out.
    const different = (outputs: typeof found) => new Set(outputs.map(String)).size;
    expect(different(found)).toBe(different(exact));
    expect(different(found)).toBeGreaterThan(2);
    expect(errorOf(found, exact)).toBeLessThan(f32Tolerance({ time: walk.length, depth: 16 }));
  });

  test("of several layers, and of several rows in parallel", async () => {
    const batch = 3;
    const load = await folder.add("rows", modelToWasm(written, { name: "rows", batch }));
    const loaded = await load();
    const steps = walk.map((n) => [n, 1, (n + 2) % symbols]);
    const found = numbers(steps.map((tokens) => loaded.step(Int32Array.from(tokens))));
    const inputs = steps.map((tokens) => ndarray([batch], tokens, "i32"));
    expect(found).toEqual(await streamed(device, written, inputs, batch));
    expect([loaded.batch, loaded.shapes.x, loaded.shapes.output]).toEqual([3, [3], [3, symbols]]);
    expect(loaded.shapes.states).toEqual(
      Object.fromEntries(["layers/0/c", "layers/0/h", "layers/1/c", "layers/1/h"].map((name) => [name, [3, 6]])),
    );
    expect([loaded.sample, loaded.encode("he")]).toEqual([undefined, [...vocabulary.encode("he")]]);
  });

  test("continue from the previous one, from zeros after a reset, and separately with a given state", async () => {
    const loaded = await (await folder.add("states", modelToWasm(written, { name: "states" })))();
    const all = numbers(walk.map((n) => loaded.step(n)));
    expect(String(loaded.step(walk[0]))).not.toBe(String(all[0]));
    loaded.reset();
    expect([...loaded.step(walk[0])]).toEqual(all[0]);
    // Two sequences of other callers, between the steps of this one.
    const [one, other] = [loaded.zeros(), loaded.zeros()];
    for (const [i, n] of walk.entries()) {
      expect([...loaded.step(n, one)]).toEqual(all[i]);
      if (i % 2 === 1) loaded.step(0, other);
    }
    expect(numbers(loaded.run(walk))).toEqual(all);
    expect([...loaded.step(walk[1])]).toEqual(all[1]);
    expect(String(one)).not.toBe(String(other));
  });

  test("do not overwrite earlier outputs", async () => {
    const loaded = await (await folder.add("outputs", modelToWasm(written, { name: "outputs" })))();
    const first = loaded.step(1);
    const kept = [...first];
    loaded.step(2);
    expect([...first]).toEqual(kept);
  });
});

describe("texts", () => {
  const bytes = textModel(
    { ...letters, vocabulary: 256, cell: gru },
    { vocabulary: byteVocabulary.characters, tokens: "bytes" },
  );
  const sampled = async (model: SavedModel, options: object) => {
    const stream = await createStream(device, model, model.parameters);
    const vocabularyThen = model.tokens === "bytes" ? byteVocabulary : vocabulary;
    let text = "";
    // What is left out is as in `cellgrad sample`.
    const all = { length: 60, temperature: 0.8, seed: 1, ...options };
    for await (const more of sampleText({ stream, vocabulary: vocabularyThen, ...all })) text += more;
    stream.destroy();
    return text;
  };

  test.each([
    {},
    { temperature: 0 },
    { prompt: "sea sh", temperature: 0.3, seed: 7 },
    { prompt: "by", seed: 2 ** 32 - 1 },
  ])("by characters equal those of sampleText: %j", async (options) => {
    const loaded = await (await folder.add("text", modelToWasm(written, { name: "text" })))();
    loaded.step(3);
    const text = [...loaded.sample({ length: 60, ...options })];
    expect(text.join("")).toBe(await sampled(written, options));
    expect(text).toHaveLength(60);
    expect(loaded.decode(loaded.encode("she sells"))).toBe("she sells");
    expect(loaded.vocabulary).toEqual(vocabulary.characters);
  });

  test.each([{}, { temperature: 0 }, { prompt: "ħ", seed: 5, temperature: 4 }])("by bytes too: %j", async (options) => {
    const loaded = await (await folder.add("bytes", modelToWasm(bytes, { name: "bytes" })))();
    expect([...loaded.sample({ length: 60, ...options })].join("")).toBe(await sampled(bytes, options));
    expect(loaded.decode(loaded.encode("ħ\uFEFFσ🙂"))).toBe("ħ\uFEFFσ🙂");
    // A character of two bytes comes with its second one.
    expect(loaded.encode("ħ")).toHaveLength(2);
  });

  test("two that are sampled at once are independent", async () => {
    const loaded = await (await folder.add("both", modelToWasm(written, { name: "both" })))();
    const options = { length: 20, temperature: 0.8 };
    const alone = [1, 2].map((seed) => [...loaded.sample({ ...options, seed })].join(""));
    const [one, two] = [1, 2].map((seed) => loaded.sample({ ...options, seed }));
    const both = Array.from({ length: 20 }, () => [one?.next().value, two?.next().value]);
    expect([0, 1].map((i) => both.map((pair) => pair[i]).join(""))).toEqual(alone);
  });

  test("with a tokenizer support only steps", async () => {
    const tokenizer = tokenizerJson([]);
    const model = { ...written, tokenizer };
    const loaded = await (await folder.add("tokens", modelToWasm(model, { name: "tokens" })))();
    expect([...loaded.step(2)]).toEqual((await streamed(device, written, [token(2)]))[0]);
    expect([loaded.encode, loaded.sample, loaded.vocabulary]).toEqual([undefined, undefined, undefined]);
  });
});

describe("rows", () => {
  const values = Array.from({ length: 12 }, (_, t) => [20 + 5 * Math.sin(t / 2), 3e4 - 1000 * Math.cos(t)]);
  const normalisation = normalisationOf(values.flat(), 2, values.length);
  const columns = ["warm", "rain in mm"];
  const series = seriesModel({ cell: gru, units: 5, layers: 1, features: 2 });

  test.each([normalisation, undefined])("are forecast in the original units: %j", async (given) => {
    const details = { columns, ...(given && { normalisation: given }) };
    const model = savedModel(series, drawn(series.specs), details);
    const name = `series${given ? 1 : 0}`;
    const loaded = await (await folder.add(name, modelToWasm(model, { name })))();
    const past = given ? values : values.map(([a = 0, b = 0]) => [a / 30, b / 4e4]);
    const stream = await createStream(device, model, model.parameters);
    expect(loaded.forecast(past, 4)).toEqual(
      await forecast({ stream, values: past, horizon: 4, ...(given && { normalisation: given }) }),
    );
    expect(loaded.columns).toEqual(columns);
    stream.destroy();
  });

  test("are classified by the network's last output", async () => {
    const made = classifierModel({ cell: lstm, units: 5, classes: 3, reads: { features: 2 } });
    const targets = ["walk", "run", "stand"];
    const model = savedModel(made, drawn(made.specs), { columns, targets, normalisation });
    const loaded = await (await folder.add("classes", modelToWasm(model, { name: "classes" })))();
    const inputs = values.map((row) =>
      row.map((x, i) => (x - (normalisation.mean[i] ?? 0)) / (normalisation.deviation[i] ?? 1)),
    );
    const last =
      (
        await streamed(
          device,
          model,
          inputs.map((row) => ndarray([1, 2], row)),
        )
      ).at(-1) ?? [];
    expect(loaded.predict(values)).toEqual(Object.fromEntries(last.map((x, i) => [targets[i], x])));
    expect(loaded.classify(values)).toBe(targets[last.indexOf(Math.max(...last))]);
    expect(
      new Set([values, values.slice(0, 2), values.slice(3, 4)].map((rows) => JSON.stringify(loaded.predict(rows))))
        .size,
    ).toBe(3);
  });

  test("of numbers, and texts, give predictions by name", async () => {
    const one = regressionModel({ cell: gru, units: 4, layers: 1, features: 1, outputs: 1 });
    const level = savedModel(one, drawn(one.specs), { columns: ["x"], targets: ["level"] });
    const ofRows = await (await folder.add("level", modelToWasm(level, { name: "level" })))();
    const row = (x: number) => ndarray([1, 1], [x]);
    expect(Object.values(ofRows.predict([[0.5], [0.25]]))).toEqual(
      (await streamed(device, level, [row(0.5), row(0.25)])).at(-1),
    );
    expect([...ofRows.step(0.5)]).toEqual([...ofRows.run([[0.5]]).flatMap((output) => [...output])]);

    const mood = classifierModel({ cell: gru, units: 4, classes: 2, reads: { vocabulary: symbols, embed: 3 } });
    const text = savedModel(mood, drawn(mood.specs), { vocabulary: vocabulary.characters, targets: ["glad", "sad"] });
    const ofText = await (await folder.add("mood", modelToWasm(text, { name: "mood" })))();
    const inputs = [...vocabulary.encode("sea")].map(token);
    expect(Object.values(ofText.predict("sea"))).toEqual((await streamed(device, text, inputs)).at(-1));
    expect(() => ofText.predict("")).toThrow(new RangeError("predict: the sequence is empty"));
  });
});

test(
  "any program can be compiled to a module: a whole training step, with its loops, equals the device's",
  slow,
  async () => {
    const sizes = { B: 3, T: 7 };
    const made = languageModel({ ...letters, cell: lstm, layers: 2 });
    const step = trainingStep(made, { optimizer: adam(), clipNorm: 1 });
    const random = generator(5);
    const inputs = Object.fromEntries(
      step.graph.inputs.map((id): [string, NdArray] => {
        const { dtype, shape } = nodeAt(step.graph, id).aval;
        const evaluated = evaluateShape(shape, sizes);
        const drawn = randomFloats(random, evaluated);
        const whole = { i32: 5, u32: 3, bool: 0, f32: 0.1 }[dtype];
        return [
          inputName(step.graph, id),
          { ...drawn, dtype, data: drawn.data.map((x) => (dtype === "f32" ? x * x * whole : whole)) },
        ];
      }),
    );
    for (const schedule of ["auto", "stepwise"] as const) {
      const planned = planCpuProgram(step.graph, { donate: step.donate, schedule });
      const baked = bakeProgram(planned, { sizes, constants: {}, carried: Object.keys(step.donate) });
      const { exports } = new WebAssembly.Instance(new WebAssembly.Module(encodeModule(baked, baked.memory)));
      const { memory, run } = exports;
      if (!(memory instanceof WebAssembly.Memory) || typeof run !== "function") throw new Error("the module is none");
      for (const [name, value] of Object.entries(inputs)) {
        const words = toDeviceWords(value);
        new Uint8Array(memory.buffer, baked.inputs[name]?.address).set(new Uint8Array(words.buffer));
      }
      run();
      const executable = await device.compile(step.graph, { schedule });
      const expected = await Promise.all(executable.run(inputs).map((output) => output.read()));
      executable.destroy();
      for (const [i, { dtype, data }] of expected.entries()) {
        const { address = 0, bytes = 0 } = baked.outputs[i] ?? {};
        expect([...fromDeviceWords(memory.buffer.slice(address, address + bytes), dtype, data.length)]).toEqual([
          ...data,
        ]);
      }
      expect(expected.at(-1)?.data[2]).toBe(1);
    }
  },
);

describe("files", () => {
  test("have no dependencies: the module imports nothing, and the loader is small and imports no module", async () => {
    const made = modelToWasm(written, { name: "a name & more" });
    const module = new WebAssembly.Module(made.wasm);
    expect(WebAssembly.Module.imports(module)).toEqual([]);
    expect(
      WebAssembly.Module.exports(module)
        .map(({ name }) => name)
        .sort(),
    ).toEqual(["memory", "run"]);
    expect(made.loader).not.toMatch(/^\s*import\b|require\(|from "/m);
    expect(made.loader.length).toBeLessThan(4200);
    expect(gzipSync(made.loader).length).toBeLessThan(2000);
    // Weights are there once, and code takes less than some tens of kilobytes.
    expect(made.wasm.length).toBeLessThan(4 * written.arena.size + 40_000);
    expect((await (await folder.add("a name & more", made))()).step(0)).toHaveLength(symbols);
  });

  test("load by name, by URL and from bytes, in Node and Deno", slow, async () => {
    const name = "hosts";
    await folder.add(name, modelToWasm(written, { name }));
    const program = `import { readFile } from "node:fs/promises";
import { load } from "./hosts.js";
const bytes = await readFile("hosts.wasm");
const address = \`data:application/wasm;base64,\${bytes.toString("base64")}\`;
const sources = [undefined, "hosts.wasm", new URL("./hosts.wasm", import.meta.url), bytes, address];
const texts = [];
for (const source of sources) texts.push([...(await load(source)).sample({ length: 30, seed: 3 })].join(""));
console.log(JSON.stringify(texts));`;
    writeFileSync(join(folder.path, "program.js"), program);
    const ofNode = await promisify(execFile)(process.execPath, ["program.js"], { cwd: folder.path });
    const ofDeno = await deno(["run", "-A", "--no-remote", "program.js"], { cwd: folder.path });
    const [text] = JSON.parse(ofNode.stdout) as string[];
    expect(text).toHaveLength(30);
    expect(JSON.parse(ofNode.stdout)).toEqual(new Array(5).fill(text));
    expect(JSON.parse(ofDeno)).toEqual(new Array(5).fill(text));
  });

  test("have types with names and shapes", slow, async () => {
    const series = seriesModel({ cell: gru, units: 5, layers: 1, features: 2 });
    const numbers = savedModel(series, drawn(series.specs), { columns: ["a", 'b"'] });
    const made = classifierModel({ cell: lstm, units: 5, classes: 2, reads: { features: 1 } });
    const classes = savedModel(made, drawn(made.specs), { columns: ["x"], targets: ["up", "down"] });
    await folder.add("typed", modelToWasm(written, { name: "typed" }));
    await folder.add("typed-rows", modelToWasm(numbers, { name: "typed-rows" }));
    await folder.add("typed-classes", modelToWasm(classes, { name: "typed-classes" }));
    await folder.add("typed-batch", modelToWasm(written, { name: "typed-batch", batch: 2 }));
    const right = `import { load } from "./typed.js";
import { load as loadRows } from "./typed-rows.js";
import { load as loadClasses } from "./typed-classes.js";
import { load as loadBatch } from "./typed-batch.js";
const model = await load();
const shape: readonly [1, 6] = model.shapes.states["layers/1/h"];
const text: string = [...model.sample({ length: 3, prompt: model.vocabulary[0], seed: 1 })].join("");
const output: Float32Array = model.step(model.encode("s"), model.zeros());
const rows = await loadRows("file.wasm");
const columns: readonly ["a", "b\\""] = rows.columns;
const next: number[][] = rows.forecast([[1, 2], Float64Array.of(3, 4)], 2);
const classes = await loadClasses(new Uint8Array(8));
const found: "up" | "down" = classes.classify([[1]]);
const logit: number = classes.predict([[1]]).down + classes.step(0.5).length;
const batch: 2 = (await loadBatch()).batch;
export { batch, columns, found, logit, next, output, shape, text };
`;
    const wrong = [
      'model.shapes.states["layers/2/h"]',
      "model.forecast([], 1)",
      "model.sample({})",
      "rows.step(1)",
      "classes.predict([[1]]).left",
      "(await loadBatch()).sample({ length: 1 })",
      "(await loadBatch()).step(1)",
    ];
    writeFileSync(join(folder.path, "right.ts"), right);
    writeFileSync(join(folder.path, "wrong.ts"), `${right}${wrong.map((line) => `${line};\n`).join("")}`);
    const compilerOptions = {
      strict: true,
      noEmit: true,
      module: "nodenext",
      target: "es2022",
      lib: ["es2022"],
      types: [],
    };
    writeFileSync(
      join(folder.path, "tsconfig.json"),
      JSON.stringify({ compilerOptions, files: ["right.ts", "wrong.ts"] }),
    );
    const tsc = join(root, "node_modules/typescript/lib/tsc.js");
    const output = await promisify(execFile)(process.execPath, [tsc, "-p", folder.path], { cwd: folder.path }).then(
      ({ stdout }) => stdout,
      ({ stdout }: { stdout: string }) => stdout,
    );
    const first = right.split("\n").length;
    const lines = [...output.matchAll(/^(\w+)\.ts\((\d+),/gm)].map(([, file, line]) => `${file} ${line}`);
    expect(lines).toEqual(wrong.map((_, i) => `wrong ${first + i}`));
  });
});

describe("error messages", () => {
  test("about the input and the state", async () => {
    const loaded = await (await folder.add("faults", modelToWasm(written, { name: "faults" })))();
    const before = numbers(loaded.run(walk));
    const all = `step: expected 1 tokens from 0 to ${symbols - 1}, got `;
    expect(() => loaded.step(symbols)).toThrow(new RangeError(`${all}${symbols}`));
    expect(() => loaded.step(-1)).toThrow(`${all}-1`);
    expect(() => loaded.step(1.5)).toThrow(`${all}1.5`);
    expect(() => loaded.step([1, 2])).toThrow(`${all}1,2`);
    expect(() => loaded.step(undefined)).toThrow(`${all}undefined`);
    expect(() => loaded.step("s")).toThrow(all);
    const others = [new Float32Array(3), Array.from(loaded.zeros()), null];
    for (const state of others)
      expect(() => loaded.step(1, state)).toThrow(new RangeError("step: expected a state of zeros()"));
    expect(() => loaded.run([1, symbols])).toThrow(all);
    expect(() => loaded.encode("thé")).toThrow(new RangeError(`"é" is not in the model's vocabulary`));
    const wrong = [{ length: -1 }, { length: 1.5 }, { length: Number.POSITIVE_INFINITY }];
    const length = 3;
    const wrongToo = [-1, Number.POSITIVE_INFINITY, Number.NaN].map((temperature) => ({ length, temperature }));
    for (const options of [undefined, {}, ...wrong, ...wrongToo, { length, seed: 0.5 }, { length, seed: 2 ** 32 }])
      expect(() => loaded.sample(options).next()).toThrow(
        new RangeError("sample: expected an integer length, a temperature and an integer seed"),
      );
    expect(numbers(loaded.run(walk))).toEqual(before);
    // The state of the model is as it was too.
    expect([...loaded.step(walk[0])]).toEqual(before[0]);

    const series = seriesModel({ cell: gru, units: 5, layers: 1, features: 2 });
    const model = savedModel(series, drawn(series.specs), { columns: ["a", "b"] });
    const rows = await (await folder.add("fault-rows", modelToWasm(model, { name: "fault-rows" })))();
    expect(() => rows.step([1, Number.NaN])).toThrow("step: expected 2 finite numbers, got 1,NaN");
    expect(() => rows.forecast([], 2)).toThrow("forecast: expected at least one row");
    for (const horizon of [0, 1.5, Number.POSITIVE_INFINITY])
      expect(() => rows.forecast([[1, 2]], horizon)).toThrow(
        new RangeError("forecast: expected an integer horizon above 0"),
      );
  });

  test("about the file", async () => {
    const load = await folder.add("mine", modelToWasm(written, { name: "mine" }));
    const { wasm } = modelToWasm(written, { batch: 2 });
    await expect(load(wasm)).rejects.toThrow("load: the model is of another kind");
    const none = readFileSync(join(root, "LICENSE"));
    await expect(load(none)).rejects.toThrow(WebAssembly.CompileError);
    await expect(load(join(folder.path, "absent.wasm"))).rejects.toThrow("ENOENT");
  });

  test("about damaged weights", async () => {
    const specs = written.arena.entries.map(({ path }) => path);
    const parameters = Object.fromEntries(
      specs.map((path) => [
        path,
        { ...written.parameters[path], data: written.parameters[path]?.data.map(() => Number.NaN) },
      ]),
    ) as Record<string, NdArray>;
    const loaded = await (await folder.add("damaged", modelToWasm({ ...written, parameters }, { name: "damaged" })))();
    expect(() => loaded.sample({ length: 1 }).next()).toThrow("sample: the model's outputs are not finite");
  });

  test("about the model", () => {
    for (const batch of [0, 1.5, -1])
      expect(() => modelToWasm(written, { batch })).toThrow(
        `modelToWasm: batch must be a whole number above 0, got ${batch}`,
      );
    expect(() => modelToWasm(written, { batch: 2 ** 26 })).toThrow(
      /^the model needs \d+ MiB of memory, above WebAssembly's limit of 4096: make the batch smaller$/,
    );
  });

  test("about a batch that is too small for the reads of the cell", () => {
    const crossed = cell("crossed", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
      const next = add(tanh(dense("all", [x, h], units)), slice(h, 0, 1, 1));
      return { state: { h: next }, output: next };
    });
    const model = textModel({ ...letters, cell: crossed });
    expect(() => modelToWasm(model)).toThrow(/^streamingStep: slice at .*: B must be at least 2, got B=1/);
    expect(modelToWasm(model, { batch: 2 }).wasm.length).toBeGreaterThan(0);
  });

  test("of a name of a cell, which stands in a comment", async () => {
    const cellName = "x\nthrow 1;\u2028throw 2;";
    const loaded = await (await folder.add("named", modelToWasm({ ...written, cell: cellName }, { name: "named" })))();
    expect(loaded.step(0)).toHaveLength(symbols);
  });
});

/** @file What the tables of bad input are tried on: texts, tables, modules, models and weights, most of them wrong in one way. */
import { mkdirSync, readFileSync } from "node:fs";
import { gru, lstm as lstmCell } from "../../../cells/index.ts";
import { type NdArray, ndarray } from "../../../compiler/graph/ndarray.ts";
import { dense, initialize, mean, objective, scan, type Tensor } from "../../../index.ts";
import { classifierModel } from "../../../train/classifier.ts";
import { encodeModel, savedModel } from "../../../train/files/model-file.ts";
import { decodeTensors, encodeTensors } from "../../../train/files/safetensors.ts";
import { run, SERIES, TEXT, TINY, Workspace } from "../run.ts";

const bytes = (...values: number[]) => Uint8Array.from(values);
const rows = (row: (t: number) => string, head = "a,b") =>
  `${head}\n${Array.from({ length: 90 }, (_, t) => row(t)).join("\n")}\n`;
const wide = (text: string) => new Uint8Array(Buffer.from(`\ufeff${text}`, "utf16le"));

const texts = {
  "text.txt": TEXT,
  "short.txt": TEXT.slice(0, 9),
  "empty.txt": "",
  "bom.txt": bytes(0xef, 0xbb, 0xbf),
  "one.txt": "x",
  "same.txt": "x".repeat(500),
  "zeros.txt": "\0".repeat(500),
  "latin1.txt": bytes(0x63, 0x61, 0x66, 0xe9, 0x20, 0x61, 0x75),
  "stray.txt": bytes(0x61, 0x62, 0xff, 0x63),
  "cut.txt": bytes(0x61, 0x62, 0x63, 0xe2, 0x82),
  "utf16.txt": wide(TEXT),
  "no-tokenizer.json": "{}",
  "half.json": "[1",
};

const tables = {
  "series.csv": SERIES,
  "other.csv": SERIES.replace("a,b", "c,a"),
  "third.csv": "a,c,d\n1,2,3\n4,5,6\n",
  "empty.csv": "",
  "blank.csv": "\n\n",
  "head.csv": "a,b\n",
  "hole.csv": "a,b\n1,2\n3,\n5,6\n",
  "word.csv": "a,b\n1,2\n3,four\n5,6\n",
  "nan.csv": "a,b\n1,2\nNaN,4\n5,6\n",
  "infinity.csv": "a,b\n1,2\n3,-inf\n5,6\n",
  "huge.csv": "a,b\n1,2\n3,1e39\n5,6\n",
  "ragged.csv": "a,b\n1,2\n3\n5,6\n",
  "gap.csv": "a,b\n1,2\n\n5,6\n",
  "quote.csv": 'a,b\n1,2\n"3,4\n',
  "dates.csv": "day\n2020-01-01\n2020-01-02\n",
  "commas.csv": "a;b\n1,500;2\n3,250;4\n",
  "mixed.csv": "a;b\n1.5;2\n2,5;4\n",
  "twice.csv": SERIES.replace("a,b", "a,a"),
  "utf16.csv": wide(SERIES),
  // One number stands for "none", or lost its point.
  "far.csv": rows((t) => `${t === 88 ? "1e30" : t % 7},${t}`),
  // All that is trained on is one number near the largest that f32 holds, and then it moves a little.
  "edge.csv": rows((t) => `${t < 85 ? "1e38" : "1.001e38"},${t}`),
};

const line = (text: string) => `import { cell, dense, log, sub, tanh } from "cellgrad";\n${text}\n`;
const step = "({ h }) => ({ state: { h: tanh(h) }, output: h })";
const state = "{ state: ({ units }) => ({ h: [units] }) }";

const modules = {
  "none.ts": "export const x = 1;\n",
  "empty.ts": "",
  "promise.ts": "export default Promise.resolve(1);\n",
  "two.ts": line(
    `export const first = cell("first", ${state}, ${step});\nexport const second = cell("second", ${state}, ${step});`,
  ),
  "long-state.ts": line(
    'const name = "h".repeat(300);\nexport default cell("long", { state: ({ units }) => ({ [name]: [units] }) }, (given) => ({ state: { [name]: tanh(given[name]) }, output: given[name] }));',
  ),
  "fine.ts": line(`export default cell("fine", ${state}, ${step});`),
  "nan.ts": line(
    `export default cell("nan", ${state}, ({ x, h, units }) => {\n  const bad = log(sub(tanh(dense("d", [x, h], units)), 2));\n  return { state: { h: bad }, output: bad };\n});`,
  ),
  "syntax.ts": '/**\n * A comment.\n */\nimport { cell } from "cellgrad";\n\nexport default cell("x",, {});\n',
  "throws.ts": '/**\n * A comment.\n */\nimport { nonesuch } from "cellgrad";\n\nexport default nonesuch("x");\n',
  "throws-text.ts": 'throw "not today";\n',
  "throws-null.ts": "throw null;\n",
  "throws-object.ts": "throw Object.create(null);\n",
  "step-throws.ts": line(`export default cell("thrower", ${state}, () => {\n  throw undefined;\n});`),
  "state-throws.ts": line(
    `export default cell("thrower", { state: () => {\n  throw Object.create(null);\n} }, ${step});`,
  ),
  "throws-lines.ts": 'throw new Error("one\\ntwo\\n\\nthree");\n',
  "import.ts": 'import { cell } from "cellgrad";\nimport "./missing.ts";\nexport default cell;\n',
  "exit.ts": "process.exit(0);\n",
  "shapes.ts":
    '/**\n * A long comment,\n * of which the loader\n * must not lose\n * count.\n */\nimport { add, cell } from "cellgrad";\n\nexport default cell("shapes", { state: ({ units }) => ({ h: [units] }) }, ({ x, h }) => {\n  const sum = add(x, h);\n  return { state: { h: sum }, output: sum };\n});\n',
  "bug.ts":
    'import { cell } from "cellgrad";\n\nexport default cell("bug", { state: ({ units }) => ({ h: [units] }) }, ({ h }) => {\n  const broken: { a?: { b: number } } = {};\n  return { state: { h }, output: broken.a.b };\n});\n',
  "cell.py": "print(1)\n",
  "cell.json": "{}",
};

const filled = (shape: readonly number[], value = 0.1): NdArray => {
  const size = shape.reduce((a, b) => a * b, 1);
  return ndarray(
    shape,
    Array.from({ length: size }, () => value),
  );
};
const lstm = {
  "rnn.weight_ih_l0": filled([8, 3]),
  "rnn.weight_hh_l0": filled([8, 2]),
  "rnn.bias_ih_l0": filled([8]),
  "rnn.bias_hh_l0": filled([8]),
  "head.weight": filled([3, 2]),
  "head.bias": filled([3]),
};
const dict = (tensors: Readonly<Record<string, NdArray>>) => encodeTensors({ tensors, metadata: {} });

const weights = {
  "torch.safetensors": dict(lstm),
  "torch-text.safetensors": dict({ ...lstm, "symbols.weight": filled([3, 3]) }),
  "torch-nan.safetensors": dict({ ...lstm, "head.bias": filled([3], Number.NaN) }),
  "torch-shape.safetensors": dict({ ...lstm, "rnn.weight_hh_l0": filled([8, 3]) }),
  "torch-headless.safetensors": dict(Object.fromEntries(Object.entries(lstm).slice(0, 4))),
  "torch-either.safetensors": dict({
    ...Object.fromEntries(Object.entries(lstm).slice(1, 4)),
    "rnn.weight_ih_l0": filled([8, 2]),
    "fc.weight": filled([3, 2]),
  }),
  "torch-f8.safetensors": Uint8Array.from(
    Buffer.from(
      Buffer.from(dict({ "rnn.weight_hh_l0": { dtype: "bool", shape: [8, 2], data: new Float64Array(16) } }))
        .toString("latin1")
        .replace('"BOOL"', '"F8_E4M3"')
        .replace("   ", ""),
      "latin1",
    ),
  ),
  "keras-named.safetensors": dict(
    Object.fromEntries(
      ["start", "middle"].flatMap((name) => [
        [`${name}/lstm_cell/kernel`, filled([2, 8])],
        [`${name}/lstm_cell/recurrent_kernel`, filled([2, 8])],
      ]),
    ),
  ),
  // What torch.save writes is a zip; of HDF5 there is a signature and no more.
  "pickle.pt": Buffer.from(
    "UEsDBBQAAAAAAAAAIQAAAAAAAAAAAAAAAAABAAAAYVBLAQIUABQAAAAAAAAAIQAAAAAAAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAABhUEsFBgAAAAABAAEALwAAAB8AAAAAAA==",
    "base64",
  ),
  "cut.h5": bytes(0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0),
  "other.safetensors": dict({ a: filled([1]) }),
  "two.json": '["a", "b"]',
  "again.json": '["a", "a", "b"]',
  "half-a-list.json": '["a"',
};

const classifier = classifierModel({ cell: [gru, lstmCell], units: 2, classes: 2, reads: { features: 1 } });
const backwards = (x: Tensor<"f32">) => scan(gru(2), x, { reverse: true }).outputs;
const own = objective(
  "own",
  { x: { dtype: "f32", shape: ["T", "B", 2] } },
  ({ x }) => mean(dense("head", backwards(x), 1)),
  { predict: ({ x }) => dense("head", backwards(x), 1) },
);

/** Models that no command trains. */
const modelsOfCode = {
  "classifier.safetensors": encodeModel(
    savedModel(classifier, initialize(classifier.specs, 1), { columns: ["a"], classes: ["no", "yes"] }),
  ),
  "own.safetensors": encodeModel(savedModel(own, initialize(own.specs, 1))),
};

/** All of these in a folder, with trained models, and models that were damaged. */
export async function badFiles(): Promise<Workspace> {
  const space = new Workspace({ ...texts, ...tables, ...modules, ...weights, ...modelsOfCode });
  mkdirSync(space.file("folder"));
  const at = (name: string) => space.file(name);
  const trained = [
    ["text.txt", "text.safetensors"],
    ["text.txt", "fine.safetensors", "--cell", at("fine.ts")],
    ["series.csv", "series.safetensors"],
  ];
  for (const [file = "", out = "", ...more] of trained) {
    const embed = TINY.indexOf("--embed");
    const sizes = file.endsWith(".csv") ? TINY.filter((_, i) => i !== embed && i !== embed + 1) : TINY;
    const { code, stderr } = await run("train", at(file), ...sizes, ...more, "--out", at(out), "--json");
    if (code !== 0) throw new Error(stderr);
  }
  const whole = readFileSync(at("text.safetensors"));
  const { tensors, metadata } = decodeTensors(whole, "text.safetensors");
  const latin = (change: (text: string) => string) => Buffer.from(change(whole.toString("latin1")), "latin1");
  const damaged: Readonly<Record<string, string | Uint8Array>> = {
    "nothing.safetensors": "",
    "noise.safetensors": "this is not a model file at all",
    "truncated.safetensors": whole.subarray(0, whole.length - 7),
    "header.safetensors": whole.subarray(0, 100),
    "changed.safetensors": latin((text) => text.replace("tanh", "sinh")),
    "nan.safetensors": encodeTensors({ tensors: { ...tensors, "head/bias": filled([11], Number.NaN) }, metadata }),
  };
  for (const [name, content] of Object.entries(damaged)) space.write(name, content);
  return space;
}

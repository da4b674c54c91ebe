/**
 * @file Keras files: imported weights give Keras's results, from every kind of file, and unsupported models are rejected.
 * golden/keras_files.py generates the files and figures.
 */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { zipSync } from "fflate";
import { afterAll, describe, expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import { loadModel, readKeras } from "../../entries/node.ts";
import { fromKeras, toParameters } from "../../entries/weights.ts";
import {
  dense,
  embedding,
  fromNested,
  model,
  type NamedAval,
  type Tensor,
  traceGraph,
  transpose,
} from "../../index.ts";
import { readKerasConfig } from "../../interchange/keras-config.ts";
import { errorOf, type Matrix, type Sequence, stackFor } from "../interchange/imported-stack.ts";
import { jsonLines, run, Workspace } from "./run.ts";

interface Golden {
  readonly name: string;
  /** By ending: base64 of gzip. */
  readonly files: Readonly<Record<string, string>>;
  readonly x: Matrix | Sequence;
  readonly output: Sequence;
}

const { cases } = JSON.parse(readFileSync(new URL("../golden/keras_files.json", import.meta.url), "utf8")) as {
  cases: Golden[];
};
const space = new Workspace();
afterAll(() => space.remove());
const bytesOf = (golden: Golden, ending: string) =>
  new Uint8Array(gunzipSync(Buffer.from(golden.files[ending] ?? "", "base64")));
const goldenOf = (name: string) =>
  at(
    cases.filter((golden) => golden.name === name),
    0,
  );
const each = cases.flatMap((golden) =>
  Object.keys(golden.files).map((ending) => [golden.name, ending, golden] as const),
);

test.each(each)("%s in a %s", async (cell, ending, golden) => {
  const path = space.write(`${cell}${ending}`, bytesOf(golden, ending));
  const { tensors, options, remarks } = await readKeras(path);
  const weights = fromKeras(tensors, path, options);
  expect(weights.cell).toBe(cell);
  // Only weights that stand alone leave something open.
  expect(remarks.length > 0).toBe(ending === ".weights.h5");
  const parameters = toParameters(weights);
  const stack = stackFor(weights);
  const isText = weights.embedding !== undefined;
  const [symbols = 0, width = 0] = weights.embedding?.shape ?? [];
  const network = model("network", (x: Tensor) => {
    const read = isText ? embedding("embedding", x as Tensor<"i32">, symbols, width) : (x as Tensor<"f32">);
    const { outputs } = stack.run(read);
    return weights.head === undefined ? outputs : dense("head", outputs, weights.head.bias.data.length);
  });
  const xs = fromNested(golden.x, isText ? "i32" : "f32");
  const avals: NamedAval[] = [
    ...Object.entries(parameters).map(([name, { shape }]): NamedAval => ({ name, dtype: "f32", shape })),
    { name: "x", dtype: xs.dtype, shape: xs.shape },
  ];
  const graph = traceGraph("imported", avals, (given) => {
    const named = Object.fromEntries(avals.map(({ name }, i) => [name, at(given, i) as Tensor<"f32">]));
    const x = transpose(at(given, avals.length - 1), isText ? [1, 0] : [1, 0, 2]);
    return [transpose(network.apply(named, x), [1, 0, 2])];
  });
  const [output] = interpret(graph, [...Object.values(parameters), xs]);
  expect(errorOf(output as NdArray, fromNested(golden.output))).toBeLessThan(2e-6);
});

test("the command line converts one to a model and prints its assumptions", async () => {
  const columns = ["--columns", "a,b,c", "--out", space.file("model.st")];
  const whole = await run(
    "import",
    space.write("m.keras", bytesOf(goldenOf("lstm"), ".keras")),
    "--from",
    "keras",
    ...columns,
  );
  expect(whole).toMatchObject({ code: 0, stderr: "" });
  expect(whole.stdout.match(/^note: .*/gm)).toEqual([
    "note: values reach the model without normalisation; give --mean and --deviation if they were normalised in training",
  ]);
  const { parameters } = await loadModel(space.file("model.st"));
  const file = space.write("m.weights.h5", bytesOf(goldenOf("lstm"), ".weights.h5"));
  const alone = await run("import", file, "--from", "keras", ...columns, "--json");
  expect(jsonLines(alone.stdout)[0]?.assumed).toEqual([
    "dense is assumed to be the head, because nothing else fits; set others with the options embedding and head",
    "activations are assumed to be Keras's defaults: a weights file does not record them",
    "values reach the model without normalisation; give --mean and --deviation if they were normalised in training",
  ]);
  expect((await loadModel(space.file("model.st"))).parameters).toEqual(parameters);
});

test("the normalisation of columns is stored, and a forecast is in the original units", async () => {
  const file = space.write("n.keras", bytesOf(goldenOf("lstm"), ".keras"));
  const normalised = ["--columns", "a,b,c", "--mean", "100,-2,1e3", "--deviation", "10,0.5,2"];
  const args = ["import", file, "--from", "keras", "--out", space.file("n.st")];
  const imported = await run(...args, ...normalised);
  expect(imported.stdout).not.toContain("note:");
  expect((await loadModel(space.file("n.st"))).normalisation).toEqual({
    mean: [100, -2, 1000],
    deviation: [10, 0.5, 2],
  });
  await run("import", file, "--from", "keras", "--columns", "a,b,c", "--out", space.file("raw.st"));
  const rows = [
    [0.5, -1, 0.25],
    [0.1, 1, -2],
    [1, 0, 0.5],
  ];
  const inUnits = rows.map(([a = 0, b = 0, c = 0]) => [100 + 10 * a, -2 + b / 2, 1000 + 2 * c]);
  const table = (values: number[][]) => `a,b,c\n${values.map((row) => row.join(",")).join("\n")}\n`;
  const forecast = async (model: string, values: number[][]) => {
    const series = space.write("s.csv", table(values));
    const { stdout } = await run(
      "forecast",
      space.file(model),
      series,
      "--device",
      "interpreter",
      "--horizon",
      "1",
      "--json",
    );
    const written = (jsonLines(stdout)[0]?.values ?? []) as number[][];
    return written[0] ?? [];
  };
  const [[a = 0, b = 0, c = 0], found] = [await forecast("raw.st", rows), await forecast("n.st", inUnits)];
  for (const [i, value] of [100 + 10 * a, -2 + b / 2, 1000 + 2 * c].entries()) expect(found[i]).toBeCloseTo(value, 4);
});

describe("an unsupported configuration is rejected", () => {
  const configOf = async (name: string) => {
    const { unzipSync } = await import("fflate");
    return new TextDecoder().decode(unzipSync(bytesOf(goldenOf(name), ".keras"))["config.json"]);
  };
  test.each([
    [
      "lstm",
      '"activation": "tanh"',
      '"activation": "relu"',
      'its layer "lstm_in" has activation relu; only tanh is supported',
    ],
    [
      "lstm",
      '"recurrent_activation": "sigmoid"',
      '"recurrent_activation": "hard_sigmoid"',
      'its layer "lstm_in" has recurrent_activation hard_sigmoid; only sigmoid is supported',
    ],
    [
      "lstm",
      '"go_backwards": false',
      '"go_backwards": true',
      'its layer "lstm_in" has go_backwards, which is not supported; reverse the sequence instead',
    ],
    [
      "lstm",
      '"activation": "linear"',
      '"activation": "tanh"',
      'its layer "dense" ends with tanh; a head supports only a linear activation or softmax',
    ],
    [
      "lstm",
      '"class_name": "LSTM"',
      '"class_name": "LayerNormalization"',
      'its layer "lstm_in" is a LayerNormalization; supported are an Embedding, then recurrent layers, then a Dense',
    ],
    [
      "lstm",
      '"class_name": "LSTM"',
      '"class_name": "GRU"',
      "its layers are of two kinds, gru-reset-after and lstm; they must all be the same",
    ],
    [
      "gru-reset-after",
      '"merge_mode": "concat"',
      '"merge_mode": "sum"',
      'its layer "zz" has merge_mode sum; only concat is supported',
    ],
    [
      "gru-reset-after",
      '"keras_history": ["zz"',
      '"keras_history": ["emb"',
      /^m: its layers are not a chain: "dropout\w*" reads "emb"$/,
    ],
    ["gru-reset-after", '"layers": [', '"others": [', "its configuration lists no layers"],
    ["lstm", "{", "[", "its configuration is not JSON"],
  ])("%s: %s -> %s", async (name, from, to, message) => {
    const text = await configOf(name);
    expect(text).toContain(from);
    const wanted = typeof message === "string" ? `m: ${message}` : message;
    expect(() => readKerasConfig(text.replace(from, to), "m")).toThrow(wanted);
  });

  test("softmax at the end is left out, with a note", async () => {
    const text = (await configOf("lstm")).replace('"activation": "linear"', '"activation": "softmax"');
    expect(readKerasConfig(text, "m").remarks).toEqual([
      'its layer "dense" ends with softmax, which is left out: the outputs are logits',
    ]);
  });
});

describe("a damaged file gives one error line", () => {
  const weights = bytesOf(goldenOf("lstm"), ".weights.h5");
  const text = new TextEncoder();
  const changed = (from: string, to: string) => {
    const latin = Buffer.from(weights).toString("latin1");
    expect(latin).toContain(from);
    return Buffer.from(latin.replaceAll(from, to), "latin1");
  };
  test.each([
    [
      "a zip of something else",
      zipSync({ "data.pkl": text.encode("x") }),
      "m is a zip without config.json, so it is not a .keras file",
    ],
    [
      "a zip that is cut",
      bytesOf(goldenOf("lstm"), ".keras").slice(0, 5000),
      /^m looks like a zip but cannot be unpacked: /,
    ],
    ["HDF5 that is cut", weights.slice(0, 3000), /^m: .* cannot be read as HDF5: /],
    [
      "HDF5 of something else",
      changed("layers", "LAYERS"),
      "m has neither layers nor layer_names, so it is not a Keras file",
    ],
    ["text", text.encode("hello, hello"), "m is neither a zip nor an HDF5 file, so it is not a Keras file"],
  ])("%s", async (_what, bytes, message) => {
    space.write("m", bytes);
    const fault = await readKeras(space.file("m")).then(
      ({ tensors, options }) => fromKeras(tensors, "m", options),
      (error: Error) => error,
    );
    const line = (fault as Error).message.replaceAll(`${space.path}/`, "");
    if (typeof message === "string") expect(line).toBe(message);
    else expect(line).toMatch(message);
    expect(line).not.toContain("\n");
  });
});

/** @file `cellgrad import` and `cellgrad export`: a state dict becomes a model that samples; a model is exported in three formats. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { decodeModel, decodeTensors, encodeTensors } from "../../entries/files.ts";
import { fromKeras, toParameters } from "../../entries/weights.ts";
import { generator, randomFloats } from "../../testing/numbers/random-data.ts";
import { loadOnnx } from "../support/onnx-executor.ts";
import { run } from "./run.ts";

const folder = mkdtempSync(join(tmpdir(), "cellgrad-weights-"));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);
const read = (name: string) => new Uint8Array(readFileSync(at(name)));

const random = generator(7);
const [symbols, width, units] = [4, 3, 5];
const gru = {
  weight_ih_l0: randomFloats(random, [3 * units, width]),
  weight_hh_l0: randomFloats(random, [3 * units, units]),
  bias_ih_l0: randomFloats(random, [3 * units]),
  bias_hh_l0: randomFloats(random, [3 * units]),
};
const prefixed = Object.entries(gru).map(([name, array]) => [`core.${name}`, array] as const);
const dict: Record<string, NdArray> = {
  "tokens.weight": randomFloats(random, [symbols, width]),
  ...Object.fromEntries(prefixed),
  "decoder.weight": randomFloats(random, [symbols, units]),
  "decoder.bias": randomFloats(random, [symbols]),
};
writeFileSync(at("dict.safetensors"), encodeTensors({ tensors: dict, metadata: { format: "pt" } }));
writeFileSync(at("alone.safetensors"), encodeTensors({ tensors: gru, metadata: {} }));
writeFileSync(at("symbols.json"), JSON.stringify([..."\nabc"]));
writeFileSync(at("symbols.txt"), "cab\n");
const imported = ["import", at("dict.safetensors"), "--from", "pytorch"];
/** Most tests read the model. */
const imports = await run(...imported, "--vocabulary", at("symbols.json"), "--out", at("model.safetensors"));

test("a state dict with a vocabulary becomes a model that samples", async () => {
  const about = `gru-reset-after, 1 layer of ${units} units, ${width} input features, an embedding of 4 symbols, a head of 4 outputs`;
  const note =
    "note: tokens is assumed to be the embedding and decoder is assumed to be the head, because nothing else fits; set others with the options embedding and head";
  expect(imports).toEqual({
    code: 0,
    stdout: `${at("dict.safetensors")}: ${about}\n${note}\nsaved ${at("model.safetensors")}; use it with: npx cellgrad sample ${at("model.safetensors")}\n`,
    stderr: "",
  });
  const text = await run("sample", at("model.safetensors"), "--length", "12", "--device", "interpreter");
  expect(text).toMatchObject({ code: 0, stderr: "" });
  expect(text.stdout).toMatch(/^[abc\n]{13}$/);
});

test("a text serves as vocabulary, by its sorted characters", async () => {
  await run(...imported, "--vocabulary", at("symbols.txt"), "--out", at("same.safetensors"));
  expect(read("same.safetensors")).toEqual(read("model.safetensors"));
});

test("weights of Flax become a model too", async () => {
  const gates = ["r", "z", "n"].flatMap((gate) => [
    [`params/GRUCell_0/i${gate}/kernel`, randomFloats(random, [width, units])] as const,
    [`params/GRUCell_0/h${gate}/kernel`, randomFloats(random, [units, units])] as const,
  ]);
  const tensors = {
    ...Object.fromEntries(gates),
    "params/Embed_0/embedding": randomFloats(random, [symbols, width]),
    "params/Dense_0/kernel": randomFloats(random, [units, symbols]),
  };
  writeFileSync(at("flax.safetensors"), encodeTensors({ tensors, metadata: {} }));
  const args = ["--from", "flax", "--vocabulary", at("symbols.json"), "--out", at("flax-model.safetensors")];
  const outcome = await run("import", at("flax.safetensors"), ...args);
  expect(outcome).toMatchObject({ code: 0, stderr: "" });
  expect(outcome.stdout).toContain(`gru-reset-after, 1 layer of ${units} units, ${width} input features`);
  const text = await run("sample", at("flax-model.safetensors"), "--length", "3", "--device", "interpreter");
  expect(text).toMatchObject({ code: 0, stderr: "" });
});

test("it is written back into its state dict bit for bit", async () => {
  const args = ["--to", "pytorch", "--like", at("dict.safetensors"), "--out", at("back.safetensors")];
  const { code, stdout } = await run("export", at("model.safetensors"), ...args);
  expect(code).toBe(0);
  expect(stdout).toContain("the recurrent module is torch.nn.GRU(3, 5, num_layers=1)");
  expect(decodeTensors(read("back.safetensors"), "back")).toEqual(decodeTensors(read("dict.safetensors"), "dict"));
});

test("in a state dict with other modules and dtypes, only the named tensors are read, and the rest is unchanged", async () => {
  const header = { ...headerOf(read("dict.safetensors")) };
  // Behind the weights: a counter beyond 32 bits, a dtype that is not read, and an embedding's table as binary16.
  const more = {
    "bn.num_batches_tracked": ["I64", [], 8],
    "quantized.weight": ["F8_E4M3", [3], 3],
    "cnn.weight": ["F16", [1, 2], 4],
  } as const;
  const weights = read("dict.safetensors").subarray(
    8 + Number(new DataView(read("dict.safetensors").buffer).getBigUint64(0, true)),
  );
  const tail = Uint8Array.from({ length: 15 }, (_, i) => 0x3c + i);
  let end = weights.length;
  for (const [name, [dtype, shape, length]] of Object.entries(more)) {
    header[name] = { dtype, shape, data_offsets: [end, end + length] };
    end += length;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const length = new Uint8Array(new BigUint64Array([BigInt(text.length)]).buffer);
  writeFileSync(at("crnn.safetensors"), Buffer.concat([length, text, weights, tail]));
  const from = ["import", at("crnn.safetensors"), "--from", "pytorch", "--out", at("crnn-model.safetensors")];
  const named = ["--prefix", "core.", "--embedding", "tokens", "--head", "decoder"];
  const outcome = await run(...from, ...named, "--vocabulary", at("symbols.json"));
  expect(outcome).toMatchObject({ code: 0, stderr: "" });
  expect(read("crnn-model.safetensors")).toEqual(read("model.safetensors"));
  // A wanted tensor that cannot be read is an error with the reason.
  const asked = await run(...from, "--prefix", "core.", "--head", "quantized");
  expect(asked.stderr).toMatch(
    /^cellgrad: .*crnn\.safetensors: tensor "quantized\.weight" has dtype "F8_E4M3"; supported are F32, /,
  );
  const like = [
    "--to",
    "pytorch",
    "--like",
    at("crnn.safetensors"),
    "--prefix",
    "core.",
    "--out",
    at("crnn-back.safetensors"),
  ];
  const alone = await run(...from, "--prefix", "core.");
  expect(alone).toMatchObject({ code: 0 });
  const back = await run("export", at("crnn-model.safetensors"), ...like);
  expect(back).toMatchObject({ code: 0, stderr: "" });
  expect(headerOf(read("crnn-back.safetensors"))).toMatchObject({ __metadata__: { format: "pt" } });
  for (const name of Object.keys(header).filter((key) => key !== "__metadata__"))
    expect(bitsOf(read("crnn-back.safetensors"), name), name).toEqual(bitsOf(read("crnn.safetensors"), name));
});

type Header = Record<string, { dtype: string; shape: readonly number[]; data_offsets: readonly [number, number] }>;

function headerOf(bytes: Uint8Array): Header {
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  return JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
}

function bitsOf(bytes: Uint8Array, name: string) {
  const { dtype, shape, data_offsets } = headerOf(bytes)[name] ?? { dtype: "", shape: [], data_offsets: [0, 0] };
  const start = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
  return { dtype, shape, data: bytes.slice(start + data_offsets[0], start + data_offsets[1]) };
}

test("a new state dict has default names, or names with a prefix", async () => {
  const to = ["export", at("model.safetensors"), "--to", "pytorch", "--out", at("own.safetensors")];
  await run(...to);
  const keys = Object.keys(gru).map((name) => `rnn.${name}`);
  const names = () => Object.keys(decodeTensors(read("own.safetensors"), "own").tensors).toSorted();
  expect(names()).toEqual(["embedding.weight", "head.bias", "head.weight", ...keys].toSorted());
  await run(...to, "--prefix", "gru.");
  expect(names()).toContain("gru.weight_hh_l0");
});

test("Keras reads the same parameters", async () => {
  const outcome = await run("export", at("model.safetensors"), "--to", "keras", "--out", at("keras.safetensors"));
  expect(outcome.stdout).toContain("keras.layers.GRU(5, return_sequences=True)");
  const { tensors } = decodeTensors(read("keras.safetensors"), "keras");
  const { parameters } = decodeModel(read("model.safetensors"), "model");
  expect(toParameters(fromKeras(tensors, "keras"))).toEqual(parameters);
  // What the numbers that go in and out stand for goes along.
  expect(decodeTensors(read("keras.safetensors"), "keras").metadata).toMatchObject({
    ...{ format: "np", kind: "text", tokens: "characters", vocabulary: '["\\n","a","b","c"]' },
  });
});

test("a model trained here is exported too, although its file has a checkpoint", async () => {
  writeFileSync(at("text.txt"), "cab\n".repeat(40));
  const sizes = ["--cell", "gru", "--units", "5", "--embed", "3", "--batch", "2", "--time", "4", "--steps", "1"];
  await run("train", at("text.txt"), ...sizes, "--device", "interpreter", "--out", at("trained.safetensors"));
  const outcome = await run("export", at("trained.safetensors"), "--to", "keras", "--out", at("kept.safetensors"));
  expect(outcome).toMatchObject({ code: 0, stderr: "" });
  const { tensors } = decodeTensors(read("kept.safetensors"), "kept");
  const { parameters } = decodeModel(read("trained.safetensors"), "trained");
  expect(toParameters(fromKeras(tensors, "kept"))).toEqual(parameters);
});

test.each([
  ["sequence", [3, 2]],
  ["step", [2]],
] as const)("ONNX, form %s, runs", async (form, shape) => {
  const args = ["--to", "onnx", "--form", form, "--out", at("model.onnx"), "--json"];
  const outcome = await run("export", at("model.safetensors"), ...args);
  expect(JSON.parse(outcome.stdout)).toMatchObject({ to: "onnx", bytes: read("model.onnx").length });
  const model = await loadOnnx(read("model.onnx"));
  const x: NdArray = { dtype: "i32", shape: [...shape], data: new Float64Array(shape.reduce((a, b) => a * b, 1)) };
  const state: NdArray = { dtype: "f32", shape: [2, units], data: new Float64Array(2 * units) };
  const { output } = await model.run({ x, "state/layers/0/h": state });
  expect(output?.shape).toEqual([...shape, symbols]);
  await model.release();
});

test("weights without a head become parameters, which can be exported again", async () => {
  const args = [
    "import",
    at("alone.safetensors"),
    "--from",
    "pytorch",
    "--out",
    at("parameters.safetensors"),
    "--json",
  ];
  const { stdout } = await run(...args);
  expect(JSON.parse(stdout)).toMatchObject({
    cell: "gru-reset-after",
    units,
    features: width,
    layers: 1,
    isModel: false,
  });
  await run("export", at("parameters.safetensors"), "--to", "pytorch", "--out", at("again.safetensors"));
  const { tensors } = decodeTensors(read("again.safetensors"), "again");
  expect(Object.keys(tensors).toSorted()).toEqual(Object.keys(gru).toSorted());
});

/** @file The folder that trains a model with JAX, as text; `npm run test:jax` trains with it. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { gru } from "../../../cells/gru.ts";
import { lstm } from "../../../cells/lstm.ts";
import { decodeModel, encodeModel, savedModel } from "../../../entries/files.ts";
import { adam, initialize, sgd } from "../../../index.ts";
import { modelToJax } from "../../../interchange/jax/model.ts";
import { trainScript } from "../../../interchange/jax/train-script.ts";
import type { SavedModel } from "../../../train/files/model-file.ts";
import { languageModel, regressionModel, seriesModel } from "../../../train/networks.ts";
import { matrices, withWeightDecay } from "../../../train/optimizers/weight-decay.ts";
import { run } from "../../cli/run.ts";
import { tokenizerJson } from "../../support/tokenizers.ts";

const network = languageModel({ cell: lstm, units: 4, layers: 2, vocabulary: 3, embed: 2 });
const model = savedModel(network, initialize(network.specs, 1), { vocabulary: ["a", "b", "c"] });
const textOf = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);
const folder = mkdtempSync(join(tmpdir(), "cellgrad-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("the folder has the model as source and as the file itself", () => {
  const files = modelToJax(model, { cell: lstm });
  expect(Object.keys(files)).toEqual(["model.py", "train.py", "weights.safetensors", "requirements.txt", "README.md"]);
  expect(decodeModel(files["weights.safetensors"] ?? new Uint8Array(), "weights").parameters).toEqual(model.parameters);
  const source = textOf(files["model.py"]);
  expect([...source.matchAll(/^def (\w+)/gm)].map(([, name]) => name)).toEqual([
    ...["lstm", "network", "cross_entropy", "loss", "adam", "update"],
  ]);
  expect(source).toContain('SLOTS = ("mean", "variance")\n');
  expect(source).toContain('    "layers/1/h": (4,),\n');
});

test("layers that differ only in sizes share a function, which does not name those sizes", () => {
  const source = textOf(modelToJax(model, { cell: lstm })["model.py"]);
  expect(source).toContain("    Input: x f32 [B, n].\n    Output: f32 [B, 4].\n");
  expect(source.match(/partial\(lstm, /g)).toHaveLength(2);
});

test("an update that differs among parameters has a function for each rule", () => {
  const optimizer = withWeightDecay(sgd(), { rate: 0.1, decays: matrices });
  const source = textOf(modelToJax(model, { cell: lstm, update: { optimizer, clipNorm: 0.5 } })["model.py"]);
  expect(source).toContain('    "head/kernel": sgd_with_weight_decay,\n    "head/bias": sgd_with_weight_decay2,\n');
  expect(source).toContain("gradient * (0.5 / jnp.maximum(norm, 0.5))");
});

const readings = ["characters", "bytes", "tokens", "table"] as const;

test.each(readings)("no line of a train.py that reads %s is longer than 88 characters", (reads) => {
  for (const isRandom of [false, true]) {
    const lines = trainScript({ reads, isRandom, unit: "nats per character" }).split("\n");
    expect(lines.filter(({ length }) => length > 88)).toEqual([]);
  }
});

test("train.py has only what the model's kind of data needs", () => {
  const tokenizer = tokenizerJson([["a", "b"]]);
  const series = seriesModel({ cell: lstm, units: 2, layers: 1, features: 1 });
  const ofSeries = savedModel(series, initialize(series.specs, 1), { columns: ["a"] });
  const told = (saved: SavedModel) => {
    const files = modelToJax(saved, { cell: lstm });
    const text = `${textOf(files["train.py"])}${textOf(files["requirements.txt"])}`;
    const has = (word: string) => text.includes(word);
    return ["import csv", "token_of", 'entries = "bytes"', "tokenizers==", "--seed"].filter(has);
  };
  expect(told(model)).toEqual(["token_of"]);
  expect(told(ofSeries)).toEqual(["import csv"]);
  expect(told({ ...model, tokenizer })).toEqual(["tokenizers=="]);
  const bytes = languageModel({ cell: lstm, units: 2, layers: 1, vocabulary: 256, embed: 2 });
  const symbols = Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(256 + byte));
  const ofBytes = savedModel(bytes, initialize(bytes.specs, 1), { vocabulary: symbols, tokens: "bytes" });
  expect(told(ofBytes)).toEqual(['entries = "bytes"']);
});

test("dropout is in the loss of training alone, and its options are those of the model", () => {
  const around = { dropout: 0.5, zoneout: 0.1 } as const;
  const dropping = languageModel({ ...around, cell: lstm, units: 4, layers: 2, vocabulary: 3, embed: 2 });
  const saved = savedModel(dropping, model.parameters, { vocabulary: ["a", "b", "c"] });
  const files = modelToJax(saved, { ...around, cell: lstm });
  const bodyOf = (name: string) =>
    new RegExp(`^def ${name}\\([^]*?(?=\n\n\n|$(?![^]))`, "m").exec(textOf(files["model.py"]))?.[0];
  expect(bodyOf("training_network")).toContain("random_bits(");
  expect(bodyOf("network")).not.toContain("random_bits(");
  expect(bodyOf("training_loss")).toContain("training_network(params, state, x, key)");
  expect(textOf(files["train.py"])).toContain("model.training_loss(low, given, cast_x, targets, key)");
  expect(textOf(modelToJax(model, { cell: lstm })["model.py"])).not.toContain("training_loss");
  expect(() => modelToJax(saved, { cell: lstm })).toThrow(
    "the cell lstm is not the one that the model was trained with",
  );
});

const regression = regressionModel({ cell: lstm, units: 2, layers: 1, features: 1, outputs: 1 });
const targets = { columns: ["a"], targets: ["b"] };

test.each<[string, () => unknown]>([
  ["the cell gru is not the one that the model was trained with", () => modelToJax(model, { cell: gru })],
  [
    "a model of kind regression has no train.py; print its loss with graphToJax, and train it with a loop of your own",
    () => modelToJax(savedModel(regression, initialize(regression.specs, 1), targets), { cell: lstm }),
  ],
  [
    "modelToJax: train.py has bf16 in place of mixed precision; leave precision out",
    () => modelToJax(model, { cell: lstm, update: { optimizer: adam(), precision: "mixed" } }),
  ],
])("%s", (message, call) => {
  expect(call).toThrow(message);
});

test("the command line writes the folder, with the source's lines", async () => {
  const [file, out] = [join(folder, "m.safetensors"), join(folder, "jax")];
  writeFileSync(file, encodeModel(model));
  const outcome = await run("export", file, "--to", "jax", "--out", out);
  expect(outcome).toMatchObject({ code: 0, stderr: "" });
  expect(readdirSync(out).toSorted()).toEqual(
    ["README.md", "model.py", "requirements.txt", "train.py", "weights.safetensors"].toSorted(),
  );
  expect(readFileSync(join(out, "model.py"), "utf8")).toContain("    # nextC = add(mul(f, c), mul(i, g))\n");
});

test("--cell is for JAX, and a cell that is not built in needs it", async () => {
  const file = join(folder, "own.safetensors");
  const own = Object.assign((units: number) => ({ ...lstm(units), name: "own" }), { cellName: "own" });
  const series = seriesModel({ cell: own, units: 2, layers: 1, features: 1 });
  const normalisation = { mean: [0], deviation: [1] };
  writeFileSync(file, encodeModel(savedModel(series, initialize(series.specs, 1), { columns: ["a"], normalisation })));
  const refused = await run("export", file, "--to", "jax", "--out", join(folder, "own"));
  expect(refused.stderr).toBe(
    "cellgrad: own is not a built-in cell; give the module that exports it, such as --cell ./own.ts\n",
  );
  const stray = await run("export", file, "--to", "onnx", "--cell", "lstm", "--out", join(folder, "own.onnx"));
  expect(stray.stderr).toBe("cellgrad: --cell is for --to jax\n");
});

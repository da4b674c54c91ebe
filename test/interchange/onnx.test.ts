/**
 * @file ONNX: ONNX Runtime gives the interpreter's results for exported graphs: every op separately, random cells with their
 * gradients (loops in both directions, ops in any order), and trained models of every built-in cell.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cells } from "../../cells/index.ts";
import { zoo } from "../../cells/zoo.ts";
import { at } from "../../compiler/graph/errors.ts";
import { type NdArray, ndarray, zeros } from "../../compiler/graph/ndarray.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import { opTable } from "../../compiler/ops/table.ts";
import { savedModel } from "../../entries/files.ts";
import { encodeOnnx, modelToOnnx } from "../../entries/onnx.ts";
import {
  add,
  cell,
  dense,
  fill,
  log,
  type NamedAval,
  pad,
  randomBits,
  scanTensors,
  slice,
  sub,
  type Tensor,
  tanh,
  traceGraph,
  UserError,
} from "../../index.ts";
import { generator, randomFloats, randomIntegers } from "../../testing/numbers/random-data.ts";
import { prepare, sameOn } from "../../testing/random-cells/cell-checks.ts";
import { lossGraphs, lossOfCell } from "../../testing/random-cells/cell-graphs.ts";
import { cellPlans } from "../../testing/random-cells/cell-plan.ts";
import { buildCell } from "../../testing/random-cells/random-cell.ts";
import type { Network } from "../../train/networks.ts";
import { languageModel, seriesModel } from "../../train/networks.ts";
import { inexactCases } from "../numbers/measure.ts";
import { arrayCases } from "../support/array-cases.ts";
import { composedCases } from "../support/composed-cases.ts";
import { elementwiseCases } from "../support/elementwise-cases.ts";
import type { OpCase } from "../support/evaluate.ts";
import { loadOnnx, onnxRuntime } from "../support/onnx-executor.ts";
import { fewOf, slow } from "../support/some-of.ts";

type Float = Tensor<"f32">;

const cases: Readonly<Record<string, OpCase>> = { ...arrayCases, ...elementwiseCases, ...composedCases };

test.each([...Object.keys(opTable), ...Object.keys(composedCases)])("op %s", async (op) => {
  for (const [f, args, expected] of cases[op]?.gives ?? []) {
    const avals = args.map(({ dtype, shape }, i) => ({ name: `x${i}`, dtype, shape }));
    const graph = traceGraph("f", avals, (tensors) => [f(...(tensors as never[]))].flat() as Tensor[]);
    const value = at(await onnxRuntime.execute(graph, args), 0);
    expect([value.dtype, value.shape]).toEqual([expected.dtype, expected.shape]);
    for (const [i, number] of value.data.entries()) {
      const reference = at([...expected.data], i);
      const allowed = expected.dtype === "f32" ? 4e-6 * Math.max(1, Math.abs(reference)) : 0;
      const rounded = expected.dtype === "f32" ? Math.fround(reference) : reference;
      expect(Math.abs(number - rounded), `${number} for ${reference}`).toBeLessThanOrEqual(allowed);
    }
  }
});

test("conversions, integer limits and NaN behave as on other devices", async () => {
  expect(await inexactCases(onnxRuntime)).toEqual([]);
});

describe("semantics that differ from those of ONNX ops", () => {
  const x = { name: "x", dtype: "f32", shape: ["B", 2] } as const;
  const bits = { name: "bits", dtype: "u32", shape: ["B"] } as const;

  test.each<[string, NamedAval[], (inputs: readonly Tensor[]) => Tensor, NdArray]>([
    ["operands that all only repeat", [x], () => add(fill(["B", 3], 1), fill(["B", 3], 2)), zeros([4, 2])],
    [
      "a part from the end, put back at it",
      [x],
      ([a]) => pad(slice(a as Float, 0, -1, 1), 0, -1, "B"),
      ndarray([3, 2], [1, 2, 3, 4, 5, 6]),
    ],
    [
      "random bits",
      [bits],
      ([i]) => randomBits(2024, { site: 7, step: 3, index: i as Tensor<"u32"> }),
      ndarray([3], [0, 1, 4294967295], "u32"),
    ],
    ["a loop over nothing but its length", [x], ([a]) => threeTimes(a as Float), ndarray([1, 2], [3, 4])],
  ])("%s", async (_title, avals, f, given) => {
    const graph = traceGraph("f", avals, (inputs) => [f(inputs)]);
    expect(await onnxRuntime.execute(graph, [given])).toEqual(interpret(graph, [given]));
  });
});

/** A carry that only counts, and a y at each step. */
function threeTimes(a: Float): Tensor {
  const { ys } = scanTensors(([sum]) => ({ carries: [add(sum as Float, a)], ys: [sum as Float] }), [a], [], {
    length: 3,
    reverse: true,
  });
  return at(ys, 0);
}

test("loss and gradient of random cells", slow, async () => {
  const property = fc.asyncProperty(cellPlans, (plan) =>
    sameOn(onnxRuntime, prepare(lossGraphs(lossOfCell(buildCell(plan))))),
  );
  await fc.assert(property, { seed: 1997, numRuns: 6 });
});

const symbols = [..."abcdefg"];
const sizes = [
  [1, 1],
  [5, 3],
  [18, 2],
] as const;

/** What a network means: (state/…, x [T, B, …]) -> (next/…, output). */
function meaning(
  network: Network,
  weights: Readonly<Record<string, NdArray>>,
  inputs: Readonly<Record<string, NdArray>>,
) {
  const states = Object.entries(network.stateShapes);
  const avals = [
    ...network.specs.map(({ path, shape }) => ({ name: path, dtype: "f32", shape }) as const),
    ...states.map(([name, shape]) => ({ name: `state/${name}`, dtype: "f32", shape: ["B", ...shape] }) as const),
    { name: "x", ...network.x },
  ];
  const graph = traceGraph("network", avals, (tensors) => {
    const named = Object.fromEntries(avals.map(({ name }, i) => [name, at(tensors, i) as Tensor<"f32">]));
    const before = Object.fromEntries(states.map(([name]) => [name, named[`state/${name}`] as Tensor<"f32">]));
    const { output, state } = network.model.apply(named, named.x as Tensor, before);
    return [...states.map(([name]) => state[name] as Tensor), output];
  });
  const given = avals.map(({ name }) => weights[name] ?? (inputs[name] as NdArray));
  const names = [...states.map(([name]) => `next/${name}`), "output"];
  return Object.fromEntries(interpret(graph, given).map((array, i) => [at(names, i), array]));
}

function networksOf(name: string): [string, Network][] {
  const stack = { cell: at([cells[name]], 0) as NonNullable<(typeof cells)[string]>, units: 6, layers: 2 };
  return [
    ["text", languageModel({ ...stack, vocabulary: symbols.length, embed: 5 })],
    ["series", seriesModel({ ...stack, features: 3 })],
  ];
}

const details = { text: { vocabulary: symbols }, series: { columns: ["a", "b", "c"] }, regression: {}, classifier: {} };

function inputsOf(network: Network, time: number, batch: number) {
  const random = generator(29);
  const leading = [time, batch];
  const x =
    network.kind === "text"
      ? randomIntegers(random, leading, symbols.length, "i32")
      : randomFloats(random, [...leading, network.config.outputs]);
  const states = Object.entries(network.stateShapes);
  const given = states.map(([name, shape]) => [`state/${name}`, randomFloats(random, [batch, ...shape])] as const);
  return { ...Object.fromEntries(given), x };
}

/** No weight is zero, as biases are before training. */
function weightsOf({ specs }: Network): Record<string, NdArray> {
  const random = generator(3);
  return Object.fromEntries(specs.map(({ path, shape }) => [path, randomFloats(random, shape, 0.6)]));
}

function expectSame(got: Readonly<Record<string, NdArray>>, meant: Readonly<Record<string, NdArray>>) {
  expect(Object.keys(got).toSorted()).toEqual(Object.keys(meant).toSorted());
  for (const [name, { shape, data }] of Object.entries(meant)) {
    expect(got[name]?.shape, name).toEqual(shape);
    const errors = data.map((value, i) => Math.abs((got[name]?.data[i] ?? Number.NaN) - value));
    expect(
      errors.every((error) => error < 1e-5),
      `${name}: ${Math.max(...errors)}`,
    ).toBe(true);
  }
}

describe.each(Object.keys(cells))("trained models of cell %s", (name) => {
  test.each(networksOf(name))("%s: one file serves every batch and length", async (_kind, network) => {
    const weights = weightsOf(network);
    const exported = await loadOnnx(modelToOnnx(savedModel(network, weights, details[network.kind])));
    for (const [time, batch] of sizes) {
      const inputs = inputsOf(network, time, batch);
      expectSame(await exported.run(inputs), meaning(network, weights, inputs));
    }
    await exported.release();
  });

  test("step by step, with the state carried over", async () => {
    const [, network] = at(networksOf(name), 0);
    const weights = weightsOf(network);
    const exported = await loadOnnx(modelToOnnx(savedModel(network, weights, details.text), "step"));
    const { x, ...start } = inputsOf(network, 4, 3);
    let state: Record<string, NdArray> = start;
    const steps: NdArray[] = [];
    for (let step = 0; step < 4; step++) {
      const tokens = { ...x, shape: [3], data: x.data.slice(3 * step, 3 * step + 3) };
      const { output, ...next } = await exported.run({ ...state, x: tokens });
      steps.push(output as NdArray);
      state = Object.fromEntries(Object.entries(next).map(([key, value]) => [key.replace("next/", "state/"), value]));
    }
    await exported.release();
    const { output, ...final } = meaning(network, weights, { ...start, x });
    const after = Object.entries(state).map(([key, value]) => [key.replace("state/", "next/"), value] as const);
    expectSame({ ...Object.fromEntries(after), output: joined(steps) }, { ...final, output: output as NdArray });
  });
});

fewOf(
  Object.entries(zoo).filter(([name]) => cells[name] === undefined),
  (_, i) => i % 4 === 0,
)("a model of cell %s", async (_, cell) => {
  const network = seriesModel({ cell, units: 8, layers: 1, features: 8 });
  const weights = weightsOf(network);
  const exported = await loadOnnx(modelToOnnx(savedModel(network, weights, { columns: [..."abcdefgh"] })));
  const inputs = inputsOf(network, 5, 3);
  expectSame(await exported.run(inputs), meaning(network, weights, inputs));
  await exported.release();
});

/** Arrays one on top of the other, with a new axis in front. */
function joined(arrays: readonly NdArray[]): NdArray {
  const data = Float64Array.from(arrays.flatMap(({ data }) => [...data]));
  return { dtype: "f32", shape: [arrays.length, ...at(arrays, 0).shape], data };
}

test("the metadata contains everything needed to use a model", () => {
  const [[, network]] = networksOf("gru") as [[string, Network]];
  const model = savedModel(network, weightsOf(network), { ...details.text, training: { steps: 12 } });
  const text = new TextDecoder().decode(modelToOnnx(model));
  for (const part of [
    "vocabulary",
    JSON.stringify(symbols),
    "kind",
    "text",
    "training",
    '{"steps":12}',
    "embedding/table",
  ])
    expect(text).toContain(part);
});

test.each([
  ["characters", {}, "numbers of symbols in metadata vocabulary"],
  ["bytes", { tokens: "bytes" }, "bytes of text in UTF-8"],
  ["tokenizer", { tokenizer: '{"model":{}}' }, "tokens of the tokenizer.json in metadata tokenizer"],
] as const)("how text becomes tokens is in its metadata: %s", async (tokens, more, about) => {
  const [[, network]] = networksOf("gru") as [[string, Network]];
  const model = savedModel(network, weightsOf(network), { ...details.text, ...more });
  const text = new TextDecoder().decode(modelToOnnx(model, "step"));
  // An entry of the metadata: the key behind its tag and length, and the value.
  const entry = (key: string, value: string) =>
    `\n${String.fromCharCode(key.length)}${key}\x12${String.fromCharCode(value.length)}${value}`;
  expect(text).toContain(entry("tokens", tokens));
  expect(text).toContain(entry("vocabulary", JSON.stringify(symbols)));
  if (model.tokenizer !== undefined) expect(text).toContain(entry("tokenizer", model.tokenizer));
  expect(text).toContain(`x: ${about}, one time step`);
});

test("a model whose outputs are not finite is not exported, and the error names the op", () => {
  const bad = cell("bad", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
    const next = log(sub(tanh(dense("d", [x, h], units)), 2));
    return { state: { h: next }, output: next };
  });
  const network = languageModel({ cell: bad, units: 2, layers: 1, vocabulary: symbols.length, embed: 2 });
  expect(() => modelToOnnx(savedModel(network, weightsOf(network), details.text))).toThrow(
    /^the model is not exported, because its outputs are not finite: log at test\/interchange\/onnx\.test\.ts:\d+:\d+ gave NaN at \[0, 0\] \(2 of 2 numbers\) from -1\.\d+$/,
  );
});

describe("one-line errors about graphs that ONNX cannot represent", () => {
  const graph = traceGraph("f", [{ name: "x", dtype: "f32", shape: [2] }], ([x]) => [x as Tensor]);
  test.each([
    ["an output too many", ["a", "b"], "got 2 names for the 1 outputs of f"],
    ["one name twice", ["x"], "two inputs or outputs of the model have the name x; rename one"],
  ])("%s", (_title, outputs, message) => {
    expect(() => encodeOnnx(graph, { outputs })).toThrow(new UserError(message));
  });

  test("a size that no input determines", () => {
    const products = traceGraph("g", [{ name: "x", dtype: "f32", shape: ["2*B"] }], () => [fill(["B"], 1)]);
    expect(() => encodeOnnx(products, { outputs: ["y"] })).toThrow(
      new UserError("no input has an axis of size B, so its size is unknown in ONNX"),
    );
  });
});

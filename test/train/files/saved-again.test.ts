/** @file Files, models of every network and cells are read back equal, or writing them fails. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { gru } from "../../../cells/gru.ts";
import { cell } from "../../../compiler/dsl/cell.ts";
import { dense } from "../../../compiler/dsl/dense.ts";
import { type TracedCell, traceCell } from "../../../compiler/dsl/traced-cell.ts";
import { UserError } from "../../../compiler/graph/errors.ts";
import type { NdArray } from "../../../compiler/graph/ndarray.ts";
import { tanh } from "../../../compiler/ops/transcendental.ts";
import { classifierModel } from "../../../train/classifier.ts";
import { checkFiniteRecord } from "../../../train/files/finite-model.ts";
import type { TrainingRecord } from "../../../train/files/model-fields.ts";
import { decodeModel, encodeModel, type ModelDetails, savedModel } from "../../../train/files/model-file.ts";
import { decodeTensors, encodeTensors } from "../../../train/files/safetensors.ts";
import { decodeCell, encodeCell } from "../../../train/files/traced-cell-json.ts";
import { initialize } from "../../../train/initialize.ts";
import { languageModel, type Network, regressionModel, seriesModel } from "../../../train/networks.ts";

/** Any text: lone surrogates, controls, and names that objects of JavaScript have already. */
const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 6 }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 4 }).map((codes) => String.fromCharCode(...codes)),
  fc.constantFrom("__proto__", "constructor", "toString", "", "__metadata__", "checkpoint/a", "\ud800", "😀", "\0"),
);
/** Any number but -0, of which JSON makes 0. */
const anyNumber = fc
  .oneof(fc.double(), fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, 1e300, 3.5e38, 2 ** 53))
  .map((x) => x + 0);
const entries = <T>(value: fc.Arbitrary<T>, maxLength = 4) =>
  fc.array(fc.tuple(anyText, value), { maxLength }).map((list) => Object.fromEntries(list));

/** What `write` gives, or undefined where it refuses in one line; any other error is one of ours. */
function written(write: () => Uint8Array): Uint8Array | undefined {
  try {
    return write();
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    expect(String((error as Error).message)).not.toContain("\n");
    return undefined;
  }
}

const asRead = ({ dtype, shape, data }: NdArray) => ({
  dtype,
  shape,
  data: dtype === "f32" ? data.map(Math.fround) : data,
});

const anyArray: fc.Arbitrary<NdArray> = fc.record({
  dtype: fc.constantFrom("f32", "i32", "u32", "bool"),
  shape: fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 3 }),
  data: fc
    .array(fc.oneof(fc.integer({ min: -2, max: 2 }), anyNumber), { maxLength: 4 })
    .map((x) => Float64Array.from(x)),
});
const rightArray: fc.Arbitrary<NdArray> = anyArray.map(({ dtype, shape, data }) => {
  const size = shape.reduce((a, b) => a * b, 1);
  const numbers = Float64Array.from({ length: size }, (_, i) => data[i] ?? 1);
  return { dtype, shape, data: dtype === "f32" ? numbers : numbers.map((x) => (x > 0 ? 1 : 0)) };
});

test("tensors and metadata of any names and numbers", () => {
  let count = 0;
  fc.assert(
    fc.property(entries(fc.oneof(rightArray, rightArray, anyArray)), entries(anyText), (tensors, metadata) => {
      const bytes = written(() => encodeTensors({ tensors, metadata }));
      if (bytes === undefined) return;
      count += 1;
      const read = decodeTensors(bytes, "m");
      expect(read.metadata).toEqual(metadata);
      expect(Object.keys(read.tensors).toSorted()).toEqual(Object.keys(tensors).toSorted());
      for (const [name, array] of Object.entries(tensors)) expect(read.tensors[name]).toEqual(asRead(array));
    }),
    { numRuns: 300 },
  );
  expect(count).toBeGreaterThan(100);
});

test.each([
  ["a number for an array", { a: 1 as unknown }, "encodeTensors: tensor a is 1; make it an array with"],
  [
    "fewer numbers than the shape",
    { a: { dtype: "f32", shape: [2], data: new Float64Array(1) } },
    'tensor "a" is not an array',
  ],
  [
    "a fraction of i32",
    { a: { dtype: "i32", shape: [1], data: Float64Array.of(1.5) } },
    'tensor "a" holds 1.5, which does not fit into i32',
  ],
  ["another dtype", { a: { dtype: "f16", shape: [1], data: Float64Array.of(1) } }, 'tensor "a" is not an array'],
])("%s is not written", (_, tensors, message) => {
  expect(() => encodeTensors({ tensors: tensors as never, metadata: {} })).toThrow(message);
});

test("metadata other than strings are not written", () => {
  expect(() => encodeTensors({ tensors: {}, metadata: { a: 1 as never } })).toThrow(
    'the metadata\'s "a" is 1; expected a text',
  );
});

const of = { cell: gru, units: 1 };
const networks: Readonly<Record<string, { readonly network: Network; readonly right: ModelDetails }>> = {
  text: {
    network: languageModel({ ...of, layers: 1, vocabulary: 3, embed: 1 }),
    right: { vocabulary: ["a", "\ud800", "🙂"] },
  },
  series: {
    network: seriesModel({ ...of, layers: 1, features: 2 }),
    right: { columns: ["", "a"], normalisation: { mean: [0, 1e300], deviation: [1e-300, 2] } },
  },
  regression: {
    network: regressionModel({ ...of, layers: 1, features: 2, outputs: 1 }),
    right: { columns: ["a", "b"], targets: ["__proto__"], normalisation: { mean: [0, 1], deviation: [1, 2] } },
  },
  "classifier of numbers": {
    network: classifierModel({ ...of, classes: 3, reads: { features: 2 } }),
    right: { columns: ["a", "b"], classes: ["x", "y", "z"] },
  },
  "classifier of texts": {
    network: classifierModel({ ...of, classes: 2, reads: { vocabulary: 3, embed: 1 } }),
    right: { vocabulary: ["a", "b", "\n"], classes: ["good", "bad"] },
  },
};

const some = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 2 });
const textList = fc.array(anyText, { maxLength: 4 });
const run = fc.record({
  steps: fc.integer({ min: 0, max: 3 }),
  planned: fc.constant(4),
  batch: fc.constant(1),
  time: fc.constant(1),
  seed: fc.oneof(fc.nat(), anyNumber),
  learningRate: fc.oneof(fc.constant(0.1), anyNumber),
  update: entries(fc.oneof(anyText, anyNumber), 2),
  data: anyText,
  losses: fc.array(anyNumber, { maxLength: 3 }),
});
const tuned = fc.record({
  tuning: fc.constant({}),
  adapter: fc.oneof(anyText, fc.constant("🙂".repeat(150))),
  batch: fc.integer({ min: 0, max: 2 }),
  time: fc.constant(3),
  speedup: fc.oneof(fc.constant(1.5), anyNumber),
});
/** Details that fit a network or do not. */
const anyDetails: fc.Arbitrary<ModelDetails> = fc.record({
  vocabulary: some(fc.oneof(textList, fc.constant(["the", "cat", "sat"]), fc.constant(["a", "b", "c"]))),
  tokens: some(fc.constantFrom("bytes" as const, "words" as never)),
  tokenizer: some(anyText),
  columns: some(fc.oneof(textList, fc.constant(["a", "b"]))),
  normalisation: some(
    fc.record({ mean: fc.array(anyNumber, { maxLength: 2 }), deviation: fc.array(anyNumber, { maxLength: 2 }) }),
  ),
  targets: some(fc.oneof(textList, fc.constant(["y"]))),
  classes: some(fc.oneof(textList, fc.constant(["y", "z"]))),
});
const extras: fc.Arbitrary<ModelDetails> = fc.record({
  training: some(entries(fc.oneof(anyText, anyNumber), 2)),
  run: some(run),
  tuned: some(tuned),
});
const given = (details: ModelDetails): ModelDetails =>
  Object.fromEntries(Object.entries(details).filter(([, value]) => value !== undefined));

test.each(Object.entries(networks))("a model of a network for %s", (_, { network, right }) => {
  const parameters = initialize(network.specs, 1);
  const model = savedModel(network, parameters, right);
  const read = decodeModel(encodeModel(model), "m");
  expect(read).toMatchObject({ ...right, kind: network.kind, units: 1, layers: 1, cell: "gru" });
  expect(encodeModel(read)).toEqual(encodeModel(model));
  for (const [path, array] of Object.entries(parameters)) expect(read.parameters[path]).toEqual(asRead(array));

  let count = 0;
  const details = fc.oneof(
    fc.constant(right),
    fc.tuple(fc.constant(right), extras).map(([a, b]) => ({ ...a, ...b })),
    fc.tuple(anyDetails, extras).map(([a, b]) => ({ ...a, ...b })),
    anyDetails,
  );
  fc.assert(
    fc.property(details, (all) => {
      const wanted = given(all);
      const bytes = written(() => encodeModel(savedModel(network, parameters, all)));
      if (bytes === undefined) return;
      count += 1;
      const { tuned: found, ...rest } = decodeModel(bytes, "m");
      const { tuned: kept, ...others } = wanted;
      const names = [
        "vocabulary",
        "tokens",
        "tokenizer",
        "columns",
        "normalisation",
        "targets",
        "classes",
        "training",
        "run",
      ] as const;
      expect(given(Object.fromEntries(names.map((name) => [name, rest[name]])) as ModelDetails)).toEqual(others);
      expect(found?.speedup).toBe(kept?.speedup);
    }),
    { numRuns: 60 },
  );
  expect(count).toBeGreaterThan(0);
});

test.each([
  ["text", {}, "its vocabulary is missing or damaged; expected a list of different characters"],
  [
    "text",
    { vocabulary: ["the", "cat", "sat"] },
    "its vocabulary is missing or damaged; expected a list of different characters",
  ],
  ["text", { vocabulary: ["a", "b"] }, "output 1 of its graph is f32[B,3]; expected f32[B, 2]"],
  ["series", {}, "its columns is missing or damaged; expected a list of texts"],
  ["series", { columns: ["a"] }, "input x of its graph is f32[B,2]; expected f32[B, 1]"],
  ["regression", { columns: ["a", "b"] }, "its targets is missing or damaged; expected a list of texts"],
  ["classifier of texts", { classes: ["a", "b"] }, "its columns is missing or damaged; expected a list of texts"],
] as const)("a model for %s that could not be read is not written: %o", (name, details, fault) => {
  const network = networks[name]?.network as Network;
  expect(() => encodeModel(savedModel(network, initialize(network.specs, 1), details))).toThrow(
    new UserError(
      `the model is not written, since it could not be read again: ${fault} (savedModel accepts the vocabulary of texts or the columns of rows, and the targets of a regression or the classes)`,
    ),
  );
});

test("a field of a record that is not finite is named in one line", () => {
  expect(() => checkFiniteRecord({ loss: Number.NaN })).toThrow(/^training\.loss is NaN; save/);
  const odd = JSON.parse('{ "\\n": 1e999 }') as TrainingRecord;
  expect(() => checkFiniteRecord(odd)).toThrow(/^training\["\\n"\] is Infinity; save the weights[^\n]+$/);
});

test("a field that a kind of model does not store is an error", () => {
  const { network, right } = networks.series as (typeof networks)[string];
  const model = savedModel(network, initialize(network.specs, 1), { ...right, targets: ["y"] });
  expect(() => encodeModel(model)).toThrow(
    "the model is not written, since a model of kind series does not store targets; leave it out",
  );
});

test("cells of any names", () => {
  let count = 0;
  fc.assert(
    fc.property(fc.oneof(anyText, fc.constant("x".repeat(300))), anyText, anyText, (name, state, layer) => {
      let traced: TracedCell | undefined;
      const bytes = written(() => {
        const definition = cell(name, { state: ({ units }) => ({ [state]: [units] }) }, (given) => {
          const next = tanh(dense(layer, [given.x, given[state] as typeof given.x], given.units));
          return { state: { [state]: next }, output: next };
        });
        traced = traceCell(definition, [{ units: 1, features: 1, layers: 1 }]);
        return new TextEncoder().encode(encodeCell(traced));
      });
      if (bytes === undefined) return;
      count += 1;
      expect(decodeCell(new TextDecoder().decode(bytes))).toEqual(traced);
    }),
    { numRuns: 60 },
  );
  expect(count).toBeGreaterThan(3);
});

test("a tuned model is written with any name of the adapter", () => {
  const { network, right } = networks.text as (typeof networks)[string];
  for (const [adapter, shown] of [
    ["a\u0007b", "a?b"],
    ["🙂".repeat(150), "🙂".repeat(100)],
  ] as const) {
    const found = { tuning: {}, adapter, batch: 1, time: 1, speedup: 1 };
    const bytes = encodeModel(savedModel(network, initialize(network.specs, 1), { ...right, tuned: found }));
    expect(decodeModel(bytes, "m").tuned?.adapter).toBe(shown);
  }
});

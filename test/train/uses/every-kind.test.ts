/**
 * @file Every trained model can be used: networks of any kind, cells and layers, and custom objectives are saved, loaded,
 * predicted, streamed step by step and run by ONNX Runtime, all with the same results.
 */
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { zoo } from "../../../cells/zoo.ts";
import type { CellDefinition } from "../../../compiler/dsl/cell.ts";
import { dense, embedding } from "../../../compiler/dsl/dense.ts";
import { at } from "../../../compiler/graph/errors.ts";
import { type NdArray, zeros } from "../../../compiler/graph/ndarray.ts";
import { softmax } from "../../../compiler/ops/composed.ts";
import { add, mul } from "../../../compiler/ops/elementwise.ts";
import { tanh } from "../../../compiler/ops/transcendental.ts";
import { reshape, transpose } from "../../../compiler/ops/views.ts";
import type { Tensor } from "../../../compiler/trace/tensor.ts";
import { openInterpreter } from "../../../devices/interpreter.ts";
import { modelToOnnx } from "../../../interchange/onnx/model.ts";
import { generator, randomFloats, randomIntegers } from "../../../testing/numbers/random-data.ts";
import { classifierModel } from "../../../train/classifier.ts";
import { decodeModel, encodeModel, type ModelDetails, savedModel } from "../../../train/files/model-file.ts";
import { initialize } from "../../../train/initialize.ts";
import { stacked } from "../../../train/layers/depth.ts";
import { recurrent } from "../../../train/layers/layer.ts";
import { lastOutput } from "../../../train/layers/lengths.ts";
import { crossEntropy } from "../../../train/losses/classification.ts";
import { meanSquaredError } from "../../../train/losses/regression.ts";
import { languageModel, regressionModel, seriesModel } from "../../../train/networks.ts";
import { type Objective, objective } from "../../../train/objective.ts";
import { createPredictor } from "../../../train/predictor.ts";
import { createStream } from "../../../train/stream.ts";
import { loadOnnx } from "../../support/onnx-executor.ts";
import { slow } from "../../support/some-of.ts";

type Float = Tensor<"f32">;

const device = openInterpreter();
afterAll(() => device.destroy());

const symbols = ["a", "b", "c", "d"];
const columns = ["x", "y"];
const cells: readonly CellDefinition[] = ["gru", "lstm", "slstm", "lru", "min-gru", "mgu"].map((name) => {
  const definition = zoo[name];
  if (definition === undefined) throw new Error(`no cell ${name}`);
  return definition;
});

/** What is trained, what a file keeps of it, and whether x is tokens. */
interface Kind {
  readonly trained: Objective;
  readonly details: ModelDetails;
  readonly isText: boolean;
  /** It gives one thing for a sequence, and not one for each step. */
  readonly isSoFar?: boolean;
}

interface Plan {
  readonly cells: readonly CellDefinition[];
  readonly units: number;
  readonly around: { readonly connection?: "residual" | "highway"; readonly zoneout?: number };
  readonly initial: "zeros" | "learned";
}

const kinds: Readonly<Record<string, (plan: Plan) => Kind>> = {
  text: (plan) => ({
    trained: languageModel({ ...networkOf(plan), vocabulary: 4, embed: 3 }),
    details: { vocabulary: symbols },
    isText: true,
  }),
  series: (plan) => ({
    trained: seriesModel({ ...networkOf(plan), features: 2 }),
    details: { columns },
    isText: false,
  }),
  regression: (plan) => ({
    trained: regressionModel({ ...networkOf(plan), features: 2, outputs: 3 }),
    details: { columns, targets: ["p", "q", "r"] },
    isText: false,
  }),
  "classifier of rows": (plan) => ({
    trained: classifierModel({ ...networkOf(plan), classes: 3, reads: { features: 2 } }),
    details: { columns, classes: ["walk", "run", "rest"] },
    isText: false,
  }),
  "classifier of texts": (plan) => ({
    trained: classifierModel({ ...networkOf(plan), classes: 2, reads: { vocabulary: 4, embed: 2 } }),
    details: { vocabulary: symbols, classes: ["good", "bad"] },
    isText: true,
  }),
  "objective with an output at every step": (plan) => {
    const reader = stackOf(plan);
    const heads = (x: Float) => {
      const { outputs } = reader.run(x);
      // Time goes to another axis and back, as attention over features would have it.
      const turned = transpose(tanh(transpose(outputs, [1, 2, 0])), [2, 0, 1]);
      return { mean: dense("mean", turned, 2), share: softmax(dense("share", add(turned, mul(outputs, 0.5)), 3)) };
    };
    const trained = objective(
      "own",
      { x: { dtype: "f32", shape: ["T", "B", 2] }, y: { dtype: "f32", shape: ["T", "B", 2] } },
      ({ x, y }) => {
        const { mean, share } = heads(x);
        return add(meanSquaredError(mean, y), meanSquaredError(share, mul(share, 0.5)));
      },
      { predict: ({ x }) => heads(x) },
    );
    return { trained, details: { columns }, isText: false };
  },
  "objective of the sequence so far": (plan) => {
    const reader = stackOf(plan);
    const logits = (x: Tensor<"i32">) => {
      const { outputs } = reader.run(embedding("words", x, 4, 2));
      const last = lastOutput(outputs);
      return dense("head", reshape(last, ["B", 1, plan.units]), 3);
    };
    const trained = objective(
      "judge",
      { x: { dtype: "i32", shape: ["T", "B"] }, label: { dtype: "i32", shape: ["B", 1] } },
      ({ x, label }) => crossEntropy(logits(x), label),
      { predict: ({ x }) => logits(x) },
    );
    return { trained, details: { vocabulary: symbols, classes: ["p", "q", "r"] }, isText: true, isSoFar: true };
  },
};

const networkOf = ({ cells, units, around }: Plan) => ({ cell: cells, units, ...around });
const stackOf = ({ cells, units, initial }: Plan) =>
  stacked(cells.map((definition) => recurrent(definition(units), { initial })));

const plans: fc.Arbitrary<Plan> = fc.record({
  cells: fc.array(fc.constantFrom(...cells), { minLength: 1, maxLength: 3 }),
  units: fc.integer({ min: 2, max: 4 }),
  around: fc.oneof(
    fc.constant({}),
    fc.constantFrom({ connection: "residual" as const }, { connection: "highway" as const }, { zoneout: 0.3 }),
  ),
  initial: fc.constantFrom("zeros" as const, "learned" as const),
});

const sizes = fc.record({
  time: fc.integer({ min: 1, max: 5 }),
  batch: fc.integer({ min: 1, max: 3 }),
  seed: fc.nat(99),
});

/** Weights that have moved from where they start, biases and states at the start too, as a file keeps them. */
const trainedWeights = (start: Readonly<Record<string, NdArray>>, random: () => number) =>
  Object.fromEntries(
    Object.entries(start).map(([path, array]) => {
      const data = array.data.map((value) => Math.fround(value + 0.2 * (random() - 0.5)));
      return [path, { ...array, data }];
    }),
  );

/** The first steps of a sequence, or one step of it. */
const firstSteps = ({ dtype, shape, data }: NdArray, steps: number): NdArray => {
  const size = data.length / at(shape, 0);
  return { dtype, shape: [steps, ...shape.slice(1)], data: data.slice(0, steps * size) };
};
const stepAt = ({ dtype, shape, data }: NdArray, t: number): NdArray => {
  const size = data.length / at(shape, 0);
  return { dtype, shape: shape.slice(1), data: data.slice(t * size, (t + 1) * size) };
};

test.each(Object.entries(kinds))(
  "%s: saved, predicted, streamed and exported it is one thing",
  slow,
  async (_, make) => {
    await fc.assert(
      fc.asyncProperty(plans, sizes, async (plan, { time, batch, seed }) => {
        const { trained, details, isText, isSoFar = false } = make(plan);
        const random = generator(seed);
        const weights = trainedWeights(initialize(trained.specs, seed), random);
        const x = isText ? randomIntegers(random, [time, batch], 4, "i32") : randomFloats(random, [time, batch, 2]);
        const bytes = encodeModel(savedModel(trained, weights, details));
        const model = decodeModel(bytes, "m");
        expect(model).toMatchObject(details);
        expect(encodeModel(model)).toEqual(bytes);

        // Of the code and of the file: the same bits.
        const ofCode = await createPredictor(device, trained, weights);
        const ofFile = await createPredictor(device, model, model.parameters);
        const predicted = await ofCode.predict({ inputs: { x } });
        expect(await ofFile.predict({ x })).toEqual(predicted);
        expect([ofFile.outputs, ofFile.inputs]).toEqual([ofCode.outputs, ofCode.inputs]);
        expect(Object.keys(predicted.outputs)).toEqual(ofCode.outputs);

        // Step by step: what the sequence gives at a step, or what the sequence up to there gives as a whole.
        const wholes = Array.from({ length: time }, (_, t) => ofFile.predict({ x: firstSteps(x, t + 1) }));
        for (const source of [trained, model]) {
          const stream = await createStream(device, source, weights, { batch });
          for (let t = 0; t < time; t++) {
            const { output, outputs } = await stream.step(stepAt(x, t));
            const expected = isSoFar
              ? (await wholes[t])?.outputs
              : Object.fromEntries(
                  ofCode.outputs.map((name) => [name, stepAt(predicted.outputs[name] ?? zeros([0]), t)]),
                );
            expect(outputs).toEqual(expected);
            expect(output).toEqual(Object.values(outputs)[0]);
          }
          stream.destroy();
        }

        // ONNX Runtime, over the sequence and step by step.
        await expectOnnx(modelToOnnx(model), { x }, batch, predicted.outputs);
        const [first] = await Promise.all(wholes);
        const { outputs: ofFirst = {} } = first ?? {};
        const ofOne = isSoFar
          ? ofFirst
          : Object.fromEntries(Object.entries(ofFirst).map(([name, y]) => [name, stepAt(y, 0)]));
        await expectOnnx(modelToOnnx(model, "step"), { x: stepAt(x, 0) }, batch, ofOne);
        ofCode.destroy();
        ofFile.destroy();
      }),
      { numRuns: 5 },
    );
  },
);

/** Runs a file from zero states. */
async function expectOnnx(
  bytes: Uint8Array,
  inputs: Readonly<Record<string, NdArray>>,
  batch: number,
  expected: Readonly<Record<string, NdArray>>,
) {
  const exported = await loadOnnx(bytes);
  const states = Object.entries(exported.shapes).filter(([name]) => name.startsWith("state/"));
  const zero = states.map(([name, shape]) => [
    name,
    zeros(shape.map((dim) => (typeof dim === "number" ? dim : batch))),
  ]);
  const ran = await exported.run({ ...Object.fromEntries(zero), ...inputs });
  for (const [name, { shape, data }] of Object.entries(expected)) {
    expect(ran[name]?.shape, name).toEqual(shape);
    const far = data.findIndex((value, i) => !(Math.abs((ran[name]?.data[i] ?? Number.NaN) - value) < 1e-5));
    expect(far, name).toBe(-1);
  }
  await exported.release();
}

/** @file Use of custom objectives: inputs of predictions, limits of streaming, files, gradients of a batch. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gru } from "../../../cells/gru.ts";
import { customGradient } from "../../../compiler/autodiff/custom-gradient.ts";
import { scan } from "../../../compiler/dsl/cell.ts";
import { dense } from "../../../compiler/dsl/dense.ts";
import { recurrence } from "../../../compiler/dsl/recurrence.ts";
import { at } from "../../../compiler/graph/errors.ts";
import type { Aval } from "../../../compiler/graph/graph.ts";
import { type NdArray, ndarray } from "../../../compiler/graph/ndarray.ts";
import { mean, square } from "../../../compiler/ops/composed.ts";
import { add, cast, less, mul, sub } from "../../../compiler/ops/elementwise.ts";
import { slice } from "../../../compiler/ops/pieces.ts";
import { round } from "../../../compiler/ops/transcendental.ts";
import { broadcast, fill, reshape, sum, transpose } from "../../../compiler/ops/views.ts";
import type { Tensor } from "../../../compiler/trace/tensor.ts";
import type { Device } from "../../../devices/device.ts";
import { openInterpreter } from "../../../devices/interpreter.ts";
import { modelToOnnx } from "../../../interchange/onnx/model.ts";
import { modelToWasm } from "../../../interchange/standalone/model.ts";
import { classGuesses } from "../../../train/class-guesses.ts";
import { decodeModel, encodeModel, savedModel } from "../../../train/files/model-file.ts";
import { decodeTensors, encodeTensors } from "../../../train/files/safetensors.ts";
import { initialize } from "../../../train/initialize.ts";
import { dropout } from "../../../train/layers/dropout.ts";
import { bidirectional, recurrent } from "../../../train/layers/layer.ts";
import { lastOutput, lengthsMask } from "../../../train/layers/lengths.ts";
import { seriesModel } from "../../../train/networks.ts";
import { type ObjectiveOptions, objective } from "../../../train/objective.ts";
import { sgd } from "../../../train/optimizers/gradient-descent.ts";
import { createPredictor } from "../../../train/predictor.ts";
import { createStream } from "../../../train/stream.ts";
import { createTrainer } from "../../../train/trainer.ts";
import { lineOf, lineOfPromise } from "../../support/refused.ts";
import { CompiledFolder } from "../../support/standalone.ts";
import { devices } from "../devices.ts";

type Float = Tensor<"f32">;

const interpreter = openInterpreter();
afterAll(() => interpreter.destroy());

const batch = {
  x: { dtype: "f32", shape: ["T", "B", 2] },
  lengths: { dtype: "i32", shape: ["B"] },
  y: { dtype: "f32", shape: ["T", "B", 2] },
} as const;
const numbers = (shape: readonly number[], shift = 0): NdArray =>
  ndarray(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.fround(Math.sin(i + shift))),
  );

type Given = { readonly x: Float; readonly lengths: Tensor<"i32">; readonly y: Float };
/** An objective whose loss is small where its prediction is that of zeros. */
const predicting = (predict: (given: Given) => Float) =>
  objective("own", batch, (given) => add(mean(square(predict(given))), mul(mean(given.y), 0)), { predict });

/** Step t of rows [B, T, …]. */
const stepOf = ({ dtype, shape, data }: NdArray, t: number): NdArray => {
  const [rows = 0, steps = 0, width = 0] = shape;
  const parts = Array.from({ length: rows }, (_, row) => [
    ...data.slice((row * steps + t) * width, (row * steps + t + 1) * width),
  ]);
  return ndarray([rows, width], parts.flat(), dtype);
};
const transposed = (x: Float) => transpose(x, [1, 0, 2]);
const isAbove0 = (x: Float) => reshape(less(0, x), ["B"]);

const reader = gru(3);
const back = gru(3);
const outputsOf = (x: Float) => scan(reader, x).outputs;

describe("an objective that cannot run step by step is an error with the reason and the line", () => {
  test.each<[string, (given: Given) => Float, RegExp]>([
    [
      "a loop that runs backwards",
      ({ x }) => scan(reader, x, { reverse: true }).outputs,
      /the loop gru at … runs backwards through time, so that its first step needs the last one/,
    ],
    ["both directions", ({ x }) => bidirectional(reader, back).run(x).outputs, /the loop gru at … runs backwards/],
    ["a sum over time", ({ x }) => sum(outputsOf(x), 0), /sum at … goes over all steps of a sequence/],
    [
      "a mean over time",
      ({ x }) => mean(outputsOf(x), 0),
      /(sum|dimSize) at … (goes over all|counts the) steps of a sequence/,
    ],
    [
      "the last step by lengths",
      ({ x, lengths }) => lastOutput(outputsOf(x), lengths),
      /at … numbers the steps of a sequence/,
    ],
    [
      "a mask by lengths",
      ({ x, lengths }) => scan(reader, x, { mask: lengthsMask(lengths, "T") }).outputs,
      /numbers the steps/,
    ],
    [
      "the first step",
      ({ x }) => reshape(slice(outputsOf(x), 0, 0, 1), ["B", 3]),
      /slice at … selects some steps of a sequence/,
    ],
    [
      "what is known at the end, at every step",
      ({ x }) => add(outputsOf(x), broadcast(lastOutput(outputsOf(x)), ["T", "B", 3])),
      /broadcast at … reads at every step a value that is known only after the last one/,
    ],
    [
      "a loop that starts where another ends",
      ({ x }) => scan(back, x, { initial: scan(reader, x).state }).outputs,
      /the loop gru at … needs from its first step on a value that is known only after the last one/,
    ],
    [
      "a loop that reads the whole sequence at every step",
      ({ x }) =>
        recurrence(
          ({ h }, { x: now }) => ({ state: { h: add(h, mul(now, sum(x))) }, output: dense("head", h, 2) }),
          { h: fill(["B", 2], 0) },
          { x },
        ).outputs,
      /the loop .* at … reads a whole sequence at every step/,
    ],
  ])("%s", async (_, predict, why) => {
    const own = predicting(predict);
    const line = await lineOfPromise(() => createStream(interpreter, own, initialize(own.specs, 1)));
    expect(line).toMatch(/^createStream: it cannot run step by step, because /);
    expect(line).toMatch(why);
    expect(line).toMatch(/; use createPredictor on whole sequences$/);
    const model = savedModel(own, initialize(own.specs, 1));
    expect(lineOf(() => modelToOnnx(model, "step"))).toMatch(/^modelToOnnx: it cannot run step by step, because /);
    expect(lineOf(() => modelToWasm(model))).toMatch(/^modelToWasm: it cannot run step by step, because /);
    // Whole sequences are no trouble.
    const given = { x: numbers([4, 2, 2]), lengths: ndarray([2], [4, 2], "i32") };
    const read = Object.keys(own.prediction?.inputs ?? {});
    const inputs = Object.fromEntries(Object.entries(given).filter(([name]) => read.includes(name)));
    const file = await createPredictor(interpreter, decodeModel(encodeModel(model), "m"), initialize(own.specs, 1));
    expect((await file.predict({ inputs })).output.data.every(Number.isFinite)).toBe(true);
  });
});

describe("step by step", () => {
  test("several inputs, one of them for all steps, an integer state and one with a nonzero start", async () => {
    const own = objective(
      "speaker",
      {
        x: { dtype: "f32", shape: ["B", "T", 2] },
        topic: { dtype: "f32", shape: ["B", 3] },
        y: { dtype: "f32", shape: ["B", "T", 3] },
      },
      (given) => mean(square(sub(speak(given).y, given.y))),
      { predict: ({ x, topic }) => speak({ x, topic }) },
    );
    const model = decodeModel(encodeModel(savedModel(own, initialize(own.specs, 3))), "m");
    const given = { x: numbers([2, 5, 2]), topic: numbers([2, 3], 4) };
    const whole = await createPredictor(interpreter, model, model.parameters);
    expect(Object.keys(whole.inputs)).toEqual(["x", "topic"]);
    const { outputs } = await whole.predict({ inputs: given });
    expect(outputs.counted?.dtype).toBe("i32");
    const stream = await createStream(interpreter, own, model.parameters, { batch: 2 });
    // An own state leaves the stream's as it is, and starts where zeros do.
    const other = await stream.step({ ...given, x: stepOf(given.x, 0) }, stream.initialState());
    for (let t = 0; t < 5; t++) {
      const step = await stream.step({ ...given, x: stepOf(given.x, t) });
      expect(step.outputs).toEqual({
        y: stepOf(outputs.y as NdArray, t),
        counted: {
          ...(outputs.counted as NdArray),
          shape: [2],
          data: at([outputs.counted], 0)?.data.slice(2 * t, 2 * t + 2),
        },
      });
      if (t === 0) expect(step.outputs).toEqual(other.outputs);
    }
    expect(await lineOfPromise(() => stream.step(stepOf(given.x, 0)))).toBe(
      "x is one array; expected arrays by name: x, topic",
    );
    expect(await lineOfPromise(() => stream.step({ x: stepOf(given.x, 0) }))).toBe("topic is missing");
    expect(await lineOfPromise(() => stream.step({ ...given, x: stepOf(given.x, 0), y: given.x }))).toBe(
      "input y is not used; expected x, topic",
    );
    expect(await lineOfPromise(() => stream.step({ ...given, x: numbers([3, 2]) }))).toBe(
      "x is [3, 2]; expected 2 rows",
    );
    expect(lineOf(() => modelToWasm(model))).toBe(
      "modelToWasm: it reads x, topic and returns y, counted; a module has one input array and one output array: export the model as ONNX",
    );
  });

  function speak({ x, topic }: { readonly x: Float; readonly topic: Float }) {
    const sequence = transposed(x);
    const start = dense("start", topic, 3);
    const { outputs } = recurrence(
      ({ h, count }, { x: now }) => {
        const next = reader.step(now, { h });
        const heard = add(count, cast(isAbove0(slice(now, 1, 0, 1)), "i32"));
        return { state: { h: next.state.h, count: heard }, output: { y: add(next.output, topic), counted: heard } };
      },
      { h: start, count: fill(["B"], 2, "i32") },
      { x: sequence },
    );
    return { y: transposed(outputs.y), counted: outputs.counted };
  }
});

describe("predictions", () => {
  test("with other weights, and with batches without targets", async () => {
    const own = predicting(({ x }) => outputsOf(x));
    const [one, other] = [initialize(own.specs, 1), initialize(own.specs, 2)];
    const predictor = await createPredictor(interpreter, own, one);
    const x = numbers([3, 2, 2]);
    const { output } = await predictor.predict({ x });
    // What training reads may be there; what nothing knows may not.
    const { output: again } = await predictor.predict({ inputs: { x, y: x } });
    expect(again).toEqual(output);
    expect(await lineOfPromise(() => predictor.predict({ inputs: { x, z: x } }))).toBe(
      "the batch has an input z, which is not used; expected x",
    );
    expect(await lineOfPromise(() => predictor.predict({ inputs: { y: x } }))).toBe(
      "the batch has no x; it holds y, expected x",
    );
    expect(await lineOfPromise(() => predictor.predict({ x: numbers([0, 2, 2]) }))).toBe(
      "x is [0, 2, 2]; a batch needs at least one step and one row",
    );
    predictor.setParameters(other);
    expect((await predictor.predict({ x })).output).not.toEqual(output);
    predictor.destroy();
    expect(await lineOfPromise(() => predictor.predict({ x }))).toBe(
      "the predictor was destroyed; make another with createPredictor",
    );
  });

  test("invalid lengths are errors, as in training", async () => {
    const own = predicting(({ x, lengths }) => scan(reader, x, { mask: lengthsMask(lengths, "T") }).outputs);
    const predictor = await createPredictor(interpreter, own, initialize(own.specs, 1));
    const line = await lineOfPromise(() =>
      predictor.predict({ inputs: { x: numbers([3, 2, 2]), lengths: ndarray([2], [3, 7], "i32") } }),
    );
    expect(line).toBe("lengths holds 7 at row 1 (counted from 0); expected lengths, whole numbers from 0 to 3");
  });

  test.each<[string, ObjectiveOptions<typeof batch>["predict"], RegExp]>([
    [
      "parameters of its own",
      ({ x }) => dense("other", outputsOf(x), 2),
      /^objective "own": predict uses the parameter other\/kernel, which the loss does not train; it trains .*head\/kernel/,
    ],
    [
      "another shape",
      ({ x }) => dense("head", outputsOf(x), 3),
      /^objective "own": predict uses head\/kernel with shape \[3, 3\], the loss with \[3, 2\]; rename one of them$/,
    ],
    ["nothing", () => ({}), /^objective "own": predict returned nothing; return a tensor, or tensors by name$/],
    ["a number", () => 1 as never, /^objective "own": predict returned 1; return a tensor, or tensors by name$/],
    ["a number by name", () => ({ a: 1 as never }), /^objective "own": predict returned 1 as a; expected a tensor$/],
  ])("of %s are refused", (_, predict = () => ({}), fault) => {
    const loss = ({ x, y }: Given) => mean(square(sub(dense("head", outputsOf(x), 2), y)));
    expect(lineOf(() => objective("own", batch, loss, { predict }))).toMatch(fault);
  });
});

describe.each(devices)("$name", ({ open, tolerance }) => {
  let device: Device;
  beforeAll(async () => {
    device = await open();
  });
  afterAll(() => device.destroy());
  const near = (a: ArrayLike<number> | undefined, b: ArrayLike<number>) => {
    expect(a?.length).toBe(b.length);
    for (let i = 0; i < b.length; i++) expect(Math.abs((a?.[i] ?? Number.NaN) - (b[i] ?? 0))).toBeLessThan(tolerance);
  };

  test("trainer.predict equals a predictor with its weights, and training continues", async () => {
    const network = seriesModel({ cell: gru, units: 4, layers: 1, features: 2 });
    const trainer = await createTrainer(device, network, { learningRate: 0.1 });
    const both = { x: numbers([3, 2, 2]), targets: numbers([3, 2, 2], 1) };
    for (let step = 0; step < 3; step++) {
      const { output } = await trainer.predict(both);
      const predictor = await createPredictor(interpreter, network, await trainer.parameters());
      const expected = await predictor.predict({ x: both.x });
      expect(output.shape).toEqual([3, 2, 2]);
      near(output.data, expected.output.data);
      await trainer.step({ ...both, fresh: step === 0 });
    }
    trainer.destroy();
    expect(await lineOfPromise(() => trainer.predict(both))).toBe(
      "the trainer was destroyed; make another with createTrainer",
    );
  });

  test("trainer.gradients returns the gradient of a step: with its state, its random numbers, before clipping", async () => {
    const own = objective("noisy", { x: batch.x, y: batch.y }, ({ x, y }, random) =>
      mean(square(sub(dense("head", dropout(outputsOf(x), 0.5, random), 2), y))),
    );
    const network = seriesModel({ cell: gru, units: 4, layers: 1, features: 2 });
    for (const [trained, name] of [
      [own, "y"],
      [network, "targets"],
    ] as const) {
      const rate = 0.125;
      const trainer = await createTrainer<typeof own>(device, trained as typeof own, {
        ...{ optimizer: sgd(), learningRate: rate, seed: 5 },
      });
      for (let step = 0; step < 3; step++) {
        const inputs = { x: numbers([3, 2, 2], step), [name]: numbers([3, 2, 2], 1) } as Record<"x" | "y", NdArray>;
        const given = { inputs, fresh: step === 0 };
        const before = await trainer.parameters();
        const gradients = await trainer.gradients(given);
        const again = await trainer.gradients(given);
        expect(again).toEqual(gradients);
        await trainer.step(given);
        const after = await trainer.parameters();
        expect(Object.keys(gradients)).toEqual(Object.keys(before));
        for (const [path, { shape, data }] of Object.entries(gradients)) {
          expect(shape).toEqual(before[path]?.shape);
          near(
            data.map((value) => -rate * value),
            data.map((_, i) => (after[path]?.data[i] ?? 0) - (before[path]?.data[i] ?? 0)),
          );
        }
        expect(Object.values(gradients).some(({ data }) => data.some((value) => Math.abs(value) > 0.01))).toBe(true);
      }
      trainer.destroy();
    }
  });
});

describe("a file of an objective that is damaged", () => {
  const own = predicting(({ x }) => outputsOf(x));
  const bytes = encodeModel(savedModel(own, initialize(own.specs, 1), { columns: ["a", "b"] }));
  const having = (changes: Readonly<Record<string, string | undefined>>) => {
    const { tensors, metadata } = decodeTensors(bytes, "m");
    const all = Object.entries({ ...metadata, ...changes }).filter(([, value]) => value !== undefined);
    return encodeTensors({ tensors, metadata: Object.fromEntries(all) as Record<string, string> });
  };
  test.each<[string, Readonly<Record<string, string | undefined>>, string]>([
    [
      "no name",
      { name: undefined },
      "its name is missing or damaged; expected a printable name of at most 200 characters",
    ],
    ["no symbols", { symbols: undefined }, "its symbols is missing or damaged; expected a list of symbols such as B"],
    ["a symbol of nothing", { symbols: '["B","S","T"]' }, 'no input of its graph has an axis "S"'],
    [
      "symbols that are none",
      { symbols: '["b"]' },
      "its symbols is missing or damaged; expected a list of symbols such as B",
    ],
    [
      "an output too many",
      { outputs: '["output","other"]' },
      "the inputs and outputs of its graph are not those of a prediction",
    ],
    [
      "an output that is a state",
      { outputs: '["state/h"]' },
      "its outputs is missing or damaged; expected a list of different names",
    ],
    [
      "a network's kind",
      { kind: "series" },
      "its sizes is missing or damaged; expected units, layers and optionally embed",
    ],
    [
      "classes twice",
      { classes: '["a","a"]' },
      "its classes is missing or damaged; expected a list of different texts",
    ],
    [
      "normalisation of other columns",
      { normalisation: '{"mean":[0],"deviation":[1]}' },
      "its normalisation is missing or damaged; expected 2 means and deviations above 0",
    ],
  ])("%s", (_, changes, fault) => {
    expect(lineOf(() => decodeModel(having(changes), "own.safetensors"))).toBe(
      `own.safetensors is not a usable model: ${fault}`,
    );
  });
});

describe("class names", () => {
  const classes = ["no", "yes", "perhaps"];
  const logits = ndarray([2, 2, 3], [0, 1, 2, 3, 0, 0, 0, Math.log(3), 0, 1, 1, 1]);

  test("of the last step, of the step at which a sequence ends, and of a stream", () => {
    const [first, second] = classGuesses(logits, { classes });
    expect(first?.name).toBe("yes");
    expect(first?.probability).toBeCloseTo(0.6, 12);
    expect(Object.entries(first?.probabilities ?? {}).map(([name, p]) => [name, p.toFixed(12)])).toEqual([
      ["no", "0.200000000000"],
      ["yes", "0.600000000000"],
      ["perhaps", "0.200000000000"],
    ]);
    expect(second?.name).toBe("no");
    expect(classGuesses(logits, { classes, lengths: [1, 1] }).map(({ name }) => name)).toEqual(["perhaps", "no"]);
    expect(classGuesses(ndarray([1, 3], [0, 0, 9]), { classes })[0]?.name).toBe("perhaps");
  });

  test.each<[() => unknown, string]>([
    [
      () => classGuesses(logits, { classes: ["no"] }),
      "classGuesses: logits are [2, 2, 3] for 1 classes; expected [T, B, classes] or [B, classes]",
    ],
    [() => classGuesses(logits, { classes, lengths: [1] }), "classGuesses: got 1 lengths for 2 rows"],
    [
      () => classGuesses(logits, { classes, lengths: [1, 3] }),
      "classGuesses: length 3 of row 1; expected a whole number from 1 to 2",
    ],
    [
      () => classGuesses(ndarray([1, 3], [0, Number.NaN, 1]), { classes }),
      "classGuesses: a logit is not finite; check the weights",
    ],
  ])("refusal %#", (act, line) => expect(lineOf(act)).toBe(line));
});

test("an objective compiled ahead of time runs in steps", async () => {
  const own = objective(
    "own",
    { x: batch.x, y: batch.y },
    ({ x, y }) => mean(square(sub(dense("head", recurrent(reader, { initial: "learned" }).run(x).outputs, 2), y))),
    { predict: ({ x }) => dense("head", recurrent(reader, { initial: "learned" }).run(x).outputs, 2) },
  );
  const weights = Object.fromEntries(
    Object.entries(initialize(own.specs, 1)).map(([path, array]) => [path, numbers(array.shape, path.length)]),
  );
  const folder = new CompiledFolder();
  const load = await folder.add("own", modelToWasm(savedModel(own, weights), { name: "own" }));
  const module = await load();
  const stream = await createStream(interpreter, own, weights);
  for (let t = 0; t < 4; t++) {
    const x = numbers([1, 2], t);
    const { output } = await stream.step(x);
    const given = module.step([...x.data]);
    expect(Math.max(...output.data.map((value, i) => Math.abs(value - (given[i] ?? Number.NaN))))).toBeLessThan(1e-5);
  }
  folder.remove();
});

test("custom gradients are not part of predictions, files and streams", async () => {
  const rounded = customGradient(
    (z: Float) => round(z),
    (cotangent: Float) => [cotangent],
  );
  const codes = (x: Float) => rounded(mul(outputsOf(x), 3));
  const own = objective(
    "codes",
    { x: batch.x, y: batch.y },
    ({ x, y }) => mean(square(sub(mean(codes(x), -1), mean(y, -1)))),
    {
      predict: ({ x }) => codes(x),
    },
  );
  const weights = initialize(own.specs, 1);
  const bytes = encodeModel(savedModel(own, weights));
  expect(decodeTensors(bytes, "m").metadata.graph).not.toContain("customGradient");
  const model = decodeModel(bytes, "m");
  const x = numbers([3, 1, 2]);
  const predictor = await createPredictor(interpreter, model, model.parameters);
  const { output } = await predictor.predict({ x });
  const stream = await createStream(interpreter, own, model.parameters);
  for (let t = 0; t < 3; t++) {
    const step = await stream.step(ndarray([1, 2], [...x.data.slice(2 * t, 2 * t + 2)]));
    expect([...step.output.data]).toEqual([...output.data.slice(3 * t, 3 * t + 3)]);
  }
  expect(modelToOnnx(model, "step").length).toBeGreaterThan(0);
});

test.each(["parameters", "step", "key", "state/h"])(
  "an input called %s would be taken for one of the step's own",
  (name) => {
    const avals: Readonly<Record<string, Aval>> = { [name]: batch.x };
    expect(lineOf(() => objective("own", avals, () => mean(dense("h", fill(["B", 1], 1), 1))))).toBe(
      `objective "own": the input name ${name} is reserved for the training step; use another name`,
    );
  },
);

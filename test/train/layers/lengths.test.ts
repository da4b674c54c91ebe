/**
 * @file Sequences of different lengths, padded on the right: a padded batch equals its sequences run one by one, in values,
 * final states and gradients, and padding has no influence.
 */
import { describe, expect, test } from "vitest";
import { gru, lstm, rnn } from "../../../cells/index.ts";
import { lru } from "../../../cells/lru.ts";
import { qrnn } from "../../../cells/qrnn.ts";
import { slstm } from "../../../cells/slstm.ts";
import {
  bidirectional,
  fork,
  highway,
  inputDropout,
  type Layer,
  lastOutput,
  lengthsMask,
  maskedMean,
  outputDropout,
  randomness,
  recurrent,
  residual,
  stacked,
} from "../../../entries/layers.ts";
import {
  add,
  broadcast,
  cell,
  dense,
  div,
  embedding,
  fill,
  model,
  mul,
  type NdArray,
  scan,
  softmax,
  square,
  sub,
  sum,
  type Tensor,
  tanh,
} from "../../../index.ts";
import { generator, randomFloats } from "../../../testing/numbers/random-data.ts";
import { interpreter, smallTileCpuExecutors } from "../../support/cpu-executors.ts";
import { bool, evaluate, evaluateAll, f32, i32 } from "../../support/evaluate.ts";
import { type Arrays, type Measured, type Run, runModel, type Tensors } from "../../support/models.ts";
import { fewOf } from "../../support/some-of.ts";
import { difference } from "../devices.ts";

type Float = Tensor<"f32">;

const [time, features] = [5, 3];
const lengths = [5, 2, 4];
const xs = randomFloats(generator(3), [time, lengths.length, features]);

/** The sum of the squares of all outputs that exist and of all final states, so that everything gets a gradient. */
const measured =
  (layer: Layer, isPadded: boolean): Measured =>
  (inputs: Tensors) => {
    const sequence = inputs.xs as Float;
    const mask = isPadded ? lengthsMask(inputs.lengths as Tensor<"i32">, sequence.shape[0] ?? 0) : undefined;
    const { outputs, state } = layer.run(sequence, { mask });
    const loss = Object.values(state).reduce((total, h) => add(total, sum(square(h))), sum(square(outputs)));
    return { loss, outputs, ...Object.fromEntries(Object.entries(state).map(([name, h]) => [`state ${name}`, h])) };
  };

/** Row `row` of [time, batch, width], its first `steps` steps. */
function sequenceOf({ data, shape }: NdArray, row: number, steps: number): NdArray {
  const [, batch = 0, width = 0] = shape;
  const parts = Array.from({ length: steps }, (_, t) => {
    const start = (t * batch + row) * width;
    return [...data.subarray(start, start + width)];
  });
  return f32(parts.map((part) => [part]));
}

/** The padded run is what the runs one by one come to. */
function expectSame(padded: Run, alone: readonly Run[], tolerance: number): void {
  const { outputs, gradients } = padded;
  for (const [row, run] of alone.entries()) {
    const steps = lengths[row] ?? 0;
    const own = sequenceOf(outputs.outputs as NdArray, row, time).data;
    const expected = run.outputs.outputs?.data ?? new Float64Array();
    expect(difference(own.subarray(0, expected.length), expected)).toBeLessThan(tolerance);
    expect(own.subarray(expected.length).every((value) => value === 0)).toBe(true);
    for (const [name, { data, shape }] of Object.entries(run.outputs).filter(([key]) => key.startsWith("state "))) {
      const width = shape[1] ?? 0;
      const state = outputs[name]?.data.subarray(row * width, (row + 1) * width) ?? [];
      expect(difference(state, data), name).toBeLessThan(tolerance);
    }
    const slope = sequenceOf(gradients.xs as NdArray, row, time).data;
    expect(difference(slope.subarray(0, steps * features), run.gradients.xs?.data ?? [])).toBeLessThan(tolerance);
    expect(slope.subarray(steps * features).every((value) => value === 0)).toBe(true);
  }
  for (const [path, { data }] of Object.entries(gradients).filter(([name]) => name !== "xs")) {
    const sums = data.map((_, i) => alone.reduce((total, run) => total + (run.gradients[path]?.data[i] ?? 0), 0));
    expect(Math.max(...sums.map(Math.abs)), path).toBeGreaterThan(1e-3);
    expect(difference(data, sums), path).toBeLessThan(tolerance);
  }
}

/** h' = tanh(h + 1 / x). */
const reciprocal = cell("reciprocal", { state: ({ units }) => ({ h: [units] }) }, ({ x, h }) => {
  const next = tanh(add(h, div(1, x)));
  return { state: { h: next }, output: next };
});

const layers: readonly (readonly [string, () => Layer])[] = [
  ["forwards", () => recurrent(lstm(4))],
  ["backwards", () => recurrent(gru(4), { reverse: true })],
  ["from a learned state", () => recurrent(gru(4), { initial: "learned" })],
  [
    "both ways, on top of another layer that starts as it learned",
    () => stacked([recurrent(rnn(3), { initial: "learned" }), bidirectional(gru(2), rnn(2))]),
  ],
];
const oneByOne = (layer: Layer) =>
  Promise.all(lengths.map((steps, row) => runModel(measured(layer, false), { xs: sequenceOf(xs, row, steps) })));
const inputs = { xs, lengths: i32([...lengths]) };
const shapes = { xs: ["T", "B", features], lengths: ["B"] };

test.each(layers)("a padded batch is its sequences run one by one: %s", async (_, make) => {
  const layer = make();
  expectSame(await runModel(measured(layer, true), inputs, { shapes }), await oneByOne(layer), 1e-10);
});

describe.each(smallTileCpuExecutors)("on $name", (executor) => {
  test("a padded batch equals its sequences run one by one", async () => {
    const layer = layers.at(-1)?.[1]() as Layer;
    const padded = await runModel(measured(layer, true), inputs, { shapes, executor });
    expectSame(padded, await oneByOne(layer), executor.tolerance);
  });
});

/** The layer with a head, and a loss that asks only where steps exist. */
const headed =
  (layer: Layer): Measured =>
  (inputs: Tensors) => {
    const sequence = inputs.tokens === undefined ? (inputs.xs as Float) : embedded(inputs.tokens as Tensor<"i32">);
    const mask = lengthsMask(inputs.lengths as Tensor<"i32">, sequence.shape[0] ?? 0);
    const { outputs, state } = layer.run(sequence, { mask, random: randomness(7) });
    const ends = Object.values(state).map((value) => sum(square(value)));
    return { loss: ends.reduce(add, maskedMean(square(dense("head", outputs, 2)), mask)), outputs, ...state };
  };
const embedded = (tokens: Tensor<"i32">) => embedding("embedding", tokens, 4, features);

/** The array with other numbers past the ends. */
function padded(array: NdArray, numbers: readonly number[]): NdArray {
  const width = array.data.length / (time * lengths.length);
  const isPast = (i: number) => Math.floor(i / width / lengths.length) >= (lengths[Math.floor(i / width) % 3] ?? 0);
  return { ...array, data: array.data.map((x, i) => (isPast(i) ? (numbers[i % numbers.length] ?? 0) : x)) };
}

describe("padding changes nothing", () => {
  const { NaN: none, POSITIVE_INFINITY: infinity } = Number;
  const paddings = [[none], [3e38, infinity, -3e38, -infinity]];
  const made: readonly (readonly [string, () => Layer])[] = [
    ...layers,
    [
      "around which its input goes",
      () => stacked([residual(recurrent(gru(features))), highway(recurrent(rnn(features)))]),
    ],
    [
      "with dropout of every kind",
      () =>
        outputDropout(
          inputDropout(recurrent(lstm(4), { zoneout: 0.2, recurrentDropout: 0.3, each: "step" }), 0.3, {
            each: "step",
          }),
          0.2,
        ),
    ],
    ["that is linear", () => recurrent(lru()(4))],
    ["that reads several steps", () => recurrent(qrnn({ width: 3 })(4))],
    ["with exponential gates", () => recurrent(slstm()(3))],
    // It divides by what it reads, which is 0 where there is no step.
    ["whose step is not defined there", () => recurrent(reciprocal(features))],
    ["both ways, multiplied", () => bidirectional(gru(2), lstm(2), { merge: "product" })],
  ];

  test.each(made)("a layer: %s", async (_, make) => {
    const layer = make();
    const expected = await runModel(headed(layer), inputs, { shapes });
    expect(Object.values(expected.gradients).every(({ data }) => data.every(Number.isFinite))).toBe(true);
    for (const numbers of paddings)
      expect(await runModel(headed(layer), { ...inputs, xs: padded(xs, numbers) }, { shapes })).toEqual(expected);
  });

  const tokens = i32(Array.from({ length: time }, (_, t) => lengths.map((_, row) => (t * 2 + row) % 4)));
  fewOf([interpreter, ...smallTileCpuExecutors], (executor) => executor === interpreter)(
    "numbers and tokens that there are not: $name",
    async (executor) => {
      const layer = stacked([residual(recurrent(gru(features))), recurrent(lstm(2), { reverse: true })]);
      const run = (given: Arrays) => runModel(headed(layer), given, { executor });
      expect(await run({ ...inputs, xs: padded(xs, [none, infinity]) })).toEqual(await run(inputs));
      const { lengths: ends } = inputs;
      const odd = padded(tokens, [-1, 4, 2 ** 31 - 1, -(2 ** 31)]);
      expect(await run({ lengths: ends, tokens: odd })).toEqual(await run({ lengths: ends, tokens }));
    },
  );
});

test("the mask of some lengths", () => {
  expect(evaluate((given: Tensor<"i32">) => lengthsMask(given, 3), [i32([3, 1])])).toEqual(
    bool([
      [1, 1],
      [1, 0],
      [1, 0],
    ]),
  );
  expect(() => evaluate((given: Tensor<"i32">) => lengthsMask(given, 3), [i32([[3]])])).toThrow(
    /^lengthsMask at .*: lengths are \[1, 1\]; expected \[batch\]$/,
  );
});

test("the mean over the existing steps, for values with and without further axes", () => {
  const mask = bool([
    [1, 1],
    [1, 0],
  ]);
  const wide = f32([
    [
      [1, 2],
      [3, 4],
    ],
    [
      [5, 9],
      [Number.POSITIVE_INFINITY, Number.NaN],
    ],
  ]);
  const narrow = f32([
    [1, 2],
    [6, Number.NaN],
  ]);
  expect([...evaluate(maskedMean as never, [wide, mask]).data]).toEqual([4]);
  expect([...evaluate(maskedMean as never, [narrow, mask]).data]).toEqual([3]);
  const nothing = evaluate((values: Float) => maskedMean(values, fill([2, 2], 0, "bool")), [narrow]);
  expect([...nothing.data]).toEqual([0]);
  expect(() => evaluate(maskedMean as never, [f32([1, 2]), mask])).toThrow(
    /expected the axes of the mask first in the values$/,
  );
});

test("the output at the last step of each sequence", async () => {
  const outputs = f32([
    [[1], [10]],
    [[2], [20]],
    [[3], [30]],
  ]);
  const f = (values: Float, ends: Tensor<"i32">) => [lastOutput(values, ends), lastOutput(values)];
  expect(evaluateAll(f as never, [outputs, i32([3, 1])]).map(({ data }) => [...data])).toEqual([
    [3, 10],
    [3, 30],
  ]);
  const { gradients } = await runModel(
    ({ values, ends }) => ({ loss: sum(square(lastOutput(values as Float, ends as Tensor<"i32">))) }),
    { values: outputs, ends: i32([3, 1]) },
    { shapes: { values: ["T", "B", 1], ends: ["B"] } },
  );
  expect([...(gradients.values?.data ?? [])]).toEqual([0, 20, 0, 0, 6, 0]);
});

const merges = {
  concat: "concat",
  sum: "sum",
  mean: "mean",
  product: "product",
  "one's own": (a: Float, b: Float) => sub(mul(a, 2), b),
} as const;

/** lastOutput of a layer on sequences of these lengths, beside its final states: [rows, width] each. */
async function comesTo(layer: Layer, each: readonly number[] | undefined) {
  const { outputs } = await runModel(
    (inputs) => {
      const sequence = inputs.xs as Float;
      const ends = each === undefined ? undefined : (inputs.lengths as Tensor<"i32">);
      const mask = ends && lengthsMask(ends, sequence.shape[0] ?? 0);
      const { outputs: all, state } = layer.run(sequence, { mask });
      return { loss: sum(all), last: lastOutput(all, ends), ...state };
    },
    { xs: randomFloats(generator(3), [time, 3, features]), lengths: i32(each ?? [5, 5, 5]) },
    { shapes: { xs: ["T", "B", features], lengths: ["B"] } },
  );
  return (name: string) => [...(outputs[name]?.data ?? [])];
}

test.each([undefined, [5, 2, 0]])(
  "what a sequence comes to is what each direction has in the end, of lengths %j",
  async (each) => {
    for (const reverse of [false, true]) {
      const found = await comesTo(recurrent(gru(2), { reverse }), each);
      expect(found("last")).toEqual(found("h"));
    }
    for (const [name, merge] of Object.entries(merges)) {
      const found = await comesTo(stacked([recurrent(gru(3)), bidirectional(gru(2), gru(2), { merge })]), each);
      const [forward, backward] = [found("layers/1/forward/h"), found("layers/1/backward/h")];
      const expected = forward.map((f, i) => {
        const b = backward[i] ?? Number.NaN;
        return { sum: f + b, mean: (f + b) / 2, product: f * b, "one's own": 2 * f - b, concat: f }[name];
      });
      const last = found("last");
      const halves = [0, 1, 2].flatMap((row) =>
        [forward, backward].flatMap((half) => half.slice(2 * row, 2 * row + 2)),
      );
      const wanted = name === "concat" ? halves : expected;
      expect(difference(last, wanted as number[]), name).toBeLessThan(1e-12);
    }
    // One direction of the two, by a merge that takes one.
    const one = await comesTo(bidirectional(gru(2), gru(2), { merge: (_, backward) => backward }), each);
    expect(one("last")).toEqual(one("backward/h"));
  },
);

test("a length above the time ends with the last step, and for length 0 the last output is 0", () => {
  const outputs = f32([
    [[1], [10]],
    [[2], [20]],
  ]);
  const f = (values: Float, ends: Tensor<"i32">) => lastOutput(values, ends);
  expect([...evaluate(f as never, [outputs, i32([5, 0])]).data]).toEqual([2, 0]);
});

const both = bidirectional(gru(2), gru(2));
const gradual: Readonly<Record<string, (xs: Float) => Float>> = {
  "a head over all steps": (xs) => dense("head", both.run(xs).outputs, 3),
  dropout: (xs) => outputDropout(both, 0.5).run(xs, { random: fork(randomness(fill([], 3, "u32")), "a") }).outputs,
  "a residual connection": (xs) => residual(bidirectional(gru(2), gru(1))).run(xs).outputs,
  arithmetic: (xs) => tanh(mul(recurrent(gru(2), { reverse: true }).run(xs).outputs, 2)),
  "a softmax over units": (xs) => softmax(scan(gru(2), xs, { reverse: true }).outputs),
};

test.each(Object.entries(gradual))(
  "the last step after %s has seen one step of the backward layer: an error with the right call",
  (_, f) => {
    expect(() => model("last", (xs: Float) => lastOutput(f(xs))).specs({ dtype: "f32", shape: ["T", "B", 3] })).toThrow(
      /^lastOutput at .*: at the last step, a layer that runs from the last step to the first has seen only that step; apply lastOutput to that layer's own outputs \(for bidirectional it is the last of each direction\), and compute with the result$/,
    );
  },
);

test("a forward layer or a sum over time has seen all steps of a backward one", () => {
  const fine: readonly ((xs: Float) => Float)[] = [
    (xs) => stacked([both, recurrent(gru(2))]).run(xs).outputs,
    (xs) => {
      const { outputs } = both.run(xs);
      const all = sum(outputs, 0);
      return add(recurrent(gru(4)).run(outputs).outputs, broadcast(all, outputs.shape));
    },
  ];
  // As many rows as steps, so that axes cannot be told by their sizes.
  for (const f of fine) {
    const last = model("last", (xs: Float) => lastOutput(f(xs)));
    expect(last.specs({ dtype: "f32", shape: [3, 3, 3] }).length).toBeGreaterThan(0);
  }
});

test("lengths without a mask are an error for a backward layer: it has read the padding", () => {
  const last = model("last", (xs: Float, ends: Tensor<"i32">) => lastOutput(both.run(xs).outputs, ends));
  expect(() => last.specs({ dtype: "f32", shape: ["T", "B", 3] }, { dtype: "i32", shape: ["B"] })).toThrow(
    /it has read the padding; run it with \{ mask: lengthsMask\(lengths, time\) \}$/,
  );
});

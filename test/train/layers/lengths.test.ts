/**
 * @file Sequences of different lengths, padded on the right: a padded batch is its sequences run one by one, in values,
 * final states and gradients, and what lies past an end has no influence at all.
 */
import { describe, expect, test } from "vitest";
import { gru, lstm, rnn } from "../../../cells/index.ts";
import {
  bidirectional,
  type Layer,
  lastOutput,
  lengthsMask,
  maskedMean,
  recurrent,
  stacked,
} from "../../../entries/layers.ts";
import { add, fill, type NdArray, square, sum, type Tensor } from "../../../index.ts";
import { generator, randomFloats } from "../../../testing/numbers/random-data.ts";
import { bool, evaluate, evaluateAll, f32, i32 } from "../../support/evaluate.ts";
import { smallTileExecutors } from "../../support/executors.ts";
import { type Measured, type Run, runModel, type Tensors } from "../../support/models.ts";
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

describe.each(smallTileExecutors)("on $name", (executor) => {
  test("a padded batch is its sequences run one by one", async () => {
    const layer = layers.at(-1)?.[1]() as Layer;
    const padded = await runModel(measured(layer, true), inputs, { shapes, executor });
    expectSame(padded, await oneByOne(layer), executor.tolerance);
  });
});

test("what lies past an end changes nothing, whatever it is", async () => {
  const layer = layers.at(-1)?.[1]() as Layer;
  const isPast = (i: number) => {
    const [t, row] = [Math.floor(i / (lengths.length * features)), Math.floor(i / features) % lengths.length];
    return t >= (lengths[row] ?? 0);
  };
  const other = { ...xs, data: xs.data.map((x, i) => (isPast(i) ? 1e30 : x)) };
  expect(other.data).not.toEqual(xs.data);
  const [one, two] = [
    await runModel(measured(layer, true), inputs, { shapes }),
    await runModel(measured(layer, true), { ...inputs, xs: other }, { shapes }),
  ];
  expect(two).toEqual(one);
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

test("the mean over the steps that exist, for values with and without further axes", () => {
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
    /expected values to start as the mask does$/,
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

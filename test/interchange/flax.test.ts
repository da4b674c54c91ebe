/** @file Weights of Flax: every kind of cell computes what Flax documents for it; names, orders and faults. */
import { expect, test } from "vitest";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { createStream } from "../../entries/stream.ts";
import { fromFlax, modelFrom, type NetworkWeights } from "../../entries/weights.ts";
import { openInterpreter } from "../../index.ts";
import { stackColumns, stackRows } from "../../interchange/matrices.ts";
import { generator, randomFloats } from "../../testing/numbers/random-data.ts";
import type { Arrays } from "./imported-stack.ts";

const [width, units, outputs] = [3, 4, 2];
const random = generator(17);
const f32 = (...shape: number[]): NdArray => {
  const array = randomFloats(random, shape);
  return { ...array, data: array.data.map(Math.fround) };
};
const sigmoid = (value: number) => 1 / (1 + Math.exp(-value));

/** x·W + b */
function dense(x: readonly number[], kernel: NdArray | undefined, bias?: NdArray): number[] {
  const [, n = 0] = kernel?.shape ?? [];
  return Array.from({ length: n }, (_, j) =>
    x.reduce((sum, value, i) => sum + value * (kernel?.data[i * n + j] ?? Number.NaN), bias?.data[j] ?? 0),
  );
}

/** Gate by gate, as Linen names them; `biased` are the modules with a bias. */
function linen(letters: string, biased: readonly string[], input = width): Record<string, NdArray> {
  const parts = letters === "" ? [""] : [...letters];
  return Object.fromEntries(
    parts.flatMap((letter) =>
      [`i${letter}`, `h${letter}`].flatMap((part) => [
        [`${part}/kernel`, f32(part.startsWith("i") ? input : units, units)] as const,
        ...(biased.includes(part) ? [[`${part}/bias`, f32(units)] as const] : []),
      ]),
    ),
  );
}

const lstm = linen("ifgo", ["hi", "hf", "hg", "ho"]);
const gru = linen("rzn", ["ir", "iz", "in", "hn"]);
const simple = linen("", ["i"]);

/** The gates side by side, as NNX stores them; it has one bias, of all gates together. */
function stacked(of: Arrays, letters: string, biased: "i" | "h"): Record<string, NdArray> {
  const all = (part: string, kind: string) => [...letters].map((letter) => of[`${part}${letter}/${kind}`] as NdArray);
  return {
    "dense_i.kernel": stackColumns(all("i", "kernel")),
    "dense_h.kernel": stackColumns(all("h", "kernel")),
    [`dense_${biased}.bias`]: stackRows(all(biased, "bias")),
  };
}

interface State {
  readonly c: readonly number[];
  readonly h: readonly number[];
}

/** The equations of Flax's documentation. */
const steps: Readonly<Record<string, (w: Arrays, x: readonly number[], state: State) => State>> = {
  lstm: (w, x, { c, h }) => {
    const gate = (letter: string) => {
      const ofX = dense(x, w[`i${letter}/kernel`], w[`i${letter}/bias`]);
      return dense(h, w[`h${letter}/kernel`], w[`h${letter}/bias`]).map((value, i) => value + (ofX[i] ?? 0));
    };
    const [i, f, g, o] = [
      gate("i").map(sigmoid),
      gate("f").map(sigmoid),
      gate("g").map(Math.tanh),
      gate("o").map(sigmoid),
    ];
    const next = c.map((value, k) => (f?.[k] ?? 0) * value + (i?.[k] ?? 0) * (g?.[k] ?? 0));
    return { c: next, h: next.map((value, k) => (o?.[k] ?? 0) * Math.tanh(value)) };
  },
  gru: (w, x, { c, h }) => {
    const part = (name: string, of: readonly number[]) => dense(of, w[`${name}/kernel`], w[`${name}/bias`]);
    const sum = (letter: string) => part(`i${letter}`, x).map((value, k) => value + (part(`h${letter}`, h)[k] ?? 0));
    const [r, z, ofH] = [sum("r").map(sigmoid), sum("z").map(sigmoid), part("hn", h)];
    const n = part("in", x).map((value, k) => Math.tanh(value + (r[k] ?? 0) * (ofH[k] ?? 0)));
    return { c, h: h.map((value, k) => (1 - (z[k] ?? 0)) * (n[k] ?? 0) + (z[k] ?? 0) * value) };
  },
  simple: (w, x, { c, h }) => {
    const ofH = dense(h, w["h/kernel"], w["h/bias"]);
    return { c, h: dense(x, w["i/kernel"], w["i/bias"]).map((value, k) => Math.tanh(value + (ofH[k] ?? 0))) };
  },
};

const head = { "Dense_0/kernel": f32(units, outputs), "Dense_0/bias": f32(outputs) };
const within = (path: string, tensors: Arrays) =>
  Object.fromEntries(Object.entries(tensors).map(([name, array]) => [`${path}${name}`, array]));
const without = (tensors: Arrays, ...names: string[]) =>
  Object.fromEntries(Object.entries(tensors).filter(([name]) => !names.includes(name)));

async function outputsOf(weights: NetworkWeights, xs: readonly NdArray[]): Promise<number[][]> {
  const model = modelFrom(weights, { columns: ["a", "b", "c"], targets: ["y", "z"] });
  const device = openInterpreter();
  const stream = await createStream(device, model, model.parameters);
  const found: number[][] = [];
  for (const x of xs) found.push([...(await stream.step(x)).output.data]);
  stream.destroy();
  device.destroy();
  return found;
}

test.each<[title: string, file: Arrays, step: string, equal: Arrays, cell: string]>([
  ["LSTMCell, OptimizedLSTMCell", within("params/LSTMCell_0/", lstm), "lstm", lstm, "lstm"],
  ["GRUCell", within("params/rnn/cell/", gru), "gru", gru, "gru-reset-after"],
  ["SimpleCell", within("", simple), "simple", simple, "rnn"],
  ["LSTM of NNX, stacked", within("rnn.cell.", stacked(lstm, "ifgo", "h")), "lstm", lstm, "lstm"],
  [
    "GRU of NNX, stacked",
    within("rnn.cell.", stacked(gru, "rzn", "i")),
    "gru",
    without(gru, "hn/bias"),
    "gru-reset-after",
  ],
  [
    "LSTM of NNX, by gate",
    Object.fromEntries(
      Object.entries(lstm).map(([name, array]) => [
        `lstm.${name.replace("if/", "if_/").replaceAll("/", ".")}.value`,
        array,
      ]),
    ),
    "lstm",
    lstm,
    "lstm",
  ],
])("%s", async (_title, file, step, equal, cell) => {
  const weights = fromFlax({ ...file, ...head }, "weights", { head: "Dense_0" });
  expect(weights).toMatchObject({ cell, units, features: width });
  const xs = [f32(1, width), f32(1, width), f32(1, width)];
  let state: State = { c: new Array(units).fill(0), h: new Array(units).fill(0) };
  const expected = xs.map(({ data }) => {
    state = (steps[step] as (typeof steps)[string])(equal, [...data], state);
    return dense(state.h, head["Dense_0/kernel"], head["Dense_0/bias"]);
  });
  const found = await outputsOf(weights, xs);
  for (const [t, values] of found.entries())
    for (const [k, value] of values.entries()) expect(value).toBeCloseTo(expected[t]?.[k] ?? Number.NaN, 6);
});

const second = linen("ifgo", ["hi", "hf", "hg", "ho"], units);

test("layers are in the order of their numbers; an embedding and a head are found", () => {
  const table = f32(5, width);
  const tensors = {
    ...within("params/LSTMCell_10/", second),
    ...within("params/LSTMCell_9/", lstm),
    ...within("params/", head),
    "params/Embed_0/embedding": table,
  };
  const weights = fromFlax(tensors, "weights");
  expect(weights.layers.map(({ forward }) => forward.input?.input.shape[0])).toEqual([width, units]);
  expect(weights.embedding).toBe(table);
  expect(weights.head?.kernel).toBe(head["Dense_0/kernel"]);
  expect(weights.assumed).toEqual([
    "the layers are ordered by their numbers: LSTMCell_9, LSTMCell_10; set another order with the option layers",
    "Embed_0 is assumed to be the embedding and Dense_0 is assumed to be the head, because nothing else fits; set others with the options embedding and head",
  ]);
});

test.each<[message: string, tensors: Arrays, options?: Parameters<typeof fromFlax>[2]]>([
  [
    "w: it has no hi/kernel, hr/kernel, dense_h/kernel or h/kernel, so these are not weights of a Flax LSTMCell, GRUCell or SimpleCell",
    head,
  ],
  ['w: tensor "a/if/kernel" is missing: a needs it', within("a/", without(lstm, "if/kernel"))],
  ['w: tensor "in/bias" is [3]; expected [4]', { ...gru, "in/bias": f32(3) }],
  ['w: tensor "ho/kernel" is [4, 3]; expected [4, 4]', { ...lstm, "ho/kernel": f32(4, 3) }],
  [
    'w: tensor "dense_h/kernel" is [4, 20]; expected [units, units] of a SimpleCell, or 3 (GRU) or 4 (LSTM) times as many columns',
    { dense_h: f32(1), "dense_h/kernel": f32(4, 20) },
  ],
  [
    "w: a is of cell lstm and b of gru-reset-after; all must be of one",
    { ...within("a/", lstm), ...within("b/", linen("rzn", [], units)) },
  ],
  ["w: its cells have the weights of lstm, not of gru", lstm, { cell: "gru" }],
  [
    'w: tensor "x/scale" belongs to no layer: name the embedding and the head, and remove other modules from the file',
    { ...lstm, "x/scale": f32(4) },
  ],
])("%s", (message, tensors, options) => {
  expect(() => fromFlax(tensors, "w", options)).toThrow(message);
});

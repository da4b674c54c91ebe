/**
 * @file The programs whose kernels are kept as golden text: a training step of every cell of the zoo in every schedule and
 * for every kind of device, some of them under tunings, what these do not reach, and every op by itself.
 */

import { at } from "../../compiler/graph/errors.ts";
import type { Graph } from "../../compiler/graph/graph.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import type { LowerOptions } from "../../compiler/plan/lowering.ts";
import { lengthsMask, maskedMean } from "../../entries/layers.ts";
import { languageModel } from "../../entries/networks.ts";
import type { CellDefinition, Dim, NamedAval, Tensor, TrainerOptions } from "../../index.ts";
import * as cg from "../../index.ts";
import { arrayCases } from "../support/array-cases.ts";
import { elementwiseCases } from "../support/elementwise-cases.ts";
import type { OpCase, TensorFunction } from "../support/evaluate.ts";
import { forms } from "../zoo/forms.ts";

type Float = Tensor<"f32">;

/** Graphs and the ways in which they are compiled, by name: each of them together is a program. */
export interface GoldenGraph {
  readonly name: string;
  readonly trace: () => Pick<cg.StepGraph, "graph"> & Partial<cg.StepGraph>;
  readonly ways: Readonly<Record<string, LowerOptions>>;
}

/** Without registers for weights, so that loops run in the next schedule. */
const withoutRegisters = { total: 0, most: 0, reserved: 0 };

const targets = {
  gpu: { target: "gpu", registers: withoutRegisters },
  software: { target: "software" },
  "software 4": { target: "software", subgroupSize: 4 },
} as const;

const tunings = {
  "1 term": { termsPerTurn: 1 },
  "4 terms": { termsPerTurn: 4 },
  "tiles of 1 row": { tileRows: 1 },
  "tiles of 8 rows": { tileRows: 8 },
  "4 rows together": { persistentRows: 4, persistentColumns: 2 },
  "no blocks": { workgroupTiles: false },
} as const;

function onTargets(word: string, options: LowerOptions): Readonly<Record<string, LowerOptions>> {
  const all = Object.entries(targets).map(([name, target]) => [`${word}, ${name}`, { ...target, ...options }] as const);
  return Object.fromEntries(all);
}

/** Where all loops of a graph can run persistently, they do in "auto". */
const standard = { ...onTargets("auto", {}), ...onTargets("stepwise", { schedule: "stepwise" }) };

/** Weights that stay in registers, with sums through workgroup memory, and in subgroups of four lanes if these suffice. */
const resident = {
  "resident, gpu": { target: "gpu" },
  "resident, gpu 4": { target: "gpu", neighbours: 4 },
} as const satisfies Readonly<Record<string, LowerOptions>>;

const tuned = Object.fromEntries(
  Object.entries(tunings).flatMap(([name, tuning]) =>
    Object.entries(standard).map(([way, options]) => [`${way}, ${name}`, { ...options, tuning }] as const),
  ),
);

/** Choices that no target or tuning makes. */
const limited = {
  ...onTargets("chunks of 2", { chunkSteps: 2 }),
  ...onTargets("4 buffers", { maxStorageBuffers: 4 }),
  ...onTargets("1 row", { maxRows: 1 }),
};

const everything = { ...standard, ...tuned, ...limited };

const f32 = (name: string, ...shape: Dim[]): NamedAval => ({ name, dtype: "f32", shape });
const i32 = (name: string, ...shape: Dim[]): NamedAval => ({ name, dtype: "i32", shape });

/** A graph of functions of f32 tensors, and of their gradients where `of` says which inputs have one. */
function graphOf(inputs: readonly NamedAval[], f: (...tensors: Float[]) => readonly Tensor[]) {
  return () => ({ graph: cg.traceGraph("golden", inputs, (tensors) => f(...(tensors as Float[]))) });
}

/** The value of a function, which is made a scalar, and its gradient with respect to all. */
const withGradient = (f: (...tensors: Float[]) => Float, ...tensors: Float[]): Tensor[] => {
  const { value, grad } = cg.valueAndGrad((args: Float[]) => cg.sum(cg.square(f(...args))))(tensors);
  return [value, ...grad];
};

type Text = Omit<Parameters<typeof languageModel>[0], "layers" | "vocabulary" | "cell"> &
  Partial<Parameters<typeof languageModel>[0]> & { readonly cell: CellDefinition };

/** A training step of a language model. */
function textStep(network: Text, options: Partial<TrainerOptions> = {}) {
  return () =>
    cg.trainingStep(languageModel({ layers: 1, vocabulary: 5, ...network }), { optimizer: cg.sgd(), ...options });
}

const zoo = [...forms].map(
  ([name, { cell, units, features }]): GoldenGraph => ({
    name,
    trace: textStep({ cell, units, embed: features }),
    ways: { ...standard, ...resident },
  }),
);

const lstm = cg.cells.lstm as CellDefinition;
const gru = cg.cells.gru as CellDefinition;

const trainingSteps: readonly GoldenGraph[] = [
  {
    name: "lstm of 32 units",
    trace: textStep({ cell: lstm, units: 32, embed: 12, vocabulary: 37 }, { optimizer: cg.adam(), clipNorm: 1 }),
    ways: { ...everything, ...resident },
  },
  {
    name: "2 layers of 16 gru units with dropout, a table of 300 rows",
    trace: textStep(
      { cell: gru, units: 16, embed: 8, layers: 2, vocabulary: 300, dropout: 0.3, recurrentDropout: { h: 0.2 } },
      { optimizer: cg.adam(), clipValue: 1, accumulate: 2 },
    ),
    ways: { ...standard, ...limited, ...resident },
  },
  {
    name: "a table of 1100 rows, zoneout, residual layers",
    trace: textStep({
      ...{ cell: gru, units: 16, embed: 16, layers: 2, vocabulary: 1100 },
      ...{ zoneout: { h: 0.1 }, connection: "residual" },
    }),
    ways: { ...standard, ...resident },
  },
  {
    name: "more weights than auto takes persistently",
    trace: textStep({ cell: lstm, units: 520, embed: 16 }),
    ways: { ...standard, ...onTargets("persistent", { schedule: "persistent" }) },
  },
];

/** A loop whose rows meet, around another one, and beside it one of a known length. */
function nested(time: Dim) {
  return graphOf([f32("x", time, "B", 3), f32("h", "B", 3), f32("k", 4, "B", 3)], (x, h, k) =>
    withGradient(
      (h, k) => {
        const { carries, ys } = cg.scanTensors(
          ([c], [row]) => {
            const inner = cg.scanTensors(
              ([d], [e]) => ({ carries: [cg.sin(cg.add(d as Float, e as Float))], ys: [] }),
              [cg.add(c as Float, row as Float)],
              [k],
            );
            const [d] = inner.carries as readonly Float[];
            const mixed = cg.broadcast(cg.sum(d as Float, 0), ["B", 3]);
            return { carries: [cg.tanh(cg.add(d as Float, mixed))], ys: [d as Float] };
          },
          [h],
          [x],
        );
        return cg.add(cg.sum(at(carries, 0) as Float), cg.sum(at(ys, 0) as Float));
      },
      h,
      k,
    ),
  );
}

const loops: readonly GoldenGraph[] = [
  { name: "a loop in a loop", trace: nested("T"), ways: standard },
  { name: "a loop in a loop of 2 steps", trace: nested(2), ways: standard },
  { name: "a loop in a loop of no steps", trace: nested(0), ways: standard },
  {
    name: "states that change places, of several dtypes",
    trace: graphOf([f32("x", "T", "B", 3), f32("h", "B", 3)], (x, h) => {
      const step = ([a, b, n, flag]: readonly Tensor[], [row]: readonly Tensor[]) => ({
        carries: [
          b as Float,
          cg.add(a as Float, row as Float),
          cg.add(n as Tensor<"i32">, 1),
          cg.not(flag as Tensor<"bool">),
        ],
        ys: [cg.where(flag as Tensor<"bool">, a as Float, b as Float)],
      });
      const start = [h, cg.mul(h, 2), cg.cast(cg.mul(h, 9), "i32"), cg.less(0, h)];
      const { carries, ys } = cg.scanTensors(step, start, [x], { reverse: true });
      return [...carries, ...ys];
    }),
    ways: { ...standard, ...limited },
  },
  {
    name: "sequences of several lengths",
    trace: graphOf([f32("x", "T", "B", 5), i32("lengths", "B"), f32("w", 5, 5)], (x, lengths, w) => {
      const mask = lengthsMask(lengths as Tensor as Tensor<"i32">, "T");
      return withGradient(
        (x, w) => {
          const { ys } = cg.scanTensors(
            ([c], [row]) => {
              const next = cg.tanh(cg.add(cg.dot(c as Float, w), row as Float));
              return { carries: [next], ys: [next] };
            },
            [cg.zeros(["B", 5])],
            [x],
          );
          return maskedMean(cg.sum(at(ys, 0) as Float, -1), mask);
        },
        x,
        w,
      );
    }),
    ways: standard,
  },
];

const products: readonly GoldenGraph[] = [
  {
    name: "products of known sizes",
    trace: graphOf([f32("a", 256, 96), f32("b", 96, 160), f32("c", 160)], (a, b, c) =>
      withGradient((a, b, c) => cg.mul(cg.tanh(cg.dot(a, b)), cg.sigmoid(cg.broadcast(c, [256, 160]))), ...[a, b, c]),
    ),
    ways: everything,
  },
  {
    name: "products of rows of a batch",
    trace: graphOf(
      [f32("a", "B*T", 37), f32("b", 37, 45), f32("c", "B*T", 70), f32("d", 40, "B*T"), f32("e", 3, "B", 33)],
      (a, b, c, d, e) => [
        cg.dot(a, b),
        cg.dot(a, c, { transposeA: true }),
        cg.dot(d, a),
        cg.dot(d, c, { transposeB: false }),
        cg.dot(c, d, { transposeA: true, transposeB: true }),
        cg.dot(e, e, { transposeB: true }),
        cg.dot(e, e, { transposeA: true }),
      ],
    ),
    ways: { ...standard, ...tuned },
  },
  {
    name: "products that are added up and share an operand",
    trace: graphOf(
      [f32("a", "B*T", 64), f32("b", "B*T", 64), f32("u", 64, 64), f32("v", 64, 64), f32("w", 64, 64)],
      (a, b, u, v, w) => {
        const both = cg.add(cg.dot(a, u, { transposeB: true }), cg.dot(b, v, { transposeB: true }));
        return [cg.tanh(both), cg.mul(cg.sigmoid(cg.dot(a, w)), cg.dot(cg.tanh(a), v))];
      },
    ),
    ways: everything,
  },
];

const reductions: readonly GoldenGraph[] = [
  {
    name: "long sums and softmax",
    trace: graphOf([f32("x", "B", 3000), f32("y", 5000), f32("z", "T", 7)], (x, y, z) => [
      ...withGradient((x) => cg.softmax(x), x),
      cg.sum(y),
      cg.reduceMax(y),
      cg.reduceMax(z, 0),
      cg.sum(z, 0),
      cg.sum(cg.cast(cg.mul(z, 9), "i32")),
      cg.sum(x, 0),
      cg.standardize(cg.reshape(y, [10, 500])),
    ]),
    ways: { ...standard, ...limited },
  },
  {
    name: "scatters",
    trace: graphOf([i32("i", "T", "B"), f32("u", "T", "B", 6), i32("k", 9), f32("v", 9)], (i, u, k, v) => [
      cg.scatterAdd(i as Tensor as Tensor<"i32">, u, 10),
      cg.scatterAdd(i as Tensor as Tensor<"i32">, u, 2000),
      cg.scatterAdd(k as Tensor as Tensor<"i32">, v, 4),
    ]),
    ways: standard,
  },
  {
    name: "views of a symbolic axis",
    trace: graphOf([f32("x", "T", "B", 3), f32("y", "B", 2)], (x, y) => [
      ...withGradient((x) => cg.slice(x, 0, -1, 1), x),
      cg.pad(x, 2, 1, 8),
      cg.transpose(cg.concat([cg.slice(x, 2, 1, 2), cg.broadcast(y, ["T", "B", 2])], -1), [1, 2, 0]),
      cg.mul(cg.dimSize("T"), cg.cast(cg.iota(["B"], 0), "f32")),
    ]),
    ways: standard,
  },
];

const ops = Object.entries({ ...elementwiseCases, ...arrayCases } as Readonly<Record<string, OpCase>>).map(
  ([op, { gives, derivatives = [] }]): GoldenGraph => ({
    name: `op ${op}`,
    trace: () => ({ graph: ofCases(op, gives, derivatives) }),
    ways: onTargets("auto", {}),
  }),
);

/** All cases of an op in one graph. */
function ofCases(op: string, gives: OpCase["gives"], derivatives: NonNullable<OpCase["derivatives"]>): Graph {
  const inputs: NamedAval[] = [];
  const parts: ((tensors: readonly Tensor[]) => readonly Tensor[])[] = [];
  const add = (args: readonly NdArray[], f: TensorFunction) => {
    const from = inputs.length;
    inputs.push(...args.map(({ dtype, shape }, i) => ({ name: `x${from + i}`, dtype, shape })));
    parts.push((tensors) => [f(...(tensors.slice(from, from + args.length) as never[]))].flat());
  };
  for (const [f, args] of gives) add(args, f);
  for (const [f, args] of derivatives) {
    add(args, ((...primals: Float[]) => withGradient(f, ...primals)) as TensorFunction);
  }
  return cg.traceGraph(op, inputs, (tensors) => parts.flatMap((part) => part(tensors)));
}

export const goldenGraphs: readonly GoldenGraph[] = [
  ...zoo,
  ...trainingSteps,
  ...loops,
  ...products,
  ...reductions,
  ...ops,
];

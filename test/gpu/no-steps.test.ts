/**
 * @file Loops of length 0 and axes of extent 0, known at compile time or not: final states are the initial ones, and
 * gradients pass through, whatever an earlier run left in memory; an empty sum is 0.
 */
import { afterAll, describe, expect, test } from "vitest";
import { compileProgram } from "../../compiler/compile.ts";
import type { Dim } from "../../compiler/graph/dim.ts";
import { at } from "../../compiler/graph/errors.ts";
import type { Graph } from "../../compiler/graph/graph.ts";
import type { CompileProgramOptions } from "../../compiler/plan-program.ts";
import { lastOutput } from "../../entries/layers.ts";
import { crossEntropy, meanSquaredError } from "../../entries/losses.ts";
import {
  add,
  broadcast,
  cast,
  concat,
  constant,
  dot,
  gather,
  interpret,
  less,
  mul,
  type NamedAval,
  type NdArray,
  ndarray,
  pad,
  reduceMax,
  reshape,
  scanTensors,
  scatterAdd,
  sin,
  slice,
  softmax,
  square,
  sum,
  type Tensor,
  tanh,
  traceGraph,
  transpose,
  valueAndGrad,
} from "../../index.ts";
import { ProgramRunner } from "../support/programs.ts";
import { numbers } from "../support/same-after.ts";
import { fewOf } from "../support/some-of.ts";

type Float = Tensor<"f32">;

const runner = await ProgramRunner.open();
afterAll(() => runner.destroy());

const f32 = (name: string, ...shape: Dim[]): NamedAval => ({ name, dtype: "f32", shape });
const indices = (name: string, ...shape: Dim[]): NamedAval => ({ name, dtype: "i32", shape });

/** Numbers for the inputs of a graph. */
function given({ inputs, nodes }: Graph, sizes: Readonly<Record<string, number>>): NdArray[] {
  return inputs.map((id, seed) => {
    const { dtype, shape } = at(nodes, id).aval;
    const random = numbers(
      shape.map((dim) => sizes[dim] ?? Number(dim)),
      seed,
    );
    return dtype === "f32"
      ? random
      : {
          ...ndarray(
            random.shape,
            random.data.map((_, i) => i % 3),
            "i32",
          ),
        };
  });
}

/** Runs a program at several sizes, one after another, and compares each run with the interpreter. */
async function same(graph: Graph, sizes: readonly Readonly<Record<string, number>>[], options: CompileProgramOptions) {
  const rounds = sizes.map((size) => given(graph, size));
  for (const [round, results] of (await runner.runs(graph, rounds, options)).entries()) {
    for (const [i, expected] of interpret(graph, at(rounds, round)).entries()) {
      const { shape, data } = at(results, i);
      expect(shape).toEqual(expected.shape);
      for (const [k, value] of expected.data.entries()) {
        const close = Number.isFinite(value) ? expect.closeTo(value, 5) : value;
        expect([i, k, data[k]]).toEqual([i, k, close]);
      }
    }
  }
}

/** The value of a function and its gradients with respect to `tensors`. */
const withGradient = (f: (...tensors: Float[]) => Float, ...tensors: Float[]): Tensor[] => {
  const { value, grad } = valueAndGrad((args: Float[]) => f(...args))(tensors);
  return [value, ...grad];
};
/** A number that depends on all final states and outputs. */
const seen = ({ carries, ys }: { readonly carries: readonly Tensor[]; readonly ys: readonly Tensor[] }): Float =>
  [...carries, ...ys].map((x) => sum(square(x as Float))).reduce((a, b) => add(a, b));

type Loop = (time: Dim) => Graph;

/** Loops that can run persistently, as functions of the length. */
const separable: Readonly<Record<string, Loop>> = {
  "states and their gradient": (time) =>
    traceGraph("loop", [f32("x", time, "B", 3), f32("h", "B", 3), f32("w", 3, 3)], ([x, h, w]) =>
      withGradient(
        (h, w) =>
          seen(
            scanTensors(
              ([c], [row]) => {
                const next = tanh(add(dot(c as Float, w), row as Float));
                return { carries: [next], ys: [next] };
              },
              [h],
              [x as Float],
            ),
          ),
        h as Float,
        w as Float,
      ),
    ),
  "states that swap, with various initial values": (time) =>
    traceGraph("loop", [f32("x", time, "B", 3), f32("h", "B", 3)], ([x, h]) => {
      const start = [
        h,
        mul(h as Float, 2),
        broadcast(constant(5), ["B", 3]),
        cast(mul(h as Float, 9), "i32"),
        less(0, h as Float),
      ];
      return scanTensors(
        ([a, b, c, n, flag], [row]) => ({
          carries: [
            b as Float,
            add(a as Float, row as Float),
            mul(c as Float, 2),
            add(n as Tensor<"i32">, 1),
            flag as Tensor,
          ],
          ys: [],
        }),
        start as Tensor[],
        [x as Float],
      ).carries;
    }),
};

/** Loops that mix rows, or contain another loop. */
const others: Readonly<Record<string, Loop>> = {
  "mixed rows, and states that start as products and sums": (time) =>
    traceGraph("loop", [f32("x", time, "B", 3), f32("h", "B", 3)], ([x, h]) =>
      withGradient((h) => {
        const start = [dot(h, transpose(h)), broadcast(sum(h, 0), ["B", 3])];
        return seen(
          scanTensors(
            ([p, c], [row]) => {
              const next = tanh(add(add(c as Float, row as Float), broadcast(sum(c as Float, 0), ["B", 3])));
              return { carries: [sin(p as Float), next], ys: [c as Float] };
            },
            start,
            [x as Float],
          ),
        );
      }, h as Float),
    ),
  "a loop of length 0 in a loop": (time) =>
    traceGraph("loop", [f32("x", 2, "B", 3), f32("h", "B", 3), f32("k", time, "B", 3)], ([x, h, k]) =>
      withGradient((h) => seen(nested(h, x as Float, k as Float)), h as Float),
    ),
  "a loop in a loop of length 0": (time) =>
    traceGraph("loop", [f32("x", time, "B", 3), f32("h", "B", 3), f32("k", 2, "B", 3)], ([x, h, k]) =>
      withGradient((h) => seen(nested(h, x as Float, k as Float)), h as Float),
    ),
};

function nested(h: Float, x: Float, k: Float) {
  return scanTensors(
    ([c], [row]) => {
      const inner = scanTensors(
        ([d], [e]) => ({ carries: [sin(add(d as Float, e as Float))], ys: [] }),
        [add(c as Float, row as Float)],
        [k],
      );
      return { carries: [tanh(at(inner.carries, 0) as Float)], ys: [at(inner.carries, 0)] };
    },
    [h],
    [x],
  );
}

const schedules = ["persistent", "stepwise"] as const;

describe.each(schedules)("%s", (schedule) => {
  const loops = Object.entries(schedule === "persistent" ? separable : { ...separable, ...others });
  test.each(loops)("%s, with a symbolic length", async (_, loop) => {
    await same(
      loop("T"),
      [0, 3, 0].map((T) => ({ T, B: 2 })),
      { schedule, target: "software" },
    );
  });

  test.each(loops)("%s, with a known length", async (_, loop) => {
    await same(loop(0), [{ B: 2 }], { schedule, target: "software" });
  });
});

test("a loop with only a state; no kernel is written for its step", async () => {
  const graph = traceGraph("loop", [f32("a", 3)], ([a]) => {
    const step = ([h]: readonly Tensor[]) => ({ carries: [sin(add(h as Float, a as Float))], ys: [] });
    return scanTensors(step, [a as Float], [], { length: 0 }).carries;
  });
  for (const schedule of ["auto", ...schedules] as const) {
    await same(graph, [{}], { schedule });
    const { kernels, steps } = compileProgram(graph, { schedule });
    expect([kernels.length, steps]).toEqual([1, [expect.objectContaining({ kind: "loop", body: [] })]]);
  }
});

/** Functions of values with an axis of extent 0. */
const empty: Readonly<Record<string, (extent: Dim) => Graph>> = {
  "reductions over nothing": (n) =>
    traceGraph("empty", [f32("x", n, 3)], ([x]) => {
      const rows = x as Float;
      return [sum(rows, 0), sum(rows), sum(rows, 1), reduceMax(rows, 0), reduceMax(rows), softmax(rows, 0)];
    }),
  "products without rows, depth or columns": (n) =>
    traceGraph("empty", [f32("x", n, 3), f32("w", 3, 4), f32("a", 2, 3), f32("b", n, 40, 3)], ([x, w, a, b]) => [
      dot(x as Float, w as Float),
      dot(x as Float, x as Float, { transposeA: true }),
      dot(a as Float, x as Float, { transposeB: true }),
      sum(dot(b as Float, b as Float, { transposeB: true }), 0),
    ]),
  "large products without rows or depth": (n) =>
    traceGraph("empty", [f32("x", n, "N", 64), f32("w", 64, 64)], ([x, w]) => {
      const rows = reshape(x as Float, [n === "B" ? "B*N" : 0, 64]);
      return [dot(rows, w as Float), dot(rows, rows, { transposeA: true })];
    }),
  views: (n) =>
    traceGraph("empty", [f32("x", n, 3)], ([x]) => {
      const rows = x as Float;
      const wide = broadcast(reshape(rows, [1, n, 3]), [2, n, 3]);
      return [transpose(rows), slice(rows, 1, 0, 2), pad(rows, 1, 1, 5), concat([rows, rows], 1), wide];
    }),
  lookups: (n) =>
    traceGraph("empty", [f32("t", 4, 3), indices("i", n), f32("x", n, 3)], ([t, i, x]) => [
      sum(gather(t as Float, i as Tensor<"i32">), 0),
      scatterAdd(i as Tensor<"i32">, x as Float, 5),
    ]),
  "losses over no steps, and last outputs of sequences of length 0": (n) =>
    traceGraph("empty", [f32("x", n, 2, 3), f32("y", n, 2, 3), indices("i", n, 2), indices("l", 2)], ([x, y, i, l]) => {
      const [outputs, targets] = [x as Float, y as Float];
      const mask = less(sum(targets, -1), 9);
      const losses = (x: Float) => [
        crossEntropy(x, i as Tensor<"i32">),
        crossEntropy(x, i as Tensor<"i32">, { mask }),
        meanSquaredError(x, targets, { mask }),
        sum(lastOutput(x, mul(l as Tensor<"i32">, 0))),
      ];
      return losses(outputs).flatMap((loss, k) => [loss, valueAndGrad((x: Float) => at(losses(x), k))(outputs).grad]);
    }),
  "a loop over no rows": (n) =>
    traceGraph("empty", [f32("x", 2, n, 3), f32("h", n, 3), f32("w", 3, 3)], ([x, h, w]) =>
      withGradient(
        (w) =>
          seen(
            scanTensors(
              ([c], [row]) => {
                const next = tanh(add(dot(c as Float, w), row as Float));
                return { carries: [next], ys: [next] };
              },
              [h as Float],
              [x as Float],
            ),
          ),
        w as Float,
      ),
    ),
};

const targets = ["gpu", "software"] as const;

fewOf(Object.entries(empty), (_, i) => i % 3 === 0)("%s", async (name, graph) => {
  // Large products have different forms on each kind of target.
  for (const target of name.startsWith("large") ? targets : (["software"] as const)) {
    await same(
      graph("B"),
      [0, 2, 0].map((B) => ({ B, N: 2 })),
      { target },
    );
    await same(graph(0), [{ N: 2 }], { target });
  }
});

test("parts without elements", async () => {
  const graph = traceGraph("parts", [f32("a", 0, 4), f32("b", 3)], ([a, b]) => {
    const turned = reshape(transpose(reshape(a as Float, [2, 0, 2]), [1, 0, 2]), [0]);
    return [concat([reshape(a as Float, [0]), b as Float], 0), tanh(concat([b as Float, turned], 0))];
  });
  await same(graph, [{}], {});
});

test.each(targets)("layers and states without units, for a target %s", async (target) => {
  const layers = traceGraph("layers", [f32("x", "B", 3), f32("w", 3, 0), f32("v", 0, 2)], ([x, w, v]) =>
    withGradient((w, v) => sum(square(add(dot(tanh(dot(x as Float, w)), v), 1))), w as Float, v as Float),
  );
  await same(layers, [{ B: 2 }], { target });
  const states = traceGraph("states", [f32("x", "T", "B", 0), f32("h", "B", 0), f32("g", "B", 2)], ([x, h, g]) => {
    const step = ([c, d]: readonly Tensor[], [row]: readonly Tensor[]) => ({
      carries: [tanh(add(c as Float, row as Float)), add(d as Float, 1)],
      ys: [c as Float],
    });
    const { carries, ys } = scanTensors(step, [h as Float, g as Float], [x as Float]);
    return [...carries, ...ys];
  });
  for (const schedule of schedules) await same(states, [{ T: 3, B: 2 }], { target, schedule });
});

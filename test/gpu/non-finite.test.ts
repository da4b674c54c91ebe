/**
 * @file NaN and infinity in the operands of every floating point op: a device returns what the interpreter returns. A
 * function that loses them would hide that training has gone wrong.
 */
import { describe, expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import {
  abs,
  add,
  cast,
  ceil,
  clip,
  cos,
  cumsum,
  div,
  dot,
  einsum,
  equal,
  erf,
  exp,
  finite,
  floor,
  hardSigmoid,
  hardTanh,
  interpret,
  leakyRelu,
  less,
  log,
  logSoftmax,
  logSumExp,
  max,
  min,
  mish,
  mul,
  neg,
  norm,
  pow,
  prod,
  reciprocal,
  reduceMax,
  relu,
  reshape,
  rsqrt,
  scanTensors,
  selu,
  sigmoid,
  sign,
  silu,
  sin,
  softmax,
  softplus,
  softsign,
  sqrt,
  sub,
  sum,
  type Tensor,
  tanh,
  traceGraph,
  variance,
} from "../../index.ts";
import { cpu } from "../support/cpu-executors.ts";
import { deviceExecutor, executors } from "../support/executors.ts";

type Float = Tensor<"f32">;

const { NaN: none, POSITIVE_INFINITY: infinity } = Number;
const numbers = [none, infinity, -infinity, 0, 1, -1, 0.3, -0.3, 30, -30];
/** Every pair of numbers. */
const [left, right] = [numbers.flatMap((a) => numbers.map(() => a)), numbers.flatMap(() => numbers)];
const rows = numbers.length;

const ops: Readonly<Record<string, (a: Float, b: Float) => Float>> = {
  ...{ add, sub, mul, div, max, min },
  ...{ neg, abs, floor, exp, log, sqrt, sin, cos, tanh, sigmoid, softplus, erf, relu },
  ...{ sign, ceil, rsqrt, reciprocal, silu, mish, selu, softsign, hardSigmoid },
  clip: (a, b) => clip(a, -1, b),
  // f32 ends at 1e38.
  pow: (a, b) => clip(pow(a, b), -1e30, 1e30),
  leakyRelu: (a) => leakyRelu(a),
  hardTanh: (a) => hardTanh(a),
  logSumExp: (a, b) => logSumExp(min(a, b), 1),
  "logSumExp of -∞": (a) => logSumExp(min(a, -infinity), 1),
  cumsum: (a, b) => cumsum(min(a, b), 0),
  prod: (a, b) => prod(add(a, b), 1),
  variance: (a, b) => variance(add(a, b), 1),
  norm: (a, b) => norm(max(a, b), 1),
  einsum: (a, b) => einsum("ij,kj->ik", a, b),
  less: (a, b) => cast(less(a, b), "f32"),
  equal: (a, b) => cast(equal(a, b), "f32"),
  finite: (a) => cast(finite(a), "f32"),
  sum: (a, b) => sum(add(a, b), [1]),
  reduceMax: (a, b) => reduceMax(add(a, b), [1]),
  "reduceMax of -∞": (a) => reduceMax(min(a, -infinity), [1]),
  "reduceMax of all": (a, b) => reduceMax(add(a, b)),
  softmax: (a, b) => softmax(add(a, b)),
  logSoftmax: (a, b) => logSoftmax(add(a, b)),
  dot: (a, b) => dot(a, b, { transposeB: true }),
  "a state": (a, b) => {
    const step = ([h]: readonly Tensor[], [x]: readonly Tensor[]) => {
      const next = tanh(add(max(h as Float, x as Float), sigmoid(h as Float)));
      return { carries: [next], ys: [next] };
    };
    return at(scanTensors(step, [reshape(sum(a, [0]), [1, rows])], [reshape(b, [rows, 1, rows])]).ys, 0) as Float;
  },
};

describe.each([...executors, deviceExecutor("cpu", cpu, 1e-4)])("$name", ({ execute }) => {
  test.each(Object.entries(ops))("%s", async (_, op) => {
    const avals = ["a", "b"].map((name) => ({ name, dtype: "f32" as const, shape: [rows, rows] }));
    const graph = traceGraph("op", avals, ([a, b]) => [op(a as Float, b as Float)]);
    const inputs = [ndarray([rows, rows], left), ndarray([rows, rows], right)];
    const [expected, got] = [at(interpret(graph, inputs), 0), at(await execute(graph, inputs), 0)];
    const wrong = [...expected.data].flatMap((value, i) => {
      const other = got.data[i] ?? 0;
      const same = Number.isFinite(value)
        ? Math.abs(other - value) <= 1e-5 * Math.max(1, Math.abs(value))
        : Object.is(other, value);
      return same ? [] : [`${left[i]}, ${right[i]}: ${other}, not ${value}`];
    });
    expect(wrong).toEqual([]);
  });

  test("a maximum of only -∞ is -∞", async () => {
    const graph = traceGraph("maxima", [{ name: "a", dtype: "f32", shape: [2, 3] }], ([a]) => [
      reduceMax(a as Float, [1]),
    ]);
    const [maxima] = await execute(graph, [ndarray([2, 3], [-infinity, -infinity, -infinity, -infinity, -1, -2])]);
    expect([...(maxima?.data ?? [])]).toEqual([-infinity, -1]);
  });
});

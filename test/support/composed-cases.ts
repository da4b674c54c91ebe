/**
 * @file Cases of functions that are made of ops: values by formulas that are written another way, and places to differentiate,
 * zeros and ties of which the derivative is right among them.
 */

import type { Tensor } from "../../index.ts";
import * as cg from "../../index.ts";
import { f32, i32, type OpCase } from "./evaluate.ts";

type Float = Tensor<"f32">;

const { POSITIVE_INFINITY: infinity } = Number;
const places = [-7.3, -2.9, -1.2, -0.4, 0, 0.3, 0.9, 2.5, 6.8];
/** Away from kinks. */
const smooth = f32([-7.3, -1.2, -0.4, 0.3, 0.9, 2.5]);
const positive = f32([0.3, 1.2, 2.5]);

function unary(f: (x: Float) => Float, by: (x: number) => number, at: readonly number[] = places): OpCase {
  return { gives: [[f, [f32(at)], f32(at.map(by))]], derivatives: [[f, [smooth]]] };
}

const matrix = f32([
  [0.5, -1, 2],
  [1.5, 0.25, -0.75],
]);
const zeroed = f32([
  [0, 2, 3, -1.5, 0.5],
  [0, -2, 0, 4, 1],
]);
const stack = f32([
  [
    [1, 2],
    [3, 4],
    [5, 6],
  ],
  [
    [-1, 0.5],
    [2, -2],
    [0, 3],
  ],
]);
const long = Array.from({ length: 70 }, (_, i) => Math.sin(i) + 1.2);
const sums = (numbers: readonly number[]) => numbers.map((_, i) => numbers.slice(0, i + 1).reduce((a, b) => a + b));

export const composedCases = {
  sign: {
    gives: [
      [cg.sign, [f32([-2.5, 0, 0.1, infinity, -infinity])], f32([-1, 0, 1, 1, -1])],
      [cg.sign, [i32([-7, 0, 9])], i32([-1, 0, 1])],
    ],
    derivatives: [[(x) => cg.mul(cg.sign(x), x), [smooth]]],
  },
  ceil: {
    gives: [[cg.ceil, [f32([-1.5, -0.5, 0, 0.2, 2, 2.7, 8388609])], f32([-1, 0, 0, 1, 2, 3, 8388609])]],
    derivatives: [[(x) => cg.mul(cg.ceil(x), x), [smooth]]],
  },
  clip: {
    gives: [
      [(x: Float) => cg.clip(x, -1, 2), [f32([-3, -1, 0.5, 2, 9])], f32([-1, -1, 0.5, 2, 2])],
      [(x: Float) => cg.clip(x, -infinity, 2), [f32([-3, 9])], f32([-3, 2])],
      [(x: Float) => cg.clip(x, 0, infinity), [f32([-3, 9])], f32([0, 9])],
      [
        cg.clip,
        [f32([[-3], [5]]), f32([-1, 0]), f32([1, -2])],
        f32([
          [-1, -2],
          [1, -2],
        ]),
      ],
      [(x: Tensor<"i32">) => cg.clip(x, -4, 4), [i32([-9, 3, 9])], i32([-4, 3, 4])],
    ],
    derivatives: [
      [(x) => cg.square(cg.clip(x, -1, 2)), [smooth]],
      [(x, low, high) => cg.square(cg.clip(x, low, high)), [f32([-1, 0.3, 2]), f32(-0.5), f32([1, 1.1, 1.2])]],
    ],
  },
  rsqrt: { ...unary(cg.rsqrt, (x) => x ** -0.5, [0.01, 0.3, 4, 1e6]), derivatives: [[cg.rsqrt, [positive]]] },
  reciprocal: unary(cg.reciprocal, (x) => x ** -1, [-8, -0.3, 0.5, 1e5]),
  silu: unary(cg.silu, (x) => x / (1 + Math.exp(-x))),
  mish: unary(cg.mish, (x) => (x * ((1 + Math.exp(x)) ** 2 - 1)) / ((1 + Math.exp(x)) ** 2 + 1)),
  leakyRelu: {
    gives: [
      ...unary(
        (x) => cg.leakyRelu(x),
        (x) => Math.max(x, x / 100),
      ).gives,
      ...unary(
        (x) => cg.leakyRelu(x, 0.25),
        (x) => Math.max(x, x / 4),
      ).gives,
    ],
    derivatives: [[(x) => cg.square(cg.leakyRelu(x, 0.25)), [smooth]]],
  },
  selu: unary(cg.selu, (x) => 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * (Math.exp(x) - 1))),
  softsign: unary(cg.softsign, (x) => Math.sign(x) * (1 - 1 / (1 + Math.abs(x)))),
  hardSigmoid: unary(cg.hardSigmoid, (x) => Math.min(Math.max(x + 3, 0), 6) / 6),
  hardTanh: {
    gives: [
      ...unary(
        (x) => cg.hardTanh(x),
        (x) => Math.min(Math.max(x, -1), 1),
      ).gives,
      ...unary(
        (x) => cg.hardTanh(x, 0, 6),
        (x) => Math.min(Math.max(x, 0), 6),
      ).gives,
    ],
    derivatives: [[(x) => cg.square(cg.hardTanh(x)), [smooth]]],
  },
  logSumExp: {
    gives: [
      [(x: Float) => cg.logSumExp(x), [f32([1, 2, 3])], f32(Math.log(Math.E + Math.E ** 2 + Math.E ** 3))],
      [(x: Float) => cg.logSumExp(x), [f32([1000, 1000])], f32(1000 + Math.LN2)],
      [
        (x: Float) => cg.logSumExp(x, 0),
        [
          f32([
            [-1000, 3],
            [-1000, -infinity],
          ]),
        ],
        f32([-1000 + Math.LN2, 3]),
      ],
      [(x: Float) => cg.logSumExp(x, 1, { keepAxes: true }), [f32([[0, 0, 0]])], f32([[Math.log(3)]])],
    ],
    derivatives: [[(x) => cg.logSumExp(x, 1), [matrix]]],
  },
  cumsum: {
    gives: [
      [
        (x: Float) => cg.cumsum(x),
        [matrix],
        f32([
          [0.5, -0.5, 1.5],
          [1.5, 1.75, 1],
        ]),
      ],
      [
        (x: Float) => cg.cumsum(x, 0),
        [matrix],
        f32([
          [0.5, -1, 2],
          [2, -0.75, 1.25],
        ]),
      ],
      [
        (x: Float) => cg.cumsum(x, 1, { reverse: true }),
        [matrix],
        f32([
          [1.5, 1, 2],
          [1, -0.5, -0.75],
        ]),
      ],
      [
        (x: Float) => cg.cumsum(x, 1),
        [stack],
        f32([
          [
            [1, 2],
            [4, 6],
            [9, 12],
          ],
          [
            [-1, 0.5],
            [1, -1.5],
            [1, 1.5],
          ],
        ]),
      ],
      [(x: Float) => cg.cumsum(x), [f32(long)], f32(sums(long))],
      [(x: Float) => cg.cumsum(x, 1), [f32([long, long])], f32([sums(long), sums(long)])],
      [
        (x: Float) => cg.cumsum(x, 0, { reverse: true }),
        [f32(long.map((n) => [n, -n]))],
        f32(
          sums([...long].reverse())
            .reverse()
            .map((n) => [n, -n]),
        ),
      ],
    ],
    derivatives: [
      [(x) => cg.square(cg.cumsum(x, 0)), [matrix]],
      [(x) => cg.square(cg.cumsum(x, -1, { reverse: true })), [matrix]],
      [(x) => cg.square(cg.cumsum(x)), [f32(long)]],
    ],
  },
  prod: {
    gives: [
      [(x: Float) => cg.prod(x), [matrix], f32(0.5 * -1 * 2 * 1.5 * 0.25 * -0.75)],
      [(x: Float) => cg.prod(x, 0), [matrix], f32([0.75, -0.25, -1.5])],
      [(x: Float) => cg.prod(x, 1, { keepAxes: true }), [zeroed], f32([[0], [0]])],
      [(x: Float) => cg.prod(x), [f32(long)], f32(long.reduce((a, b) => a * b))],
      [(x: Float) => cg.prod(x, 1), [f32([[], []])], f32([1, 1])],
      [(x: Float) => cg.prod(x), [f32(3)], f32(3)],
    ],
    derivatives: [
      [(x) => cg.prod(x, 1), [matrix]],
      // One element of a row is 0, or two are.
      [(x) => cg.prod(x, 1), [zeroed]],
      [(x) => cg.prod(x), [f32(long.slice(2).map((n) => n - 0.2))]],
    ],
  },
  variance: {
    gives: [
      [(x: Float) => cg.variance(x), [f32([1, 2, 4])], f32(14 / 9)],
      [(x: Float) => cg.variance(x, 0, { correction: 1 }), [f32([[1], [2], [4]])], f32([7 / 3])],
      [(x: Float) => cg.variance(x, 1, { keepAxes: true }), [f32([[1e6, 1e6 + 1]])], f32([[0.25]])],
      [(x: Float) => cg.variance(x, 1, { correction: 1 }), [f32([[5], [-3]])], f32([0, 0])],
    ],
    derivatives: [
      [(x) => cg.variance(x, 1), [matrix]],
      [(x) => cg.variance(x, undefined, { correction: 1 }), [matrix]],
    ],
  },
  norm: {
    gives: [
      [(x: Float) => cg.norm(x), [f32([3, -4])], f32(5)],
      [
        (x: Float) => cg.norm(x, 1),
        [
          f32([
            [0, 0],
            [-1, 1],
          ]),
        ],
        f32([0, Math.SQRT2]),
      ],
      [(x: Float) => cg.norm(x, 0, { keepAxes: true }), [f32([[3], [4]])], f32([[5]])],
      [(x: Float) => cg.norm(x, 0, { order: 1 }), [f32([3, -4])], f32(7)],
      [(x: Float) => cg.norm(x, 0, { order: infinity }), [f32([3, -4])], f32(4)],
      [(x: Float) => cg.mul(cg.norm(x), 1e-30), [f32([3e30, 4e30])], f32(5)],
      [(x: Float) => cg.mul(cg.norm(x), 1e30), [f32([3e-30, 4e-30])], f32(5)],
    ],
    derivatives: [
      [(x) => cg.norm(x, 1), [matrix]],
      [(x) => cg.norm(x, 1, { order: 1 }), [matrix]],
    ],
  },
  einsum: {
    gives: [
      [
        (a: Float, b: Float) => cg.einsum("ij,jk->ik", a, b),
        [
          f32([[1, 2]]),
          f32([
            [3, 4],
            [5, 6],
          ]),
        ],
        f32([[13, 16]]),
      ],
      [
        (a: Float, b: Float) => cg.einsum("ij,jk", a, b),
        [
          f32([[1, 2]]),
          f32([
            [3, 4],
            [5, 6],
          ]),
        ],
        f32([[13, 16]]),
      ],
      [(a: Float) => cg.einsum("ij->ji", a), [f32([[1, 2, 3]])], f32([[1], [2], [3]])],
      [(a: Float) => cg.einsum("ba", a), [f32([[1, 2, 3]])], f32([[1], [2], [3]])],
      [(a: Float) => cg.einsum("ij->", a), [matrix], f32(2.5)],
      [
        (a: Float) => cg.einsum("bij->bj", a),
        [stack],
        f32([
          [9, 12],
          [1, 1.5],
        ]),
      ],
      [
        (a: Float, b: Float) => cg.einsum("i,j->ij", a, b),
        [f32([1, 2]), f32([3, 4, 5])],
        f32([
          [3, 4, 5],
          [6, 8, 10],
        ]),
      ],
      [(a: Float, b: Float) => cg.einsum("i, i ->", a, b), [f32([1, 2]), f32([3, 4])], f32(11)],
      [(a: Float, b: Float) => cg.einsum("ij,ij->i", a, b), [matrix, matrix], f32([5.25, 2.875])],
      [
        (a: Float, b: Float) => cg.einsum("bnd,bmd->bnm", a, b),
        [stack, f32([[[1, 0]], [[2, 1]]])],
        f32([
          [[1], [3], [5]],
          [[-1.5], [2], [3]],
        ]),
      ],
      [
        (a: Float, b: Float) => cg.einsum("bnd,hd->hbn", a, b),
        [
          stack,
          f32([
            [1, 0],
            [0, 2],
          ]),
        ],
        f32([
          [
            [1, 3, 5],
            [-1, 2, 0],
          ],
          [
            [4, 8, 12],
            [1, -4, 6],
          ],
        ]),
      ],
      [
        (a: Float, b: Float, c: Float) => cg.einsum("i,ij,j->", a, b, c),
        [
          f32([1, 2]),
          f32([
            [1, 2],
            [3, 4],
          ]),
          f32([5, 6]),
        ],
        f32(1 * (5 + 12) + 2 * (15 + 24)),
      ],
      // A letter that only one operand has, and two that are summed over together.
      [
        (a: Float, b: Float) => cg.einsum("bnd,nd->b", a, b),
        [
          stack,
          f32([
            [1, 1],
            [1, 1],
            [1, 1],
          ]),
        ],
        f32([21, 2.5]),
      ],
      [(a: Float, b: Float) => cg.einsum("ij,k->i", a, b), [matrix, f32([2, 3])], f32([7.5, 5])],
    ],
    derivatives: [
      [
        (a, b) => cg.einsum("bnd,hd->hbn", a, b),
        [
          stack,
          f32([
            [1, 0.3],
            [-0.5, 2],
          ]),
        ],
      ],
      [
        (a, b) => cg.einsum("bnd,bn->db", a, b),
        [
          stack,
          f32([
            [1, 0.3, 0.1],
            [-0.5, 2, 0.7],
          ]),
        ],
      ],
      [(a, b) => cg.einsum("i,j->ji", a, b), [f32([1, 2]), f32([3, 4, 5])]],
    ],
  },
  sort: {
    gives: [
      [(x: Float) => cg.sort(x).values, [f32([3, -1, 9e30, 0.5, -7e30, 3])], f32([-7e30, -1, 0.5, 3, 3, 9e30])],
      [(x: Float) => cg.sort(x).indices, [f32([3, -1, 2, 3, -1])], i32([1, 4, 2, 0, 3])],
      [(x: Float) => cg.sort(x, -1, { descending: true }).indices, [f32([3, -1, 2, 3, -1])], i32([0, 3, 2, 1, 4])],
      [
        (x: Float) => cg.sort(x, 0).values,
        [zeroed],
        f32([
          [0, -2, 0, -1.5, 0.5],
          [0, 2, 3, 4, 1],
        ]),
      ],
      [
        (x: Float) => cg.sort(x, 1).indices,
        [stack],
        i32([
          [
            [0, 0],
            [1, 1],
            [2, 2],
          ],
          [
            [0, 1],
            [2, 0],
            [1, 2],
          ],
        ]),
      ],
    ],
    derivatives: [
      [(x) => cg.mul(cg.sort(x, 1).values, cg.iota([2, 3], 1, "f32")), [matrix]],
      [(x) => cg.square(cg.sort(x, 0, { descending: true }).values), [matrix]],
    ],
  },
  topK: {
    gives: [
      [
        (x: Float) => cg.topK(x, 2).values,
        [matrix],
        f32([
          [2, 0.5],
          [1.5, 0.25],
        ]),
      ],
      [(x: Float) => cg.topK(x, 3).indices, [f32([1, 5, 5, -2, 5])], i32([1, 2, 4])],
      [(x: Float) => cg.topK(x, 1, 0).values, [matrix], f32([[1.5, 0.25, 2]])],
    ],
    derivatives: [[(x) => cg.square(cg.topK(x, 2).values), [matrix]]],
  },
} satisfies Record<string, OpCase>;

/** @file Cases of the ops on arrays: sources, views, reductions and products: values by hand, and places to differentiate. */
import type { TableOp } from "../../compiler/ops/table.ts";
import * as cg from "../../index.ts";
import { constant, dimSize, iota, type Tensor } from "../../index.ts";
import { bool, f32, i32, type OpCase, u32 } from "./evaluate.ts";

type Float = Tensor<"f32">;
type Int = Tensor<"i32">;

const x = f32([0.3, -1.2, 2.5]);
const y = f32([1.1, 0.4, -0.7]);
const matrix = f32([
  [0.5, -1, 2],
  [1.5, 0.25, -0.75],
]);

export const arrayCases = {
  input: { gives: [[(a: Float) => a, [x], x]], derivatives: [[(a) => a, [x]]] },
  constant: {
    gives: [
      [() => constant(2.5), [], f32(2.5)],
      [() => constant(-3, "i32"), [], i32(-3)],
      [() => constant(1, "bool"), [], bool(1)],
    ],
  },
  iota: {
    gives: [
      [
        () => iota([2, 3], 1),
        [],
        i32([
          [0, 1, 2],
          [0, 1, 2],
        ]),
      ],
      [
        () => iota([2, 3], 0, "f32"),
        [],
        f32([
          [0, 0, 0],
          [1, 1, 1],
        ]),
      ],
      [() => iota([3], 0, "u32"), [], u32([0, 1, 2])],
    ],
  },
  dimSize: { gives: [[() => dimSize(7), [], f32(7)]] },
  reshape: {
    gives: [
      [
        (a: Float) => cg.reshape(a, [3, -1]),
        [matrix],
        f32([
          [0.5, -1],
          [2, 1.5],
          [0.25, -0.75],
        ]),
      ],
    ],
    derivatives: [[(a) => cg.square(cg.reshape(a, [6])), [matrix]]],
  },
  transpose: {
    gives: [
      [
        (a: Float) => cg.transpose(a),
        [matrix],
        f32([
          [0.5, 1.5],
          [-1, 0.25],
          [2, -0.75],
        ]),
      ],
      [
        (a: Float) => cg.transpose(a, [2, 0, 1]),
        [
          f32([
            [
              [1, 2],
              [3, 4],
              [5, 6],
            ],
          ]),
        ],
        f32([[[1, 3, 5]], [[2, 4, 6]]]),
      ],
    ],
    derivatives: [[(a) => cg.square(cg.transpose(cg.reshape(a, [1, 2, 3]), [2, 0, 1])), [matrix]]],
  },
  broadcast: {
    gives: [
      [
        (a: Float) => cg.broadcast(a, [2, 3]),
        [x],
        f32([
          [0.3, -1.2, 2.5],
          [0.3, -1.2, 2.5],
        ]),
      ],
      [
        (a: Float) => cg.broadcastAxes(a, [3, 2], [0]),
        [x],
        f32([
          [0.3, 0.3],
          [-1.2, -1.2],
          [2.5, 2.5],
        ]),
      ],
    ],
    derivatives: [[(a, b) => cg.mul(cg.broadcast(a, [2, 3]), b), [x, matrix]]],
  },
  slice: {
    gives: [
      [
        (a: Float) => cg.slice(a, 1, 1, 2),
        [matrix],
        f32([
          [-1, 2],
          [0.25, -0.75],
        ]),
      ],
      [(a: Float) => cg.slice(a, 0, -1, 1), [matrix], f32([[1.5, 0.25, -0.75]])],
    ],
    derivatives: [
      [(a) => cg.square(cg.slice(a, 1, 1, 2)), [matrix]],
      [(a) => cg.square(cg.slice(a, 1, -2, 1)), [matrix]],
    ],
  },
  pad: {
    gives: [
      [(a: Float) => cg.pad(a, 0, 1, 5), [x], f32([0, 0.3, -1.2, 2.5, 0])],
      [(a: Float) => cg.pad(a, 0, -3, 4), [x], f32([0, 0.3, -1.2, 2.5])],
    ],
    derivatives: [[(a) => cg.square(cg.pad(a, 1, 1, 5)), [matrix]]],
  },
  concat: {
    gives: [
      [(a: Float, b: Float) => cg.concat([a, b]), [x, y], f32([0.3, -1.2, 2.5, 1.1, 0.4, -0.7])],
      [
        (a: Int, b: Int) => cg.concat([a, b], 0),
        [
          i32([[1, 2]]),
          i32([
            [3, 4],
            [5, 6],
          ]),
        ],
        i32([
          [1, 2],
          [3, 4],
          [5, 6],
        ]),
      ],
    ],
    derivatives: [[(a, b) => cg.square(cg.concat([a, b, a])), [x, y]]],
  },
  gather: {
    gives: [
      // Past the end, and below 0 (which is past the end as u32), the last row is read.
      [
        cg.gather,
        [matrix, i32([1, 0, 7, -1])],
        f32([
          [1.5, 0.25, -0.75],
          [0.5, -1, 2],
          [1.5, 0.25, -0.75],
          [1.5, 0.25, -0.75],
        ]),
      ],
      [
        cg.gather,
        [
          i32([10, 20, 30]),
          u32([
            [2, 0],
            [1, 4294967295],
          ]),
        ],
        i32([
          [30, 10],
          [20, 30],
        ]),
      ],
    ],
    derivatives: [[(a) => cg.square(cg.gather(a, cg.cast(iota([4]), "u32"))), [matrix]]],
  },
  sum: {
    gives: [
      [(a: Float) => cg.sum(a), [matrix], f32(2.5)],
      [(a: Float) => cg.sum(a, 0), [matrix], f32([2, -0.75, 1.25])],
      [(a: Float) => cg.sum(a, -1, { keepAxes: true }), [matrix], f32([[1.5], [1]])],
      [(a: Tensor<"u32">) => cg.sum(a), [u32([4294967295, 2])], u32(1)],
    ],
    derivatives: [[(a) => cg.square(cg.sum(a, 1)), [matrix]]],
  },
  reduceMax: {
    gives: [
      [(a: Float) => cg.reduceMax(a), [matrix], f32(2)],
      [(a: Float) => cg.reduceMax(a, 1), [matrix], f32([2, 1.5])],
      [(a: Float) => cg.reduceMax(a, [0], { keepAxes: true }), [f32([[-5], [-7]])], f32([[-5]])],
    ],
    derivatives: [[(a) => cg.square(cg.reduceMax(a, 1)), [matrix]]],
  },
  dot: {
    gives: [
      [
        cg.dot,
        [
          f32([
            [1, 2],
            [3, 4],
          ]),
          f32([
            [5, 6],
            [7, 8],
          ]),
        ],
        f32([
          [19, 22],
          [43, 50],
        ]),
      ],
      [
        dotWith(true, false),
        [
          f32([
            [1, 2],
            [3, 4],
          ]),
          f32([
            [5, 6],
            [7, 8],
          ]),
        ],
        f32([
          [26, 30],
          [38, 44],
        ]),
      ],
      [
        dotWith(false, true),
        [
          f32([
            [1, 2],
            [3, 4],
          ]),
          f32([
            [5, 6],
            [7, 8],
          ]),
        ],
        f32([
          [17, 23],
          [39, 53],
        ]),
      ],
      [
        dotWith(true, true),
        [
          f32([
            [1, 2],
            [3, 4],
          ]),
          f32([
            [5, 6],
            [7, 8],
          ]),
        ],
        f32([
          [23, 31],
          [34, 46],
        ]),
      ],
      [
        cg.dot,
        [
          f32([[[1, 2]], [[3, 4]]]),
          f32([
            [[5], [6]],
            [[7], [8]],
          ]),
        ],
        f32([[[17]], [[53]]]),
      ],
    ],
    derivatives: [
      [(a, b) => cg.dot(a, cg.transpose(b)), [matrix, matrix]],
      [dotWith(true, false), [matrix, matrix]],
      [dotWith(false, true), [matrix, matrix]],
      [(a, b) => dotWith(true, true)(a, cg.transpose(b)), [matrix, matrix]],
      [(a, b) => cg.dot(cg.reshape(a, [2, 1, 3]), cg.reshape(b, [2, 3, 1])), [matrix, matrix]],
    ],
  },
  scatterAdd: {
    gives: [
      [
        (i: Int, u: Float) => cg.scatterAdd(i, u, 3),
        [
          i32([1, 1, 0]),
          f32([
            [1, 2],
            [3, 4],
            [5, 6],
          ]),
        ],
        f32([
          [5, 6],
          [4, 6],
          [0, 0],
        ]),
      ],
      [(i: Int, u: Float) => cg.scatterAdd(i, u, 2), [i32([9, -1]), f32([1, 2])], f32([0, 3])],
    ],
    derivatives: [[(a) => cg.square(cg.scatterAdd(cg.div(iota([2]), 2), a, 3)), [matrix]]],
  },
} satisfies Partial<Record<TableOp, OpCase>>;

function dotWith(transposeA: boolean, transposeB: boolean): (a: Float, b: Float) => Float {
  return (a, b) => cg.dot(a, b, { transposeA, transposeB });
}

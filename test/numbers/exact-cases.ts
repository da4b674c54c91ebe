/**
 * @file What every host computes to the bit: conversions, integers where they end, comparisons with NaN. Function, arguments,
 * result; f32 results are those of f32.
 */
import * as cg from "../../index.ts";
import { constant, type Tensor } from "../../index.ts";
import { argmax } from "../../train/layers/feeding.ts";
import { elementwiseCases } from "../support/elementwise-cases.ts";
import { bool, f32, i32, type OpCase, u32 } from "../support/evaluate.ts";

type Float = Tensor<"f32">;
type Int = Tensor<"i32">;
type Case = OpCase["gives"][number];

const { NaN: none, POSITIVE_INFINITY: infinity } = Number;
const [least, most] = [-2147483648, 2147483647];
const rows = f32([
  [1, none, 2],
  [none, none, none],
  [-infinity, -infinity, -infinity],
  [3, 3, 1],
  [-infinity, 5, infinity],
  [7, 8, none],
]);
const [left, right] = [f32([none, 1, none, 2, 1, infinity]), f32([1, none, none, 1, 1, infinity])];

/** Comparisons of two numbers, as 0 and 1. */
const compared = (compare: (a: Float, b: Float) => Tensor<"bool">, expected: readonly number[]): Case => [
  (a: Float, b: Float) => cg.cast(compare(a, b), "i32"),
  [left, right],
  i32(expected),
];

/** An op of constants, which a kernel's compiler may compute itself, or refuse. */
const ofConstants = (f: () => Tensor, expected: ReturnType<typeof f32>): Case => [f, [], expected];
const int = (value: number) => constant(value, "i32");

const own: Readonly<Record<string, readonly Case[]>> = {
  "u32 and i32 to f32": [
    [
      (x: Int) => cg.cast(x, "f32"),
      // Of the last two, 2^31 and the rest are rounded to another sum.
      [u32([4294967295, 16777217, 16777219, 33554435, 3221225855, 3802926752])],
      f32([4294967296, 16777216, 16777220, 33554436, 3221225728, 3802926848]),
    ],
    [(x: Int) => cg.cast(x, "f32"), [i32([most, -16777217, least])], f32([2147483648, -16777216, least])],
  ],
  comparisons: [
    compared(cg.less, [0, 0, 0, 0, 0, 0]),
    compared(cg.lessEqual, [0, 0, 0, 0, 1, 1]),
    compared(cg.greater, [0, 0, 0, 1, 0, 0]),
    compared(cg.greaterEqual, [0, 0, 0, 1, 1, 1]),
    compared(cg.equal, [0, 0, 0, 0, 1, 1]),
    compared(cg.notEqual, [1, 1, 1, 1, 0, 0]),
    compared((a) => cg.finite(a), [0, 1, 0, 1, 1, 0]),
    [(a: Int, b: Int) => cg.lessEqual(a, b), [i32([least, 3, 4]), i32([most, 3, 3])], bool([1, 1, 0])],
  ],
  "max, min, relu and reduceMax of NaN": [
    [(a: Float, b: Float) => cg.max(a, b), [left, right], f32([none, none, none, 2, 1, infinity])],
    [(a: Float, b: Float) => cg.min(a, b), [left, right], f32([none, none, none, 1, 1, infinity])],
    [(a: Float) => cg.relu(a), [f32([none, -1, 0, 2, infinity, -infinity])], f32([none, 0, 0, 2, infinity, 0])],
    [(a: Float) => cg.reduceMax(a, 1), [rows], f32([none, none, -infinity, 3, infinity, none])],
  ],
  argmax: [[(a: Float) => argmax(a), [rows], i32([1, 0, 0, 0, 2, 2])]],
  "floor, and f32 as the number of a row": [
    [(a: Float) => cg.floor(a), [f32([-0.5, 0.5, none, infinity, 3e9])], f32([-1, 0, none, infinity, 3e9])],
    [
      (table: Float, a: Float) => cg.gather(table, cg.cast(a, "i32")),
      [f32([10, 20, 30]), f32([1.9, none, -1, 9, infinity])],
      f32([20, 10, 30, 30, 30]),
    ],
  ],
  "pow of what is special": [
    [
      cg.pow,
      [
        f32([
          0,
          0,
          0,
          -0,
          -0,
          1,
          1,
          -1,
          none,
          none,
          infinity,
          infinity,
          -infinity,
          -infinity,
          0.5,
          2,
          -2,
          -2,
          -8,
          2,
          2,
        ]),
        f32([
          0,
          -1,
          2,
          -3,
          0.5,
          none,
          infinity,
          infinity,
          0,
          1,
          -1,
          2,
          3,
          0.5,
          infinity,
          -infinity,
          3,
          0.5,
          -1,
          127,
          200,
        ]),
      ],
      f32([
        1,
        infinity,
        0,
        -infinity,
        0,
        1,
        1,
        1,
        1,
        none,
        0,
        infinity,
        -infinity,
        infinity,
        0,
        0,
        -8,
        none,
        -0.125,
        2 ** 127,
        infinity,
      ]),
    ],
  ],
  "sums of integers wrap": [
    [(a: Int) => cg.sum(a), [u32([4294967295, 4294967295, 5])], u32(3)],
    [(a: Int) => cg.sum(a), [i32([most, most, 5])], i32(3)],
  ],
  "arithmetic on constants": [
    [(x: Int) => cg.div(x, 0), [i32([least, 7])], i32([least, 7])],
    [(x: Tensor<"u32">) => cg.div(x, 0), [u32([3, 0])], u32([3, 0])],
    ofConstants(() => cg.div(int(least), int(-1)), i32(least)),
    ofConstants(() => cg.abs(cg.neg(int(least))), i32(least)),
    ofConstants(() => cg.mul(constant(3e38), constant(10)), f32(infinity)),
    ofConstants(() => cg.div(constant(-1), constant(0)), f32(-infinity)),
    ofConstants(() => cg.sqrt(constant(-1)), f32(none)),
    ofConstants(() => cg.cast(constant(3e9), "i32"), i32(most)),
    ofConstants(() => cg.cast(cg.mul(constant(none), 2), "u32"), u32(0)),
  ],
};

const exactly = Object.entries(elementwiseCases).map(([op, { gives }]): readonly [string, readonly Case[]] => [
  op,
  (gives as OpCase["gives"]).filter(([, , expected]) => expected.dtype !== "f32"),
]);

export const exactCases: Readonly<Record<string, readonly Case[]>> = {
  ...Object.fromEntries(exactly.filter(([, cases]) => cases.length > 0)),
  ...own,
};

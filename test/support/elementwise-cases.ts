/** @file Cases of the elementwise ops: values by hand, and places to differentiate. */

import { roundToHalf } from "../../compiler/ops/half.ts";
import type { TableOp } from "../../compiler/ops/table.ts";
import * as cg from "../../index.ts";
import { constant, type Tensor } from "../../index.ts";
import { bool, f32, i32, type OpCase, u32 } from "./evaluate.ts";

const { POSITIVE_INFINITY: infinity } = Number;
/** The ends of i32. */
const [least, most] = [-2147483648, 2147483647];

type Float = Tensor<"f32">;
type Int = Tensor<"i32">;
type Bool = Tensor<"bool">;

const x = f32([0.3, -1.2, 2.5]);
const y = f32([1.1, 0.4, -0.7]);
const matrix = f32([
  [0.5, -1, 2],
  [1.5, 0.25, -0.75],
]);

/** A unary function at some places, against the same of JavaScript. */
function math(f: (x: Float) => Float, by: (x: number) => number, places = [0.3, 1.2, 2.5]): OpCase {
  return {
    gives: [[f, [f32(places)], f32(places.map(by))]],
    derivatives: [[f, [f32(places)]]],
  };
}

export const elementwiseCases = {
  neg: {
    gives: [...math(cg.neg, (v) => -v).gives, [cg.neg, [i32([3, -2147483648])], i32([-3, -2147483648])]],
    derivatives: [[(a) => cg.neg(a), [x]]],
  },
  exp: math(cg.exp, Math.exp),
  expm1: math(cg.expm1, Math.expm1, [-3e-6, 0.3, -1.2, 2.5]),
  log: math(cg.log, Math.log),
  log1p: math(cg.log1p, Math.log1p, [-3e-6, 0.3, -0.6, 2.5]),
  sqrt: math(cg.sqrt, Math.sqrt),
  abs: {
    gives: [
      [cg.abs, [f32([-1.5, 0, 2])], f32([1.5, 0, 2])],
      [cg.abs, [i32([-4, least])], i32([4, least])],
    ],
    derivatives: [[cg.abs, [x]]],
  },
  sin: math(cg.sin, Math.sin, [0.3, -1.2, 100]),
  cos: math(cg.cos, Math.cos, [0.3, -1.2, 100]),
  tanh: math(cg.tanh, (v) => (Math.exp(v) - Math.exp(-v)) / (Math.exp(v) + Math.exp(-v)), [0.3, -1.2, 2.5]),
  sigmoid: math(cg.sigmoid, (v) => 0.5 + 0.5 * Math.tanh(v / 2), [0.3, -1.2, 2.5]),
  softplus: math(cg.softplus, (v) => Math.log(1 + Math.exp(v)), [0.3, -1.2, 2.5]),
  // To 17 digits: Abramowitz & Stegun's table 7.1 has the first ten of 0.3 and 1.2.
  erf: {
    gives: [
      [
        cg.erf,
        [f32([0, 0.3, -1.2, 2.5, 3.5, -4.5, 7, infinity, -infinity])],
        f32([
          0, 0.32862675945912745, -0.9103139782296353, 0.999593047982555, 0.9999992569016276, -0.9999999998033839, 1, 1,
          -1,
        ]),
      ],
    ],
    derivatives: [[cg.erf, [x]]],
  },
  round: {
    gives: [
      [
        cg.round,
        [f32([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.7, -2.7, 8388609])],
        f32([-2, -2, 0, 0, 2, 2, 3, -3, 8388609]),
      ],
    ],
    derivatives: [[cg.round, [f32([-1.2, 0.2, 2.7])]]],
  },
  floor: { gives: [[cg.floor, [f32([-1.5, 2, 2.7])], f32([-2, 2, 2])]], derivatives: [[cg.floor, [x]]] },
  not: { gives: [[cg.not, [bool([1, 0])], bool([0, 1])]] },
  finite: {
    gives: [[(a: Float) => cg.finite(cg.div(a, f32Like(a, [0, 0, 0, 1]))), [f32([1, -1, 0, 5])], bool([0, 0, 0, 1])]],
  },
  // test/precision/half.test.ts has all kinds of numbers.
  roundToHalf: {
    gives: [
      [
        roundToHalf,
        [f32([1, 2049, 2051, -2050.5, 0.1, 3e-8, 2.9e-8, -1.5 * 2 ** -24, 65504, 65519])],
        f32([1, 2048, 2052, -2050, 0.0999755859375, 2 ** -24, 0, -(2 ** -23), 65504, 65504]),
      ],
    ],
  },
  stopGradient: {
    gives: [
      [cg.stopGradient, [x], x],
      [cg.stopGradient, [bool([1, 0])], bool([1, 0])],
    ],
  },
  cast: {
    gives: [
      [(a: Float) => cg.cast(a, "i32"), [f32([1.9, -1.9, 0])], i32([1, -1, 0])],
      [(a: Float) => cg.cast(a, "u32"), [f32([1.9, 7, 0])], u32([1, 7, 0])],
      [(a: Float) => cg.cast(a, "bool"), [f32([0.5, 0, -2])], bool([1, 0, 1])],
      [(a: Bool) => cg.cast(a, "f32"), [bool([1, 0])], f32([1, 0])],
      [(a: Int) => cg.cast(a, "u32"), [i32([-1])], u32([4294967295])],
      [(a: Int) => cg.cast(a, "i32"), [u32([4294967295])], i32([-1])],
      [
        (a: Float) => cg.cast(a, "i32"),
        [f32([1e20, -1, 3e9, -3e9, Number.NaN, infinity, -infinity, 2147483520, 2147483648, -2147483648])],
        i32([most, -1, most, least, 0, most, least, 2147483520, most, least]),
      ],
      [
        (a: Float) => cg.cast(a, "u32"),
        [f32([1e20, -1, -0.5, 3e9, Number.NaN, infinity, -infinity, 4294967040, 4294967296])],
        u32([4294967295, 0, 0, 3e9, 0, 4294967295, 0, 4294967040, 4294967295]),
      ],
      [(a: Float) => cg.cast(a, "bool"), [f32([Number.NaN, infinity, -0, 1e-40, 1e-50])], bool([1, 1, 0, 1, 0])],
      [(a: Int) => cg.cast(a, "bool"), [i32([least, 0, -1])], bool([1, 0, 1])],
      [(a: Bool) => cg.cast(a, "i32"), [bool([1, 0])], i32([1, 0])],
      [(a: Int) => cg.cast(a, "f32"), [i32([3, -300, 0, least])], f32([3, -300, 0, least])],
      [(a: Int) => cg.cast(a, "f32"), [u32([4294967295, 2147483648])], f32([4294967295, 2147483648])],
    ],
  },
  add: {
    gives: [
      [cg.add, [x, y], f32([0.3 + 1.1, -1.2 + 0.4, 2.5 - 0.7])],
      [cg.add, [i32([2147483647]), i32([1])], i32([-2147483648])],
      [cg.add, [u32([4294967295]), u32([2])], u32([1])],
    ],
    derivatives: [[(a, b) => cg.add(a, b), [matrix, x]]],
  },
  sub: {
    gives: [
      [cg.sub, [i32([-2147483648]), i32([1])], i32([2147483647])],
      [cg.sub, [u32([1]), u32([2])], u32([4294967295])],
      [cg.sub, [f32([1]), f32([2.5])], f32([-1.5])],
    ],
    derivatives: [[(a, b) => cg.sub(a, b), [x, y]]],
  },
  mul: {
    gives: [
      [cg.mul, [f32([1.5, -2]), f32([4, 3])], f32([6, -6])],
      // 65537^2 = 2^32 + 2^17 + 1.
      [cg.mul, [i32([65537]), i32([65537])], i32([131073])],
      [cg.mul, [u32([4294967295]), u32([4294967295])], u32([1])],
    ],
    derivatives: [
      [(a, b) => cg.mul(a, b), [x, y]],
      [(a) => cg.mul(a, a), [x]],
    ],
  },
  div: {
    gives: [
      [cg.div, [f32([3]), f32([-4])], f32([-0.75])],
      [cg.div, [i32([-7, 7, 5]), i32([2, -2, 0])], i32([-3, -3, 5])],
      [
        cg.div,
        [i32([least, least, 0, -5, most, 6]), i32([-1, 0, 0, 0, -1, -1])],
        i32([least, least, 0, -5, -most, -6]),
      ],
      [cg.div, [u32([4294967295, 9]), u32([2, 0])], u32([2147483647, 9])],
    ],
    derivatives: [[(a, b) => cg.div(a, b), [x, y]]],
  },
  pow: {
    gives: [
      [
        cg.pow,
        [f32([2, 9, 0.5, -2, -2, -8, 1.1, 10, 3]), f32([10, 0.5, -3, 3, -2, 1, 7.5, -4, 0])],
        f32([1024, 3, 8, -8, 0.25, -8, 1.1 ** 7.5, 1e-4, 1]),
      ],
      [(a: Float) => cg.pow(a, 2.5), [f32([0.25, 4, 0])], f32([0.03125, 32, 0])],
      [(a: Float) => cg.pow(2, a), [f32([0.5, -1])], f32([Math.SQRT2, 0.5])],
    ],
    derivatives: [
      [(a, b) => cg.pow(a, b), [f32([0.3, 1.2, 2.5]), y]],
      [(a) => cg.pow(a, 3.5), [f32([0.3, 1.2, 2.5])]],
      [(a) => cg.pow(a, cg.fill(a.shape, -3)), [f32([0.9, -1.2, 2.5])]],
    ],
  },
  min: {
    gives: [
      [cg.min, [f32([1, -1]), f32([0, 5])], f32([0, -1])],
      [cg.min, [u32([4294967295]), u32([1])], u32([1])],
    ],
    derivatives: [[(a, b) => cg.min(a, b), [x, y]]],
  },
  max: {
    gives: [
      [cg.max, [f32([1, -1]), f32([0, 5])], f32([1, 5])],
      [cg.max, [i32([-3]), i32([-4])], i32([-3])],
    ],
    derivatives: [[(a, b) => cg.max(a, b), [x, y]]],
  },
  less: {
    gives: [
      [cg.less, [f32([1, 2, 3]), f32([2, 2, 2])], bool([1, 0, 0])],
      [cg.less, [u32([4294967295]), u32([1])], bool([0])],
      [cg.less, [i32([-1]), i32([1])], bool([1])],
    ],
  },
  equal: {
    gives: [
      [cg.equal, [f32([1, 2]), f32([1, 3])], bool([1, 0])],
      [cg.equal, [bool([1, 0]), bool([1, 1])], bool([1, 0])],
    ],
  },
  and: { gives: [[cg.and, [bool([0, 0, 1, 1]), bool([0, 1, 0, 1])], bool([0, 0, 0, 1])]] },
  or: { gives: [[cg.or, [bool([0, 0, 1, 1]), bool([0, 1, 0, 1])], bool([0, 1, 1, 1])]] },
  where: {
    gives: [
      [cg.where, [bool([1, 0]), f32([1, 2]), f32([3, 4])], f32([1, 4])],
      [cg.where, [bool([0]), i32([1]), i32([-4])], i32([-4])],
    ],
    derivatives: [[(a, b) => cg.where(cg.less(a, 0), cg.mul(a, b), cg.mul(b, b)), [x, y]]],
  },
  customGradient: {
    gives: [
      [
        (a: Float, b: Float) => {
          const [difference, product] = cg.customGradient(
            (v: Float, w: Float) => [cg.sub(v, w), cg.mul(v, w)],
            () => [undefined, undefined],
          )(a, b);
          return cg.sub(product as Float, difference as Float);
        },
        [x, y],
        f32([0.3 * 1.1 + 0.8, -1.2 * 0.4 + 1.6, 2.5 * -0.7 - 3.2]),
      ],
    ],
  },
  // The first words of the authors' known answers; see below for whole blocks.
  randomBits: {
    gives: [
      [() => cg.randomBits(0, { index: constant(0, "u32") }), [], u32(0x6b200159)],
      [
        (key: Tensor<"u32">, site: Tensor<"u32">, step: Tensor<"u32">, index: Tensor<"u32">) =>
          cg.randomBits(key, { site, step, index }),
        [u32(0x13198a2e), u32(0x03707344), u32(0x243f6a88), u32([0x85a308d3])],
        u32([0xc4923a9c]),
      ],
    ],
  },
} satisfies Partial<Record<TableOp, OpCase>>;

/** Numbers as a tensor of the trace. */
function f32Like(_: Float, values: readonly number[]): Float {
  return cg.stack(values.map((value) => constant(value)));
}

/**
 * @file Reductions and running sums composed of primitives, with values and derivatives even where the plain formula
 * has none.
 */
import { type Dim, mulDims, type Shape } from "../graph/dim.ts";
import { at } from "../graph/errors.ts";
import { faultOf, opOptions } from "../trace/fault.ts";
import type { Tensor } from "../trace/tensor.ts";
import { mean, pick, square } from "./composed.ts";
import { reduceMax } from "./contractions.ts";
import { abs, add, div, less, max, mul, not, sub } from "./elementwise.ts";
import { and, equal, finite, stopGradient, where } from "./logic.ts";
import { concat, slice } from "./pieces.ts";
import { scanTensors } from "./scan.ts";
import { dimSize, iota, ones } from "./sources.ts";
import { exp, log, sqrt } from "./transcendental.ts";
import {
  axisOf,
  broadcast,
  keepReduced,
  type ReductionOptions,
  reductionAxes,
  reshape,
  sum,
  transpose,
  zerosLike,
} from "./views.ts";

type Float = Tensor<"f32">;
type Axes = number | readonly number[];

const countOf = (x: Float, axes: readonly number[]) =>
  dimSize(axes.map((axis) => at(x.shape, axis)).reduce<Dim>(mulDims, 1));

/**
 * log of the sum of e^x over `axes` (all by default), shifted by the maximum so that it cannot overflow. -∞ if all
 * elements are -∞ or the axis is empty. Its derivative is the softmax.
 */
export function logSumExp(x: Float, axes?: Axes, options?: ReductionOptions): Float {
  const reduced = reductionAxes("logSumExp", x, axes, options);
  const most = stopGradient(reduceMax(x, reduced, { keepAxes: true }));
  // No shift by an infinity: the difference of two infinities is NaN.
  const shift = where(finite(most), most, 0);
  const total = log(sum(exp(sub(x, shift)), reduced, { keepAxes: true }));
  return dropAxes(add(total, shift), reduced, options);
}

/** Options of a variance. */
export interface VarianceOptions extends ReductionOptions {
  /** Subtracted from the number of elements in the divisor: 0 by default, as in JAX; the default of PyTorch is 1. */
  readonly correction?: number;
}

/**
 * Mean squared distance from the mean over `axes` (all by default), computed from the differences, so that a large mean
 * costs no precision. The variance of one number and its gradient are 0 for any correction: the divisor is at least 1.
 */
export function variance(x: Float, axes?: Axes, options: VarianceOptions = {}): Float {
  const { keepAxes, correction = 0 } = opOptions("variance", options, { keepAxes: "boolean", correction: "number" });
  const reduced = reductionAxes("variance", x, axes);
  const centered = sub(x, mean(x, reduced, { keepAxes: true }));
  const total = sum(square(centered), reduced, { keepAxes: true });
  return dropAxes(div(total, max(sub(countOf(x, reduced), correction), 1)), reduced, { keepAxes: keepAxes ?? false });
}

/** Options of a norm. */
export interface NormOptions extends ReductionOptions {
  /** 2 by default: the square root of the sum of squares. 1: the sum of magnitudes. Infinity: the largest magnitude. */
  readonly order?: number;
}

/**
 * Norm of x over `axes` (all by default). Numbers are scaled by the largest before they are squared, so that no square
 * overflows or underflows. The gradient at 0, where none exists, is defined as 0.
 *
 * @throws UserError for an order other than 1, 2 and Infinity.
 */
export function norm(x: Float, axes?: Axes, options: NormOptions = {}): Float {
  const { keepAxes = false, order = 2 } = opOptions("norm", options, { keepAxes: "boolean", order: "number" });
  const reduced = reductionAxes("norm", x, axes);
  if (order === 1) return sum(abs(x), reduced, { keepAxes });
  if (order === Number.POSITIVE_INFINITY) return reduceMax(abs(x), reduced, { keepAxes });
  if (order !== 2) throw faultOf("norm", `the order is ${order}; expected 1, 2 or Infinity`);
  const most = stopGradient(reduceMax(abs(x), reduced, { keepAxes: true }));
  const scale = where(and(finite(most), less(0, most)), most, 1);
  const total = sum(square(div(x, scale)), reduced, { keepAxes: true });
  const isZero = equal(total, 0);
  // sqrt is not evaluated at 0, where its slope is infinite.
  const length = where(isZero, 0, sqrt(where(isZero, 1, total)));
  return dropAxes(mul(length, scale), reduced, { keepAxes });
}

/** Up to this many elements a product is unrolled, and a running sum is one sum per element. */
const mostWritten = 64;

/**
 * Product over `axes` (all by default), 1 for an empty axis. The halves of an axis are multiplied until one number is
 * left; an axis that is long, or whose size is known only at run time, is reduced in a loop. Either way the derivative
 * is that of products, which is correct for elements that are 0 too.
 */
export function prod(x: Float, axes?: Axes, options?: ReductionOptions): Float {
  const reduced = reductionAxes("prod", x, axes, options);
  const product = [...reduced].reverse().reduce(productAlong, x);
  return options?.keepAxes ? keepReduced(product, x.shape, reduced) : product;
}

function productAlong(x: Float, axis: number): Float {
  const size = at(x.shape, axis);
  if (size === 0) return ones(x.shape.filter((_, i) => i !== axis));
  if (typeof size !== "number" || size > mostWritten) {
    const rows = toFront(x, axis);
    const step = ([total]: readonly Tensor[], [row]: readonly Tensor[]) => ({
      carries: [mul(total as Float, row as Float)],
      ys: [],
    });
    return at(scanTensors(step, [ones(rows.shape.slice(1))], [rows], { name: "prod" }).carries, 0) as Float;
  }
  let left = x;
  for (let count = size; count > 1; count = Math.ceil(count / 2)) {
    const half = Math.floor(count / 2);
    const pairs = mul(slice(left, axis, 0, half), slice(left, axis, half, half));
    // For an odd count the last one is left over.
    left = count % 2 === 0 ? pairs : concat([pairs, slice(left, axis, count - 1, 1)], axis);
  }
  return pick(left, 0, axis);
}

/** Options of a running sum. */
export interface CumsumOptions {
  /** From the last element to the first. */
  readonly reverse?: boolean;
}

/**
 * Running sum along `axis`: element i is the sum of elements 0 to i, or of i to the last with `reverse`. Up to 64
 * elements, each position sums its own elements, in one pass that can be fused with other work, also in a cell's step.
 * The elements are selected, not multiplied by a triangular matrix of ones and zeros, which would turn a later infinity
 * into NaN. For more elements, or a number known only at run time, it is a loop.
 */
export function cumsum(x: Float, axis = -1, options: CumsumOptions = {}): Float {
  const { reverse = false } = opOptions("cumsum", options, { reverse: "boolean" });
  const position = axisOf("cumsum", axis, x.shape.length);
  const size = at(x.shape, position);
  if (typeof size === "number" && size <= mostWritten) return selectedSums(x, position, size, reverse);
  const rows = toFront(x, position);
  const step = ([before]: readonly Tensor[], [row]: readonly Tensor[]) => {
    const total = add(before as Float, row as Float);
    return { carries: [total], ys: [total] };
  };
  const start = zerosLike({ dtype: "f32", shape: rows.shape.slice(1) });
  return fromFront(at(scanTensors(step, [start], [rows], { reverse, name: "cumsum" }).ys, 0) as Float, position);
}

/** Adds a second axis next to `axis` for the elements that each position sums. */
function selectedSums(x: Float, axis: number, size: number, reverse: boolean): Float {
  const { shape } = x;
  const [before, after] = [shape.slice(0, axis), shape.slice(axis + 1)];
  const wide: Shape = [...before, size, size, ...after];
  const elements = broadcast(reshape(x, [...before, 1, size, ...after]), wide);
  const [place, element] = [iota(wide, axis), iota(wide, axis + 1)];
  const isLeftOut = reverse ? less(element, place) : less(place, element);
  return sum(where(not(isLeftOut), elements, 0), axis + 1);
}

/** Moves `axis` to the front. */
function toFront(x: Float, axis: number): Float {
  const others = x.shape.map((_, i) => i).filter((i) => i !== axis);
  return transpose(x, [axis, ...others]);
}

/** The reverse of `toFront`. */
function fromFront(x: Float, axis: number): Float {
  return transpose(
    x,
    x.shape.map((_, i) => (i === axis ? 0 : i < axis ? i + 1 : i)),
  );
}

function dropAxes(x: Float, axes: readonly number[], options: ReductionOptions = {}): Float {
  return options.keepAxes
    ? x
    : reshape(
        x,
        x.shape.filter((_, axis) => !axes.includes(axis)),
      );
}

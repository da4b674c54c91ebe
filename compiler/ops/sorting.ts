/**
 * @file Sorting along an axis, composed of comparisons: the rank of an element is the number of elements that come before
 * it. Equal elements keep their order, so the result is the same on every device; gradients go to the elements that the
 * values were.
 */
import { at } from "../graph/errors.ts";
import { faultOf, opOptions } from "../trace/fault.ts";
import type { Tensor } from "../trace/tensor.ts";
import { abs, cast, less, not } from "./elementwise.ts";
import { and, equal, finite, or, stopGradient, where } from "./logic.ts";
import { iota } from "./sources.ts";
import { axisOf, broadcast, reshape, sum } from "./views.ts";

type Float = Tensor<"f32">;

/** Elements in order, and where each was along the axis. */
export interface Sorted {
  /** As x, with as many elements along the axis as were wanted. */
  readonly values: Float;
  /** Of the same shape: where each value was along the axis, from 0. */
  readonly indices: Tensor<"i32">;
}

/** Options of a sort. */
export interface SortOptions {
  /** From the largest to the smallest. */
  readonly descending?: boolean;
}

/**
 * Elements of x in ascending order along `axis` (the last by default), and their indices. The sort is stable; NaN counts
 * as larger than all numbers, and 0 equals -0. n elements take n² comparisons, which suits short axes.
 *
 * @throws UserError if the size of the axis is not known.
 */
export function sort(x: Float, axis = -1, options: SortOptions = {}): Sorted {
  const { descending = false } = opOptions("sort", options, { descending: "boolean" });
  return inOrder("sort", x, axis, undefined, descending);
}

/**
 * The k largest elements of x along `axis` (the last by default), the largest first, and their indices; of equal elements
 * those that come first. NaN counts as larger than all numbers.
 *
 * @throws UserError if the size of the axis is not known, or k is not a whole number from 1 to that size.
 */
export function topK(x: Float, k: number, axis = -1): Sorted {
  return inOrder("topK", x, axis, k, true);
}

function inOrder(op: string, x: Float, axis: number, wanted: number | undefined, descending: boolean): Sorted {
  const position = axisOf(op, axis, x.shape.length);
  const size = at(x.shape, position);
  if (typeof size !== "number") throw faultOf(op, `axis ${axis} has no known size; sort along one that has`);
  const count = wanted ?? size;
  if (!Number.isInteger(count) || count < Math.min(1, size) || count > size)
    throw faultOf(op, `k is ${count}; expected a whole number from 1 to ${size}`);
  const [before, after] = [x.shape.slice(0, position), x.shape.slice(position + 1)];
  /** Next to the axis of the elements, a second one for what each is compared with. */
  const widened = (rows: number) => {
    const shape = [...before, rows, size, ...after];
    const across = broadcast(reshape(x, [...before, 1, size, ...after]), shape);
    return { shape, across, row: iota(shape, position, "i32"), column: iota(shape, position + 1, "i32") };
  };
  const { shape, across, row, column } = widened(size);
  const [one, other] = [across, broadcast(reshape(x, [...before, size, 1, ...after]), shape)].map(stopGradient);
  const isBefore = comesBefore(other as Float, one as Float, descending);
  const isTie = and(not(isBefore), not(comesBefore(one as Float, other as Float, descending)));
  // For each column, the rows that come before it.
  const rank = sum(cast(or(isBefore, and(isTie, less(row, column))), "i32"), position);
  const chosen = widened(count);
  const ranks = broadcast(reshape(rank, [...before, 1, size, ...after]), chosen.shape);
  const isHere = equal(ranks, chosen.row);
  return {
    values: sum(where(isHere, chosen.across, 0), position + 1),
    indices: sum(where(isHere, chosen.column, 0), position + 1),
  };
}

/** Whether a comes strictly before b. */
function comesBefore(a: Float, b: Float, descending: boolean): Tensor<"bool"> {
  const [low, high] = descending ? [b, a] : [a, b];
  const [isLowNumber, isHighNumber] = [isNumber(low), isNumber(high)];
  return or(and(and(isLowNumber, isHighNumber), less(low, high)), and(isLowNumber, not(isHighNumber)));
}

/** Not by comparing it with itself, which a driver may assume to hold for every number. */
function isNumber(x: Float): Tensor<"bool"> {
  return or(finite(x), equal(abs(x), Number.POSITIVE_INFINITY));
}

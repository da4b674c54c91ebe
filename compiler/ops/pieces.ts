/** @file Views of parts: slice, its transpose pad, and concat. */
import { type Dim, formatShape, isRoundedUp, type Shape, sameShape } from "../graph/dim.ts";
import { at, UserError } from "../graph/errors.ts";
import type { DType } from "../graph/graph.ts";
import type { IndexArithmetic } from "../kernel/index-arithmetic.ts";
import { checking, faultOf } from "../trace/fault.ts";
import { emit } from "../trace/frame.ts";
import type { Tensor } from "../trace/tensor.ts";
import { type NeededExtent, type ViewEntry, withEntry } from "./entry.ts";
import { axisOf, checkedDim, normalizeAxis, operandOf, view, zerosLike } from "./views.ts";

/** The first index of a slice of an axis of size `total`; a negative start counts from the end. */
function startIndex<I>(m: IndexArithmetic<I>, start: number, total: Dim): I {
  return start < 0 ? m.sub(m.dim(total), m.dim(-start)) : m.dim(start);
}

function alongAxis(shape: Shape, axis: number, size: Dim): Shape {
  return shape.map((dim, i) => (i === axis ? size : dim));
}

function checkExtent(total: Dim, start: number, size: Dim): void {
  if (!Number.isInteger(start)) throw new UserError(`the start is ${start}; expected a whole number`);
  if (typeof total === "number" && typeof size === "number") {
    const first = start < 0 ? start + total : start;
    if (first < 0 || first + size > total) {
      throw new UserError(`entries ${first} to ${first + size} do not exist in an axis of ${total}`);
    }
  } else if (
    size === total || isRoundedUp(total, size) ? start !== 0 : typeof size !== "number" || (start < 0 && size > -start)
  ) {
    throw new UserError(
      `cannot take ${size} entries from ${start} of an axis of ${total}: give a whole number, or the whole axis`,
    );
  }
}

/** The size needed at run time; an axis of known size was checked by `checkExtent`. */
function neededExtent(total: Dim, start: number, size: Dim): NeededExtent | undefined {
  if (typeof total === "number" || typeof size === "string" || size === 0) return undefined;
  return { dim: total, atLeast: start < 0 ? -start : start + size };
}

const sliceEntry: ViewEntry<"slice"> = view("slice", {
  aval: (operands, { axis, start, size }) => {
    const { dtype, shape } = operandOf(operands);
    const position = normalizeAxis(axis, shape.length);
    checkExtent(at(shape, position), start, size);
    return { dtype, shape: alongAxis(shape, position, size) };
  },
  locate: ({ arithmetic: m, index, attrs, operands }) => {
    const start = startIndex(m, attrs.start, at(at(operands, 0), attrs.axis));
    return [
      {
        operand: 0,
        index: index.map((i, axis) => (axis === attrs.axis ? m.below(m.add(i, start), at(at(operands, 0), axis)) : i)),
      },
    ];
  },
  needs: (operands, { axis, start, size }) => neededExtent(at(at(operands, 0), axis), start, size),
  vjp: (ct, { operands, attrs }) => [pad(ct, attrs.axis, attrs.start, at(at(operands, 0).shape, attrs.axis))],
  jvp: ([tangent], { attrs }) => tangent && slice(tangent, attrs.axis, attrs.start, attrs.size),
});

/**
 * `size` entries of `axis` from `start`; a negative start counts from the end, so `slice(xs, 0, -1, 1)` is the last
 * entry.
 */
export const slice = withEntry(<D extends DType>(x: Tensor<D>, axis: number, start: number, size: Dim): Tensor<D> => {
  const position = axisOf("slice", axis, x.shape.length);
  const extent = checking("slice", () => checkedDim(size));
  if (start === 0 && extent === x.shape[position]) return x;
  return emit(sliceEntry, [x], { axis: position, start, size: extent }) as Tensor<D>;
}, sliceEntry);

const padEntry: ViewEntry<"pad"> = view("pad", {
  aval: (operands, { axis, start, size }) => {
    const { dtype, shape } = operandOf(operands);
    const position = normalizeAxis(axis, shape.length);
    checkExtent(size, start, at(shape, position));
    return { dtype, shape: alongAxis(shape, position, size) };
  },
  locate: ({ arithmetic: m, index, attrs, operands }) => {
    const from = startIndex(m, attrs.start, attrs.size);
    const to = m.add(from, m.dim(at(at(operands, 0), attrs.axis)));
    const when = { at: at(index, attrs.axis), from, to };
    return [
      {
        operand: 0,
        index: index.map((i, axis) => (axis === attrs.axis ? m.below(m.sub(i, from), at(at(operands, 0), axis)) : i)),
        when,
      },
    ];
  },
  needs: (operands, { axis, start, size }) => neededExtent(size, start, at(at(operands, 0), axis)),
  vjp: (ct, { operands, attrs }) => [slice(ct, attrs.axis, attrs.start, at(at(operands, 0).shape, attrs.axis))],
  jvp: ([tangent], { attrs }) => tangent && pad(tangent, attrs.axis, attrs.start, attrs.size),
});

/** Zeros of size `size` along `axis`, with `x` placed at `start`. */
export const pad = withEntry(<D extends DType>(x: Tensor<D>, axis: number, start: number, size: Dim): Tensor<D> => {
  const position = axisOf("pad", axis, x.shape.length);
  const extent = checking("pad", () => checkedDim(size));
  return emit(padEntry, [x], { axis: position, start, size: extent }) as Tensor<D>;
}, padEntry);

// -- concat -----------------------------------------------------------------------------------------------------------

/** The position of each operand's first entry along the concatenated axis. */
function concatStarts(operands: readonly { readonly shape: Shape }[], axis: number): number[] {
  let start = 0;
  return operands.map(({ shape }) => {
    const first = start;
    start += Number(shape[axis]);
    return first;
  });
}

const concatEntry: ViewEntry<"concat"> = view("concat", {
  aval: (operands, { axis }) => {
    const first = operandOf(operands);
    const position = normalizeAxis(axis, first.shape.length);
    let total: Dim = 0;
    for (const [i, { dtype, shape }] of operands.entries()) {
      const size = shape[position];
      if (typeof size === "string") {
        throw new UserError(
          `operand ${i} has the symbolic size ${size} along axis ${axis}; only axes of known size can be joined`,
        );
      }
      if (
        size === undefined ||
        dtype !== first.dtype ||
        !sameShape(alongAxis(shape, position, 1), alongAxis(first.shape, position, 1))
      ) {
        throw new UserError(
          `operand ${i} is ${dtype}${formatShape(shape)}, which does not match ${first.dtype}${formatShape(first.shape)} outside axis ${axis}`,
        );
      }
      total += size;
    }
    return { dtype: first.dtype, shape: alongAxis(first.shape, position, total) };
  },
  locate: ({ arithmetic: m, index, attrs, operands }) => {
    const starts = concatStarts(
      operands.map((shape) => ({ shape })),
      attrs.axis,
    );
    return operands.map((shape, operand) => {
      const from = m.dim(at(starts, operand));
      const to = m.dim(at(starts, operand) + Number(shape[attrs.axis]));
      const inside = index.map((i, axis) => (axis === attrs.axis ? m.below(m.sub(i, from), at(shape, axis)) : i));
      return { operand, index: inside, when: { at: at(index, attrs.axis), from, to } };
    });
  },
  vjp: (ct, { operands, attrs }) => {
    const starts = concatStarts(operands, attrs.axis);
    return operands.map(({ shape }, i) => slice(ct, attrs.axis, at(starts, i), at(shape, attrs.axis)));
  },
  jvp: (tangents, { operands, attrs }) =>
    concat(
      tangents.map((tangent, i) => tangent ?? zerosLike(at(operands, i))),
      attrs.axis,
    ),
});

/** Joins tensors along `axis`, where their sizes must be known numbers. */
export const concat = withEntry(<D extends DType>(xs: readonly Tensor<D>[], axis = -1): Tensor<D> => {
  const [first] = xs;
  if (first === undefined) throw faultOf("concat", "expected at least one tensor, got none");
  const position = axisOf("concat", axis, first.shape.length);
  return xs.length === 1 ? first : (emit(concatEntry, xs, { axis: position }) as Tensor<D>);
}, concatEntry);

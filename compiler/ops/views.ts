/**
 * @file Views, the ops that move numbers without changing them, and `sum`, the transpose of broadcast. All are linear,
 * so forward mode applies the op itself to the tangent.
 */

import {
  canonicalDim,
  type Dim,
  divideDims,
  formatShape,
  mulDims,
  type Shape,
  sameShape,
  sizeOf,
} from "../graph/dim.ts";
import { at, inWords, UserError } from "../graph/errors.ts";
import { type Aval, type DType, isDType, type OpAttrs, type OpName } from "../graph/graph.ts";
import type { IndexArithmetic } from "../kernel/index-arithmetic.ts";
import { expectTensors } from "../trace/expect.ts";
import { checking, faultOf, opOptions } from "../trace/fault.ts";
import { emit } from "../trace/frame.ts";
import type { Tensor } from "../trace/tensor.ts";
import { type Jvp, type ReductionEntry, type ViewEntry, type Vjp, withEntry } from "./entry.ts";

/** The position of an axis, which can count from the end; throws a UserError if it is out of range. */
export function normalizeAxis(axis: number, rank: number): number {
  const position = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || position < 0 || position >= rank) {
    throw new UserError(`axis ${axis} does not exist in a tensor of ${rank} axes`);
  }
  return position;
}

/** Like `normalizeAxis`, for an axis passed to `op`. */
export function axisOf(op: string, axis: number, rank: number): number {
  return checking(op, () => normalizeAxis(axis, rank));
}

export function view<K extends OpName>(
  op: K,
  rules: {
    aval: ViewEntry<K>["aval"];
    locate: ViewEntry<K>["locate"];
    needs?: NonNullable<ViewEntry<K>["needs"]>;
    vjp: Vjp<K>;
    jvp: Jvp<K>;
  },
): ViewEntry<K> {
  return { kind: "view", op, ...rules };
}

export const operandOf = (operands: readonly Aval[]): Aval => at(operands, 0);

// -- reshape ----------------------------------------------------------------------------------------------------------

const reshapeEntry: ViewEntry<"reshape"> = view("reshape", {
  aval: (operands, { shape }) => {
    const from = operandOf(operands);
    if (sizeOf(from.shape) !== sizeOf(shape)) {
      throw new UserError(
        `expected ${sizeOf(from.shape)} elements in all, as in ${formatShape(from.shape)}; got ${formatShape(shape)}`,
      );
    }
    return { dtype: from.dtype, shape };
  },
  locate: ({ arithmetic, index, operands, shape }) => [
    { operand: 0, index: reshapeIndex(arithmetic, index, shape, at(operands, 0)) },
  ],
  vjp: (ct, { operands }) => [reshape(ct, at(operands, 0).shape)],
  jvp: ([tangent], { attrs }) => tangent && reshape(tangent, attrs.shape),
});

/**
 * The index that a reshape reads. Axes are split and merged only within groups of equal size, so a batch axis that the
 * reshape does not change keeps its index.
 */
function reshapeIndex<I>(m: IndexArithmetic<I>, index: readonly I[], shape: Shape, from: Shape): I[] {
  // Without elements there is no index; sizes of 0 would never become equal.
  if (sizeOf(shape) === 0) return from.map(() => m.dim(0));
  const result: I[] = [];
  let axis = 0;
  while (result.length < from.length) {
    const [firstAxis, firstFrom] = [axis, result.length];
    let left: Dim = shape[axis] ?? 1;
    let right: Dim = at(from, result.length);
    let end = firstFrom + 1;
    axis += 1;
    while (left !== right) {
      const growLeft = divideDims(right, left) !== undefined || end >= from.length;
      if (growLeft && axis < shape.length) {
        left = mulDims(left, at(shape, axis));
        axis += 1;
      } else {
        right = mulDims(right, at(from, end));
        end += 1;
      }
    }
    const inner = ravel(m, index.slice(firstAxis, axis), shape.slice(firstAxis, axis));
    result.push(...unravel(m, inner, from.slice(firstFrom, end)));
  }
  return result;
}

/** The row-major position of an index. */
export function ravel<I>(m: IndexArithmetic<I>, index: readonly I[], shape: Shape): I {
  return index.reduce((flat, i, axis) => (axis === 0 ? i : m.add(m.mul(flat, m.dim(at(shape, axis))), i)), m.dim(0));
}

/** The index at a row-major position. */
export function unravel<I>(m: IndexArithmetic<I>, position: I, shape: Shape): I[] {
  const index: I[] = [];
  let rest = position;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = m.dim(at(shape, axis));
    index.unshift(axis === 0 ? rest : m.mod(rest, size));
    rest = axis === 0 ? rest : m.div(rest, size);
  }
  return index;
}

/** The same elements in row-major order with another shape; one size can be `-1`, which is then inferred. */
export const reshape = withEntry(<D extends DType>(x: Tensor<D>, shape: Shape): Tensor<D> => {
  const known = checking("reshape", () => shape.filter((dim) => dim !== -1).map(checkedDim));
  const open = shape.length - known.length;
  const rest = open === 0 ? 1 : divideDims(sizeOf(x.shape), sizeOf(known));
  if (rest === undefined || open > 1) {
    const why = open > 1 ? "; only one size can be -1" : "";
    throw faultOf("reshape", `${formatShape(x.shape)} does not divide into ${formatShape(shape)}${why}`);
  }
  const target = shape.map((dim) => (dim === -1 ? rest : checkedDim(dim)));
  if (sameShape(x.shape, target)) return x;
  return emit(reshapeEntry, [x], { shape: target }) as Tensor<D>;
}, reshapeEntry);

/** The canonical form of a dimension that the user wrote. */
export function checkedDim(dim: Dim): Dim {
  const canonical = canonicalDim(dim);
  if (canonical === undefined) {
    throw new UserError(`dimension ${dim} is neither a whole number nor a product of symbols such as B or T`);
  }
  return canonical;
}

/** A dtype that the user wrote. */
export function checkedDType<D extends DType>(dtype: D): D {
  if (!isDType(dtype)) throw new UserError(`dtype ${inWords(dtype)} is not one of f32, i32, u32 and bool`);
  return dtype;
}

// -- transpose --------------------------------------------------------------------------------------------------------

const transposeEntry: ViewEntry<"transpose"> = view("transpose", {
  aval: (operands, { permutation }) => {
    const { dtype, shape } = operandOf(operands);
    const sorted = [...permutation].sort((a, b) => a - b);
    if (sorted.length !== shape.length || sorted.some((axis, i) => axis !== i)) {
      throw new UserError(`expected a permutation of ${shape.length} axes, got [${permutation.join(", ")}]`);
    }
    return { dtype, shape: permutation.map((axis) => at(shape, axis)) };
  },
  locate: ({ index, attrs }) => [
    { operand: 0, index: attrs.permutation.map((_, axis) => at(index, attrs.permutation.indexOf(axis))) },
  ],
  vjp: (ct, { attrs }) => [
    transpose(
      ct,
      attrs.permutation.map((_, axis) => attrs.permutation.indexOf(axis)),
    ),
  ],
  jvp: ([tangent], { attrs }) => tangent && transpose(tangent, attrs.permutation),
});

/** Permutes the axes; without a permutation, swaps the last two. */
export const transpose = withEntry(<D extends DType>(x: Tensor<D>, permutation?: readonly number[]): Tensor<D> => {
  const axes = x.shape.map((_, axis) => axis);
  const order = permutation ?? [...axes.slice(0, -2), ...axes.slice(-2).reverse()];
  if (order.length === axes.length && order.every((axis, i) => axis === i)) return x;
  return emit(transposeEntry, [x], { permutation: order }) as Tensor<D>;
}, transposeEntry);

// -- broadcast and sum ------------------------------------------------------------------------------------------------

const broadcastEntry: ViewEntry<"broadcast"> = view("broadcast", {
  aval: (operands, { shape, axes }) => {
    const from = operandOf(operands);
    const fits = axes.length === from.shape.length && axes.every((axis, i) => shape[axis] === from.shape[i]);
    if (!fits || axes.some((axis, i) => i > 0 && axis <= at(axes, i - 1))) {
      throw new UserError(`${formatShape(from.shape)} does not fit ${formatShape(shape)} at axes [${axes.join(", ")}]`);
    }
    return { dtype: from.dtype, shape };
  },
  locate: ({ index, attrs }) => [{ operand: 0, index: attrs.axes.map((axis) => at(index, axis)) }],
  vjp: (ct, { attrs }) => [
    sum(
      ct,
      attrs.shape.map((_, axis) => axis).filter((axis) => !attrs.axes.includes(axis)),
    ),
  ],
  jvp: ([tangent], { attrs }) => tangent && broadcastAxes(tangent, attrs.shape, attrs.axes),
});

/** Repeats `x` along new axes: axis i of `x` becomes axis `axes[i]` of `shape`. */
export const broadcastAxes = withEntry(
  <D extends DType>(x: Tensor<D>, shape: Shape, axes: readonly number[]): Tensor<D> => {
    if (sameShape(x.shape, shape)) return x;
    const target = checking("broadcast", () => shape.map(checkedDim));
    return emit(broadcastEntry, [x], { shape: target, axes }) as Tensor<D>;
  },
  broadcastEntry,
);

/** Repeats `x` to `shape`: axes are matched from the right, and axes of size 1 are repeated. */
export function broadcast<D extends DType>(x: Tensor<D>, shape: Shape): Tensor<D> {
  const offset = shape.length - x.shape.length;
  const kept = x.shape.map((_, axis) => axis).filter((axis) => x.shape[axis] === shape[axis + offset]);
  const fits = offset >= 0 && x.shape.every((dim, axis) => dim === 1 || dim === shape[axis + offset]);
  if (!fits) throw faultOf("broadcast", `${formatShape(x.shape)} does not fit ${formatShape(shape)}`);
  return broadcastAxes(
    reshape(
      x,
      kept.map((axis) => at(x.shape, axis)),
    ),
    shape,
    kept.map((axis) => axis + offset),
  );
}

const sumEntry: ReductionEntry<"sum"> = {
  kind: "reduction",
  op: "sum",
  aval: (operands, { axes }) => {
    const from = operandOf(operands);
    if (from.dtype === "bool") throw new UserError("the operand is bool; expected f32, i32 or u32 (cast it)");
    return reducedAval(from, axes);
  },
  axes: ({ axes }) => axes,
  initial: 0,
  combine: (a, b) => a + b,
  kernel: (e, a, b) => e.add(a, b),
  vjp: (ct, { operands, attrs }) => [broadcastReduced(ct, at(operands, 0).shape, attrs.axes)],
  jvp: ([tangent], { attrs }) => tangent && sum(tangent, attrs.axes),
};

/** The aval after reducing some axes. */
export function reducedAval(from: Aval, axes: readonly number[]): Aval {
  for (const axis of axes) normalizeAxis(axis, from.shape.length);
  return { dtype: from.dtype, shape: from.shape.filter((_, axis) => !axes.includes(axis)) };
}

/** Restores reduced axes by repetition. */
export function broadcastReduced<D extends DType>(x: Tensor<D>, shape: Shape, axes: readonly number[]): Tensor<D> {
  return broadcastAxes(
    x,
    shape,
    shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis)),
  );
}

/** How axes are reduced. */
export interface ReductionOptions {
  /** Keep the reduced axes, each with size 1. */
  readonly keepAxes?: boolean;
}

/** The axes that a user named (one, several, or all by default), sorted and counted from the front. */
export function reductionAxes(
  op: string,
  x: Tensor,
  axes: number | readonly number[] | undefined,
  options: ReductionOptions = {},
): number[] {
  opOptions(op, options, { keepAxes: "boolean" });
  expectTensors(op, x);
  const given = axes === undefined ? x.shape.map((_, axis) => axis) : typeof axes === "number" ? [axes] : axes;
  return [...new Set(given.map((axis) => axisOf(op, axis, x.shape.length)))].sort((a, b) => a - b);
}

/** Sum over `axes` (all by default); the reduced axes are removed unless `keepAxes` is set. */
export const sum = withEntry(
  <D extends "f32" | "i32" | "u32">(
    x: Tensor<D>,
    axes?: number | readonly number[],
    options?: ReductionOptions,
  ): Tensor<D> => {
    const reduced = reductionAxes("sum", x, axes, options);
    if (reduced.length === 0) return x;
    const result = emit(sumEntry, [x], { axes: reduced }) as Tensor<D>;
    return options?.keepAxes ? keepReduced(result, x.shape, reduced) : result;
  },
  sumEntry,
);

export function keepReduced<D extends DType>(x: Tensor<D>, shape: Shape, axes: readonly number[]): Tensor<D> {
  return reshape(
    x,
    shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim)),
  );
}

// -- zeros, which the rules above need --------------------------------------------------------------------------------

/** The least and the greatest number of each integer dtype and of bool. */
export const ranges: Readonly<Record<DType, readonly [number, number] | undefined>> = {
  f32: undefined,
  bool: [0, 1],
  i32: [-(2 ** 31), 2 ** 31 - 1],
  u32: [0, 2 ** 32 - 1],
};

/** An integer constant must be exactly representable in its dtype. */
export function constantAval({ value, dtype }: OpAttrs["constant"]): Aval {
  const range = ranges[checkedDType(dtype)];
  if (range !== undefined && !(Number.isInteger(value) && value >= range[0] && value <= range[1]))
    throw new UserError(`${value} is not a valid ${dtype}; expected a whole number from ${range[0]} to ${range[1]}`);
  return { dtype, shape: [] };
}

const constantRule = {
  op: "constant" as const,
  aval: (_: readonly Aval[], attrs: OpAttrs["constant"]) => constantAval(attrs),
};

/** A scalar constant. */
export function constant<D extends DType = "f32">(value: number, dtype?: D): Tensor<NoInfer<D>> {
  return emit(constantRule, [], { value, dtype: dtype ?? "f32" }) as Tensor<D>;
}

/** A tensor with one number in every element. */
export function fill<D extends DType = "f32">(shape: Shape, value: number, dtype?: D): Tensor<NoInfer<D>> {
  return broadcastAxes(constant(value, dtype), shape, []);
}

/** Zeros with the dtype and shape of x. */
export function zerosLike<D extends DType>(x: { readonly shape: Shape; readonly dtype: D }): Tensor<D> {
  return fill(x.shape, 0, x.dtype);
}

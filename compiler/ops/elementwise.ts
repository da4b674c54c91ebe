/**
 * @file Elementwise ops: value, kernel expression and derivative of each on one screen. To add one, write an entry here
 * or in `transcendental.ts` and add its name to `graph/op-schema.ts`.
 *
 * `partials` returns the derivative of the result with respect to each operand; both modes of differentiation use it. A
 * partial of 1 or -1 is written as that number; undefined means that there is no derivative in that operand.
 */

import { formatShape, type Shape, sameShape } from "../graph/dim.ts";
import { at, inWords, UserError } from "../graph/errors.ts";
import type { Aval, DType, OpAttrs, OpName } from "../graph/graph.ts";
import { divideI32, divideU32, fromI32, fromU32, max32, min32, toI32, toU32 } from "../kernel/math/numbers.ts";
import { checking, faultOf } from "../trace/fault.ts";
import { emit } from "../trace/frame.ts";
import { Tensor } from "../trace/tensor.ts";
import { type ElementwiseEntry, type Op, type RuleContext, withEntry } from "./entry.ts";
import { broadcast, checkedDType, constant, ranges } from "./views.ts";

export type Float = Tensor<"f32">;
type Partial = Float | 1 | -1 | undefined;
export type NumberType = "f32" | "i32" | "u32";

export interface Rules<K extends OpName> {
  readonly dtypes: readonly DType[];
  readonly result?: DType;
  readonly scalar: ElementwiseEntry<K>["scalar"];
  readonly kernel: ElementwiseEntry<K>["kernel"];
  readonly partials?: (context: RuleContext<K>) => readonly Partial[];
  readonly cheap?: boolean;
}

export const float: readonly DType[] = ["f32"];
export const numeric: readonly DType[] = ["f32", "i32", "u32"];
export const truth: readonly DType[] = ["bool"];
export const every: readonly DType[] = ["f32", "i32", "u32", "bool"];

export function elementwise<K extends OpName>(op: K, rules: Rules<K>): ElementwiseEntry<K> {
  return {
    kind: "elementwise",
    op,
    cheap: rules.cheap ?? true,
    scalar: rules.scalar,
    kernel: rules.kernel,
    aval: (operands, attrs) => elementwiseAval(operands, rules, attrs),
    vjp: (ct, context) => {
      const partials = rules.partials?.(context) ?? [];
      return context.operands.map((_, i) => scale(ct, partials[i], context));
    },
    jvp: (tangents, context) => {
      const partials = rules.partials?.(context) ?? [];
      const terms = tangents
        .map((tangent, i) => tangent && scale(tangent, partials[i], context))
        .filter((term) => term !== undefined);
      return terms.length === 0 ? undefined : terms.reduce((total, term) => add(total, term));
    },
  };
}

function scale(x: Float, partial: Partial, { times }: Pick<RuleContext<OpName>, "times">): Float | undefined {
  if (partial === undefined) return undefined;
  if (partial === 1) return x;
  return partial === -1 ? neg(x) : times(x, partial);
}

export function elementwiseAval<K extends OpName>(operands: readonly Aval[], rules: Rules<K>, attrs: OpAttrs[K]): Aval {
  const first = at(operands, 0);
  for (const [i, operand] of operands.entries()) {
    if (!rules.dtypes.includes(operand.dtype)) {
      throw new UserError(`operand ${i} is ${operand.dtype}; expected ${rules.dtypes.join(" or ")} (cast it)`);
    }
    if (operand.dtype !== first.dtype) {
      throw new UserError(`operands are ${first.dtype} and ${operand.dtype}; expected one dtype (cast one of them)`);
    }
    if (!sameShape(operand.shape, first.shape)) {
      throw new UserError(`expected shape ${formatShape(first.shape)}, got ${formatShape(operand.shape)}`);
    }
  }
  const target = (attrs as { readonly dtype?: DType }).dtype;
  return { dtype: target ?? rules.result ?? first.dtype, shape: first.shape };
}

// -- implicit broadcasting --------------------------------------------------------------------------------------------

/** The broadcast shape by the usual rule: axes are matched from the right, and size 1 repeats. */
export function broadcastShapes(op: string, shapes: readonly Shape[]): Shape {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const dims = shapes
      .map((shape) => shape[axis - rank + shape.length])
      .filter((dim) => dim !== undefined && dim !== 1);
    if (dims.some((dim) => dim !== dims[0])) {
      throw faultOf(
        op,
        `shapes ${shapes.map(formatShape).join(" and ")} do not fit: axes are matched from the right and must be equal or 1`,
      );
    }
    return dims[0] ?? 1;
  });
}

/** Turns numbers into constants of the tensors' dtype and broadcasts every operand to the common shape. */
export function together(op: string, operands: readonly (Tensor | number)[]): Tensor[] {
  for (const [i, operand] of operands.entries()) {
    // JavaScript callers can pass anything.
    if (!(typeof operand === "number" || operand instanceof Tensor))
      throw faultOf(op, `operand ${i} is ${inWords(operand)}; expected a tensor or a number`);
  }
  const dtype = operands.find((operand) => operand instanceof Tensor)?.dtype ?? "f32";
  const tensors = operands.map((operand) => (typeof operand === "number" ? constant(operand, dtype) : operand));
  const shape = broadcastShapes(
    op,
    tensors.map((tensor) => tensor.shape),
  );
  return tensors.map((tensor) => (sameShape(tensor.shape, shape) ? tensor : broadcast(tensor, shape)));
}

export type Unary<K extends OpName, D extends DType = "f32"> = Op<K, <X extends D>(x: Tensor<X> | number) => Tensor<X>>;

/** A function of two operands of one dtype, that of the first tensor. */
export interface OfTwo<D extends DType, R extends DType | "same" = "same"> {
  <X extends D>(a: number, b: Tensor<X>): Tensor<R extends DType ? R : X>;
  <X extends D>(a: Tensor<X> | number, b: Tensor<NoInfer<X>> | number): Tensor<R extends DType ? R : X>;
}

export type Binary<K extends OpName, D extends DType = NumberType> = Op<K, OfTwo<D>>;

export function unary<K extends OpName, D extends DType = "f32">(
  op: K,
  attrs: OpAttrs[K],
  rules: Rules<K>,
): Unary<K, D> {
  const entry = elementwise(op, rules);
  return withEntry(<X extends D>(x: Tensor<X> | number) => emit(entry, together(op, [x]), attrs) as Tensor<X>, entry);
}

export function binary<K extends OpName, D extends DType = NumberType>(
  op: K,
  attrs: OpAttrs[K],
  rules: Rules<K>,
): Binary<K, D> {
  const entry = elementwise(op, rules);
  const call = <X extends D>(a: Tensor<X> | number, b: Tensor<X> | number) =>
    emit(entry, together(op, [a, b]), attrs) as Tensor<X>;
  return withEntry(call, entry);
}

export type Comparison<K extends OpName, D extends DType> = Op<K, OfTwo<D, "bool">>;

export function comparison<K extends OpName, D extends DType>(
  op: K,
  attrs: OpAttrs[K],
  rules: Rules<K>,
): Comparison<K, D> {
  const entry = elementwise(op, { ...rules, result: "bool" });
  const call = <X extends D>(a: Tensor<X> | number, b: Tensor<X> | number) =>
    emit(entry, together(op, [a, b]), attrs) as Tensor<"bool">;
  return withEntry(call, entry);
}

// -- arithmetic -------------------------------------------------------------------------------------------------------

/** a + b */
export const add: Binary<"add"> = binary(
  "add",
  {},
  {
    dtypes: numeric,
    scalar: ([a = 0, b = 0]) => a + b,
    kernel: (e, [a, b]) => e.add(a, b),
    partials: () => [1, 1],
  },
);

/** a - b */
export const sub: Binary<"sub"> = binary(
  "sub",
  {},
  {
    dtypes: numeric,
    scalar: ([a = 0, b = 0]) => a - b,
    kernel: (e, [a, b]) => e.sub(a, b),
    partials: () => [1, -1],
  },
);

/** a · b, elementwise; `matmul` is the matrix product. */
export const mul: Binary<"mul"> = binary(
  "mul",
  {},
  {
    dtypes: numeric,
    scalar: ([a = 0, b = 0], dtype) => (dtype === "f32" ? a * b : Math.imul(a, b)),
    kernel: (e, [a, b]) => e.mul(a, b),
    partials: ({ operands: [a, b] }) => [b, a],
  },
);

/** a / b. Integer division truncates towards 0; a / 0 is a, and -2147483648 / -1 is -2147483648. */
export const div: Binary<"div"> = binary(
  "div",
  {},
  {
    dtypes: numeric,
    scalar: ([a = 0, b = 0], dtype) => (dtype === "f32" ? a / b : b === 0 ? a : Math.trunc(a / b)),
    kernel: (e, [a, b], dtype) =>
      dtype === "f32" ? e.div(a, b) : e.call(dtype === "i32" ? divideI32 : divideU32, [a, b]),
    partials: ({ operands: [, b], out }) => [div(1, b), neg(div(out, b))],
  },
);

/** -x; -2147483648 in i32 stays the same, since integers wrap. */
export const neg: Unary<"neg", "f32" | "i32"> = unary(
  "neg",
  {},
  {
    dtypes: ["f32", "i32"],
    scalar: ([x = 0]) => -x,
    kernel: (e, [x]) => e.neg(x),
    partials: () => [-1],
  },
);

/** The larger operand, NaN if either is NaN; operands that are equal each get half the gradient. */
export const max: Binary<"max"> = binary(
  "max",
  {},
  {
    dtypes: numeric,
    scalar: ([a = 0, b = 0]) => Math.max(a, b),
    kernel: (e, [a, b], dtype) => (dtype === "f32" ? e.call(max32, [a, b]) : e.max(a, b)),
    partials: ({ operands: [a, b] }) => [share(b, a), share(a, b)],
  },
);

/** The smaller operand, NaN if either is NaN; operands that are equal each get half the gradient. */
export const min: Binary<"min"> = binary(
  "min",
  {},
  {
    dtypes: numeric,
    scalar: ([a = 0, b = 0]) => Math.min(a, b),
    kernel: (e, [a, b], dtype) => (dtype === "f32" ? e.call(min32, [a, b]) : e.min(a, b)),
    partials: ({ operands: [a, b] }) => [share(a, b), share(b, a)],
  },
);

/** 1 where a < b, 1/2 where they are equal, 0 elsewhere. */
function share(a: Tensor<"f32">, b: Tensor<"f32">): Tensor<"f32"> {
  return add(mul(cast(less(a, b), "f32"), 0.5), mul(cast(not(less(b, a)), "f32"), 0.5));
}

/** |x|; its derivative at 0 is defined as 0. -2147483648 in i32 stays the same, since integers wrap. */
export const abs: Unary<"abs", "f32" | "i32"> = unary(
  "abs",
  {},
  {
    dtypes: ["f32", "i32"],
    scalar: ([x = 0]) => Math.abs(x),
    kernel: (e, [x]) => e.abs(x),
    partials: ({ operands: [x] }) => [sub(cast(less(0, x), "f32"), cast(less(x, 0), "f32"))],
  },
);

/** The largest integer that is not above x; its derivative is 0. */
export const floor: Unary<"floor"> = unary(
  "floor",
  {},
  {
    dtypes: float,
    scalar: ([x = 0]) => Math.floor(x),
    kernel: (e, [x]) => e.floor(x),
  },
);

// -- what the rules above need ----------------------------------------------------------------------------------------

/** a < b; false if either is NaN. */
export const less: Comparison<"less", NumberType> = comparison(
  "less",
  {},
  {
    dtypes: numeric,
    scalar: ([a = 0, b = 0]) => Number(a < b),
    kernel: (e, [a, b]) => e.less(a, b),
  },
);

/** Logical negation. */
export const not: Unary<"not", "bool"> = unary(
  "not",
  {},
  {
    dtypes: truth,
    scalar: ([x = 0]) => Number(x === 0),
    kernel: (e, [x]) => e.not(x),
  },
);

const castEntry = elementwise<"cast">("cast", {
  dtypes: every,
  scalar: ([x = 0], dtype, _, [from]) => {
    if (dtype === "bool") return Number((from === "f32" ? Math.fround(x) : x) !== 0);
    const range = from === "f32" ? ranges[dtype] : undefined;
    // The interpreter wraps integers and turns NaN into 0.
    return range === undefined ? x : Math.min(Math.max(Math.trunc(x), range[0]), range[1]);
  },
  kernel: (e, [x], dtype) => {
    if (x.type === "i32" && dtype === "f32") return e.call(fromI32, [x]);
    if (x.type === "u32" && dtype === "f32") return e.call(fromU32, [x]);
    if (x.type !== "f32") return e.convert(x, dtype);
    if (dtype === "i32") return e.call(toI32, [x]);
    if (dtype === "u32") return e.call(toU32, [x]);
    // To bool by the bits: a driver can treat a subnormal number as 0, and NaN as anything.
    return e.notEqual(e.bitAnd(e.bitcast(x, "u32"), e.u32(0x7fffffff)), e.u32(0));
  },
  partials: ({ out }) => [out.dtype === "f32" ? 1 : undefined],
});

/**
 * The same number in another dtype, with the same result on every device:
 *
 * - f32 to i32 or u32 drops the fraction. Numbers outside the integer range and infinities give the nearest integer
 *   (2147483647, -2147483648, 4294967295, 0), and NaN gives 0.
 * - i32 to u32 and back keeps the bits: -1 is 4294967295.
 * - i32 or u32 to f32 rounds to the nearest f32; exact up to 16777216.
 * - A number to bool is true unless it is 0; NaN is true. bool to a number gives 1 or 0.
 */
export const cast = withEntry(<D extends DType>(x: Tensor, dtype: D): Tensor<D> => {
  const target = checking("cast", () => checkedDType(dtype));
  return (x.dtype === target ? x : emit(castEntry, [x], { dtype: target })) as Tensor<D>;
}, castEntry);

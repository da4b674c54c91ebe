/** @file Values without operands: constants, counters and the sizes of symbolic dimensions. */
import { type Dim, evaluateDim, type Shape } from "../graph/dim.ts";
import { at, InternalError, UserError } from "../graph/errors.ts";
import type { OpName } from "../graph/graph.ts";
import { checking } from "../trace/fault.ts";
import { emit } from "../trace/frame.ts";
import type { Tensor } from "../trace/tensor.ts";
import { type SourceEntry, withEntry } from "./entry.ts";
import { checkedDim, constant, constantAval, fill } from "./views.ts";

const noDerivative = { vjp: () => [], jvp: () => undefined };

function source<K extends OpName>(op: K, rules: Pick<SourceEntry<K>, "aval" | "element" | "kernel">): SourceEntry<K> {
  return { kind: "source", op, ...noDerivative, ...rules };
}

const constantEntry = source("constant", {
  aval: (_, attrs) => constantAval(attrs),
  element: (_, { value }) => value,
  kernel: (e, _, { value, dtype }) => e.literal(value, dtype),
});

const iotaEntry = source("iota", {
  aval: (_, { dtype, shape, axis }) => {
    if (dtype === "bool") throw new UserError("iota counts in f32, i32 or u32, not bool");
    if (!(axis >= 0 && axis < shape.length))
      throw new UserError(`axis ${axis} does not exist in a tensor of ${shape.length} axes`);
    return { dtype, shape };
  },
  element: (index, { axis }) => at(index, axis),
  kernel: (e, index, { axis, dtype }) => e.convert(at(index, axis), dtype),
});

const dimSizeEntry = source("dimSize", {
  aval: () => ({ dtype: "f32", shape: [] }),
  element: (_, { dim }, sizes) => evaluateDim(dim, sizes),
  kernel: (e, _, { dim }) => e.convert(e.size(dim), "f32"),
});

export const constantOp = withEntry(constant, constantEntry);

/** 0, 1, 2, … along one axis of `shape`. */
export const iota = withEntry(
  <D extends "f32" | "i32" | "u32" = "i32">(shape: Shape, axis = 0, dtype?: D): Tensor<NoInfer<D>> => {
    const sizes = checking("iota", () => shape.map(checkedDim));
    return emit(iotaEntry, [], { shape: sizes, axis, dtype: dtype ?? "i32" }) as Tensor<D>;
  },
  iotaEntry,
);

/** The size of a dimension as an f32 scalar; a symbolic size is known only at run time. */
export const dimSize = withEntry((dim: Dim): Tensor<"f32"> => {
  const canonical = checking("dimSize", () => checkedDim(dim));
  return typeof canonical === "number"
    ? constant(canonical)
    : (emit(dimSizeEntry, [], { dim: canonical }) as Tensor<"f32">);
}, dimSizeEntry);

/** Zeros, f32. */
export function zeros(shape: Shape): Tensor<"f32"> {
  return fill(shape, 0);
}

/** Ones, f32. */
export function ones(shape: Shape): Tensor<"f32"> {
  return fill(shape, 1);
}

const inputEntry: SourceEntry<"input"> = source("input", {
  aval: (_, { aval }) => aval,
  element: () => {
    throw new UserError("an input has no value here");
  },
  kernel: () => {
    throw new InternalError("an input has no value here");
  },
});

export const inputOp = { entry: inputEntry };

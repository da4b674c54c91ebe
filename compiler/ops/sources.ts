/** @file Values that come from nowhere: constants, counters and the sizes of symbolic dimensions. */
import { type Dim, evaluateDim, type Shape } from "../graph/dim.ts";
import { at, UserError } from "../graph/errors.ts";
import type { DType, OpName } from "../graph/graph.ts";
import { checking } from "../trace/fault.ts";
import { emit } from "../trace/frame.ts";
import type { Tensor } from "../trace/tensor.ts";
import { type SourceEntry, withEntry } from "./entry.ts";
import { checkedDim, constant, constantAval, fill } from "./views.ts";

const noDerivative = { vjp: () => [], jvp: () => undefined };

function source<K extends OpName>(op: K, rules: Pick<SourceEntry<K>, "aval" | "element" | "wgsl">): SourceEntry<K> {
  return { kind: "source", op, ...noDerivative, ...rules };
}

/** A number as a WGSL literal of its dtype. */
export function literal(value: number, dtype: DType): string {
  if (dtype === "bool") return value === 0 ? "false" : "true";
  if (dtype === "u32") return `${value >>> 0}u`;
  if (dtype === "i32") return value === -2147483648 ? "(-2147483647i - 1i)" : `${value | 0}i`;
  const rounded = Math.fround(value);
  // WGSL rejects literals that overflow or are NaN, and its compilers drop the sign of a zero; a bit pattern says the same.
  const ofBits = (bits: string) => `bitcast<f32>(cg_opaque(${bits}))`;
  if (!Number.isFinite(rounded))
    return ofBits(Number.isNaN(rounded) ? "0x7fc00000u" : rounded > 0 ? "0x7f800000u" : "0xff800000u");
  if (Object.is(rounded, -0)) return ofBits("0x80000000u");
  const text = String(rounded);
  return `${rounded < 0 ? `(${text}` : text}${/[.e]/.test(text) ? "" : ".0"}f${rounded < 0 ? ")" : ""}`;
}

const constantEntry = source("constant", {
  aval: (_, attrs) => constantAval(attrs),
  element: (_, { value }) => value,
  wgsl: (_, __, { value, dtype }) => literal(value, dtype),
});

const iotaEntry = source("iota", {
  aval: (_, { dtype, shape, axis }) => {
    if (dtype === "bool") throw new UserError("iota counts in f32, i32 or u32, not bool");
    if (!(axis >= 0 && axis < shape.length))
      throw new UserError(`axis ${axis} does not exist in a tensor of ${shape.length} axes`);
    return { dtype, shape };
  },
  element: (index, { axis }) => at(index, axis),
  wgsl: (_, index, { axis, dtype }) => `${dtype}(${at(index, axis)})`,
});

const dimSizeEntry = source("dimSize", {
  aval: () => ({ dtype: "f32", shape: [] }),
  element: (_, { dim }, sizes) => evaluateDim(dim, sizes),
  wgsl: (arithmetic, _, { dim }) => `f32(${arithmetic.dim(dim)})`,
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

/** The size of a dimension as an f32 scalar; of a symbolic one it is known only when the program runs. */
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
    throw new UserError("an input has no value of its own");
  },
  wgsl: () => "",
});

export const inputOp = { entry: inputEntry };

/**
 * @file Values of a graph as Python expressions. A value can be written in several shapes: NumPy's broadcasting makes most
 * broadcasts and changes of shape unnecessary, so the reader of a value takes the form that fits.
 */
import { type Dim, type Shape, sameShape, sizeOf } from "../../compiler/graph/dim.ts";
import { at } from "../../compiler/graph/errors.ts";
import type { Aval } from "../../compiler/graph/graph.ts";
import { type Code, call, code, floatText, method, subscript, tuple } from "./python.ts";

/** An expression, and the shape of its value. */
export interface Form {
  readonly shape: Shape;
  readonly code: Code;
}

/** What a value is besides its text, for expressions that Python has a shorter name for. */
export type Pattern =
  | { readonly kind: "sum"; readonly of: Value; readonly axes: readonly number[]; readonly keeps: boolean }
  | { readonly kind: "less"; readonly a: Value; readonly b: Value }
  | { readonly kind: "equal"; readonly a: Value; readonly b: Value }
  | { readonly kind: "at most"; readonly a: Value; readonly b: Value }
  | { readonly kind: "negative"; readonly of: Value }
  | { readonly kind: "size"; readonly dim: Dim };

export interface Value {
  readonly aval: Aval;
  /**
   * Forms with the elements of the value: each has as many, in row-major order, or gives them when broadcast to the value's
   * shape. The first one is preferred.
   */
  readonly forms: readonly Form[];
  /** The number, if the value is a known scalar, repeated. */
  readonly known?: number;
  /** A Python number, whose dtype follows from what it meets. */
  readonly weak?: boolean;
  /** Not computed where it is written: a name, a number or a parameter. */
  readonly simple?: boolean;
  readonly pattern?: Pattern;
  /** Of a parameter: its path in the tree. */
  readonly path?: readonly string[];
}

/** Whether NumPy broadcasts `from` to `to`. */
export function fits(from: Shape, to: Shape): boolean {
  const offset = to.length - from.length;
  return offset >= 0 && from.every((dim, axis) => dim === 1 || dim === to[axis + offset]);
}

/** The shape that NumPy gives to a result of operands of these shapes. */
export function broadcastOf(shapes: readonly Shape[]): Shape {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const dims = shapes.map((shape) => shape[axis - rank + shape.length] ?? 1);
    return dims.find((dim) => dim !== 1) ?? 1;
  });
}

/** How sizes and dtypes are written in a function. */
export interface Writer {
  readonly dim: (dim: Dim) => string;
  readonly dtype: (dtype: Aval["dtype"]) => string;
}

/** A form that broadcasts to the value's shape. */
export function fitting(value: Value, writer: Writer): Form {
  const found = value.forms.find(({ shape }) => fits(shape, value.aval.shape));
  return found ?? reshapedForm(value, value.aval.shape, writer);
}

/** An expression of exactly the value's shape, and of its dtype. */
export function exact(value: Value, writer: Writer): Code {
  const { shape, dtype } = value.aval;
  if (value.known !== undefined) return filled(shape, value.known, dtype, writer);
  const same = value.forms.find((form) => sameShape(form.shape, shape));
  if (same !== undefined) return value.weak ? call("jnp.asarray", same.code, writer.dtype(dtype)) : same.code;
  const form = fitting(value, writer);
  if (sizeOf(form.shape) === sizeOf(shape)) return reshaped(form, shape, writer);
  return call("jnp.broadcast_to", form.code, shapeCode(shape, writer));
}

function filled(shape: Shape, value: number, dtype: Aval["dtype"], writer: Writer): Code {
  const size = shapeCode(shape, writer);
  if (value === 0 && !Object.is(value, -0)) return call("jnp.zeros", size, writer.dtype(dtype));
  if (value === 1) return call("jnp.ones", size, writer.dtype(dtype));
  return call("jnp.full", size, numberText(value, dtype), writer.dtype(dtype));
}

/** A number as a literal of Python; JAX gives it the dtype of what it meets. */
export function numberText(value: number, dtype: Aval["dtype"]): string {
  if (dtype === "bool") return value === 0 ? "False" : "True";
  // JAX reads a literal as i32 first.
  if (dtype !== "f32") return dtype === "u32" && value > 0x7fffffff ? `jnp.uint32(${value})` : String(value);
  return floatText(value);
}

export function shapeCode(shape: Shape, writer: Writer): Code {
  return tuple(shape.map((dim) => code(writer.dim(dim))));
}

function reshapedForm(value: Value, shape: Shape, writer: Writer): Form {
  const count = sizeOf(shape);
  const from = value.forms.find((form) => sizeOf(form.shape) === count) ?? at(value.forms, 0);
  return { shape, code: reshaped(from, shape, writer) };
}

/** The elements of a form in another shape; by indexing if only axes of size 1 come or go. */
export function reshaped({ shape, code }: Form, target: Shape, writer: Writer): Code {
  if (sameShape(shape, target)) return code;
  const others = (dims: Shape) => dims.filter((dim) => dim !== 1);
  if (!sameShape(others(shape), others(target)))
    return method(code, "reshape", ...target.map((dim, axis) => sizeText(target, dim, axis, writer)));
  const items: string[] = [];
  let axis = 0;
  for (const dim of target) {
    if (dim !== 1) for (; shape[axis] === 1; axis++) items.push("0");
    if (shape[axis] === dim) {
      items.push(":");
      axis += 1;
    } else items.push("None");
  }
  for (; axis < shape.length; axis++) items.push("0");
  while (items.at(-1) === ":") items.pop();
  return subscript(code, ...items);
}

/** A single symbolic size follows from the others. */
function sizeText(target: Shape, dim: Dim, axis: number, writer: Writer): string {
  const isFree = (size: Dim) => typeof size === "string";
  const alone = isFree(dim) && target.every((size, i) => i === axis || (!isFree(size) && size !== 0));
  return alone ? "-1" : writer.dim(dim);
}

function shortest(forms: readonly Form[]): Form {
  return at(
    forms.toSorted((a, b) => a.code.text.length - b.code.text.length),
    0,
  );
}

/** The value with another shape. */
export function reshapedValue(value: Value, aval: Aval, writer: Writer): Value {
  if (value.known !== undefined) return { ...value, aval };
  const count = sizeOf(aval.shape);
  // Forms with fewer elements are to be repeated, which changes their meaning in another shape.
  const kept = value.forms.filter(({ shape }) => sizeOf(shape) === count || shape.length === 0);
  const whole = kept.length > 0 ? kept : [{ shape: value.aval.shape, code: exact(value, writer) }];
  const pattern = value.pattern?.kind === "sum" ? value.pattern : undefined;
  const isThere = whole.some(({ shape }) => fits(shape, aval.shape));
  const forms = isThere
    ? whole
    : [{ shape: aval.shape, code: reshaped(shortest(whole), aval.shape, writer) }, ...whole];
  const { known: _known, pattern: _pattern, ...rest } = value;
  return { ...rest, aval, forms, ...(pattern && { pattern }) };
}

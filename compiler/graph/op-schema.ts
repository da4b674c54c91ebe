/**
 * @file The vocabulary of the IR as data: the name, number of operands and static attributes of every op. The types of
 * nodes (`OpAttrs`), the check of a graph's form and the decoding of model files all follow from this table. What an op
 * *means* is in its entry under `ops/`.
 */

import type { Aval, DType } from "./aval.ts";
import type { Dim, Shape } from "./dim.ts";

/**
 * The kinds of attributes and the types of their values. `G` is the type of a graph, whose nodes have attributes again.
 */
export interface AttrTypes<G = unknown> {
  readonly text: string;
  /** Any f64, including NaN and the infinities. */
  readonly number: number;
  readonly integer: number;
  /** A non-negative integer. */
  readonly count: number;
  readonly counts: readonly number[];
  readonly flag: boolean;
  /** True, or absent: only such an attribute can be absent. */
  readonly mark: true | undefined;
  readonly dtype: DType;
  readonly dim: Dim;
  readonly shape: Shape;
  readonly aval: Aval;
  readonly graph: G;
}

export type AttrKind = keyof AttrTypes;
type AttrKinds = Readonly<Record<string, AttrKind>>;

export interface OpForm<Attrs extends AttrKinds = AttrKinds> {
  /** How many operands the op takes. */
  readonly operands: { readonly least: number; readonly most: number };
  readonly attrs: Attrs;
}

function op(operands: number): OpForm<Record<never, never>>;
function op<const Attrs extends AttrKinds>(operands: number | OpForm["operands"], attrs: Attrs): OpForm<Attrs>;
function op(operands: number | OpForm["operands"], attrs: AttrKinds = {}): OpForm {
  return { operands: typeof operands === "number" ? { least: operands, most: operands } : operands, attrs };
}

function atLeast(least: number): OpForm["operands"] {
  return { least, most: Number.POSITIVE_INFINITY };
}

export const opSchema = {
  // Sources.
  input: op(0, { name: "text", aval: "aval" }),
  constant: op(0, { value: "number", dtype: "dtype" }),
  /** 0, 1, 2, … along `axis`. */
  iota: op(0, { dtype: "dtype", shape: "shape", axis: "count" }),
  /** The size of a symbolic dimension as an f32 scalar. */
  dimSize: op(0, { dim: "dim" }),

  // Elementwise, one operand.
  neg: op(1),
  exp: op(1),
  expm1: op(1),
  log: op(1),
  log1p: op(1),
  sqrt: op(1),
  abs: op(1),
  sin: op(1),
  cos: op(1),
  tanh: op(1),
  sigmoid: op(1),
  softplus: op(1),
  erf: op(1),
  round: op(1),
  floor: op(1),
  not: op(1),
  finite: op(1),
  roundToHalf: op(1),
  stopGradient: op(1),
  cast: op(1, { dtype: "dtype" }),

  // Elementwise, several operands of one shape.
  add: op(2),
  sub: op(2),
  mul: op(2),
  div: op(2),
  pow: op(2),
  min: op(2),
  max: op(2),
  less: op(2),
  equal: op(2),
  and: op(2),
  or: op(2),
  where: op(3),
  randomBits: op(4),

  // Views: the same numbers under other indices.
  reshape: op(1, { shape: "shape" }),
  transpose: op(1, { permutation: "counts" }),
  /** Operand axis i becomes result axis `axes[i]`; every other axis repeats it. */
  broadcast: op(1, { shape: "shape", axes: "counts" }),
  /** `size` entries of `axis` from `start`; a negative start counts from the end. */
  slice: op(1, { axis: "count", start: "integer", size: "dim" }),
  /** Zeros of size `size` along `axis` with the operand placed at `start`: the transpose of slice. */
  pad: op(1, { axis: "count", start: "integer", size: "dim" }),
  concat: op(atLeast(1), { axis: "count" }),

  // Reductions and products.
  sum: op(1, { axes: "counts" }),
  reduceMax: op(1, { axes: "counts" }),
  /** Matrix product of the last two axes, batched over equal leading axes; a flag reads that operand transposed. */
  dot: op(2, { transposeA: "flag", transposeB: "flag" }),
  /** Rows of a table: (table [V, …r], indices [...i]) -> [...i, …r]. */
  gather: op(2),
  /** The transpose of gather: (indices [...i], updates [...i, …r]) -> [rows, …r]. */
  scatterAdd: op(2, { rows: "count" }),

  /** One result of a function with a custom vjp: ops/custom-gradient.ts. */
  customGradient: op(atLeast(1), {
    vjp: "graph",
    outputs: "count",
    args: "count",
    captured: "count",
    wanted: "counts",
    index: "count",
  }),

  // Control.
  /**
   * A loop of `length` steps, the size of the leading axis of every x and y. With `reverse` it runs from the last step
   * to the first; xs and ys keep their order. With `recompute`, its vjp keeps the carries between steps and computes the
   * rest again, and what a step computes stays in the step.
   */
  scan: op(atLeast(1), {
    ...{ body: "graph", consts: "count", carries: "count", length: "dim", reverse: "flag" },
    recompute: "mark",
  }),
  result: op(1, { index: "count" }),
};

export type OpName = keyof typeof opSchema;

/** No attributes. */
export type Empty = Record<string, never>;

type ValuesOf<Attrs, G> = [keyof Attrs] extends [never]
  ? Empty
  : { readonly [Name in Named<Attrs>]: Attrs[Name] extends AttrKind ? AttrTypes<G>[Attrs[Name]] : never } & {
      readonly [Name in Marks<Attrs>]?: AttrTypes["mark"];
    };

/** The names of attributes that can be absent, and of the others. */
type Marks<Attrs> = { [Name in keyof Attrs]: Attrs[Name] extends "mark" ? Name : never }[keyof Attrs];
type Named<Attrs> = Exclude<keyof Attrs, Marks<Attrs>>;

/** The static attributes of each op; `G` is the type of a loop's body. */
export type AttrsOf<G> = { readonly [K in OpName]: ValuesOf<(typeof opSchema)[K]["attrs"], G> };

export function isOpName(name: unknown): name is OpName {
  return typeof name === "string" && Object.hasOwn(opSchema, name);
}

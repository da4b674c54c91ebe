/**
 * @file The vocabulary of the IR: every op's name and its static attributes. What an op *means* stands in its entry
 * under `ops/`; this list is what the type checker holds those entries to.
 */
import type { Dim, Shape } from "./dim.ts";
import type { DType, ScanAttrs } from "./graph.ts";

/** An op without attributes. */
export type Empty = Record<string, never>;

export interface OpAttrs {
  // Sources.
  input: { readonly name: string; readonly aval: { readonly dtype: DType; readonly shape: Shape } };
  constant: { readonly value: number; readonly dtype: DType };
  /** 0, 1, 2, … along `axis`. */
  iota: { readonly dtype: DType; readonly shape: Shape; readonly axis: number };
  /** The size of a symbolic dimension as an f32 scalar. */
  dimSize: { readonly dim: Dim };

  // Elementwise, one operand.
  neg: Empty;
  exp: Empty;
  log: Empty;
  sqrt: Empty;
  abs: Empty;
  sin: Empty;
  cos: Empty;
  tanh: Empty;
  sigmoid: Empty;
  softplus: Empty;
  floor: Empty;
  not: Empty;
  finite: Empty;
  stopGradient: Empty;
  cast: { readonly dtype: DType };

  // Elementwise, several operands of one shape.
  add: Empty;
  sub: Empty;
  mul: Empty;
  div: Empty;
  min: Empty;
  max: Empty;
  less: Empty;
  equal: Empty;
  and: Empty;
  or: Empty;
  where: Empty;
  randomBits: Empty;

  // Views: the same numbers under other indices.
  reshape: { readonly shape: Shape };
  transpose: { readonly permutation: readonly number[] };
  /** Operand axis i becomes result axis `axes[i]`; every other axis repeats it. */
  broadcast: { readonly shape: Shape; readonly axes: readonly number[] };
  /** `size` entries of `axis` from `start`; a negative start counts from the end. */
  slice: { readonly axis: number; readonly start: number; readonly size: Dim };
  /** Zeros of extent `size` along `axis` with the operand placed at `start`: the transpose of slice. */
  pad: { readonly axis: number; readonly start: number; readonly size: Dim };
  concat: { readonly axis: number };

  // Reductions and products.
  sum: { readonly axes: readonly number[] };
  reduceMax: { readonly axes: readonly number[] };
  /** Matrix product of the last two axes, batched over equal leading ones; a flag reads that operand transposed. */
  dot: { readonly transposeA: boolean; readonly transposeB: boolean };
  /** Rows of a table: (table [V, …r], indices [...i]) -> [...i, …r]. */
  gather: Empty;
  /** The transpose of gather: (indices [...i], updates [...i, …r]) -> [rows, …r]. */
  scatterAdd: { readonly rows: number };

  // Control.
  scan: ScanAttrs;
  result: { readonly index: number };
}

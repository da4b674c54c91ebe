/**
 * @file The type of an op's entry: everything about an op in one place.
 *
 * An entry has the shape rule, the float64 meaning, the meaning in a kernel, and the derivatives in both modes. Five
 * kinds are lowered differently: sources, elementwise ops (one scalar expression), views (the same numbers at other
 * indices), reductions (many to one along axes), and contractions (products, gather's transpose).
 */

import type { Dim, DimSizes, Shape } from "../graph/dim.ts";
import type { Aval, DType, OpAttrs, OpName } from "../graph/graph.ts";
import type { NdArray } from "../graph/ndarray.ts";
import type { Expressions } from "../kernel/expressions.ts";
import type { IndexArithmetic } from "../kernel/index-arithmetic.ts";
import type { Expr } from "../kernel/ir.ts";
import type { Tensor } from "../trace/tensor.ts";

type Float = Tensor<"f32">;

/**
 * What a differentiation rule reads: the primal operands and result, as tensors of the graph being built. Only f32 has
 * derivatives, so all are typed as f32; a rule for an op with integer or bool operands casts those back. The list is
 * typed as if it had at least two entries, so that a rule can name them; the op's shape rule has checked its length.
 */
export interface RuleContext<K extends OpName> {
  readonly operands: readonly [Float, Float, ...Float[]];
  readonly out: Float;
  readonly attrs: OpAttrs[K];
  /**
   * A cotangent or tangent times a partial derivative: 0 where the cotangent or tangent is 0, even if the partial is
   * not finite (autodiff/chain.ts).
   */
  readonly times: (x: Float, partial: Float) => Float;
}

/** Returns the cotangents of the operands; undefined for an operand that gets none (an exact zero). */
export type Vjp<K extends OpName> = (ct: Float, context: RuleContext<K>) => readonly (Float | undefined)[];

/** Returns the tangent of the result; `tangents[i]` is undefined if operand i does not change. */
export type Jvp<K extends OpName> = (
  tangents: readonly (Float | undefined)[],
  context: RuleContext<K>,
) => Float | undefined;

interface CommonRules<K extends OpName> {
  readonly op: K;
  /** The shape rule: returns the result's aval, or throws a UserError with what was expected and what it got. */
  readonly aval: (operands: readonly Aval[], attrs: OpAttrs[K]) => Aval;
  readonly vjp: Vjp<K>;
  readonly jvp: Jvp<K>;
}

/**
 * The operands of an elementwise op, typed as if there were at least three; the op's shape rule has checked how many.
 */
export type KernelOperands = readonly [Expr, Expr, Expr, ...Expr[]];

export interface SourceEntry<K extends OpName> extends CommonRules<K> {
  readonly kind: "source";
  /** The value at an index, as float64. */
  readonly element: (index: readonly number[], attrs: OpAttrs[K], sizes: DimSizes) => number;
  /** The value at an index, in a kernel. */
  readonly kernel: (e: Expressions, index: readonly Expr[], attrs: OpAttrs[K]) => Expr;
}

export interface ElementwiseEntry<K extends OpName> extends CommonRules<K> {
  readonly kind: "elementwise";
  /** The meaning on float64 scalars. The caller wraps integer results to their dtype. */
  readonly scalar: (operands: readonly number[], dtype: DType, attrs: OpAttrs[K], from: readonly DType[]) => number;
  /** The meaning in a kernel, on as many operands as the op has; functions are in `kernel/math`. */
  readonly kernel: (e: Expressions, operands: KernelOperands, dtype: DType, attrs: OpAttrs[K]) => Expr;
  /** Whether it is cheaper to recompute than to store: plain arithmetic, no transcendental function. */
  readonly cheap: boolean;
}

/** Where a view finds an element: an index of an operand, valid if `from <= at < to` (always, without `when`). */
export interface Piece<I> {
  readonly operand: number;
  readonly index: readonly I[];
  readonly when?: { readonly at: I; readonly from: I; readonly to: I };
}

export interface ViewContext<I, K extends OpName> {
  readonly arithmetic: IndexArithmetic<I>;
  readonly index: readonly I[];
  readonly attrs: OpAttrs[K];
  readonly operands: readonly Shape[];
  readonly shape: Shape;
  /** Reads an integer operand, for indices that are data (gather). */
  readonly load: (operand: number, index: readonly I[]) => I;
}

export interface ViewEntry<K extends OpName> extends CommonRules<K> {
  readonly kind: "view";
  /** The pieces in order: the element is that of the first piece whose condition holds, and zero if none does. */
  readonly locate: <I>(context: ViewContext<I, K>) => readonly Piece<I>[];
  /** How long an axis must be if the result has an element. Without it, every element exists in an operand. */
  readonly needs?: (operands: readonly Shape[], attrs: OpAttrs[K]) => NeededExtent | undefined;
}

/** The size of an axis, and the fewest entries for which everything that a view reads exists. */
export interface NeededExtent {
  readonly dim: Dim;
  readonly atLeast: number;
}

export interface ReductionEntry<K extends OpName> extends CommonRules<K> {
  readonly kind: "reduction";
  readonly axes: (attrs: OpAttrs[K]) => readonly number[];
  readonly initial: number;
  readonly combine: (a: number, b: number) => number;
  /** The combination in a kernel. */
  readonly kernel: (e: Expressions, a: Expr, b: Expr) => Expr;
}

export interface ContractionEntry<K extends OpName> extends CommonRules<K> {
  readonly kind: "contraction";
  readonly evaluate: (operands: readonly NdArray[], attrs: OpAttrs[K], shape: readonly number[]) => NdArray;
}

export type OpEntry<K extends OpName> =
  | SourceEntry<K>
  | ElementwiseEntry<K>
  | ViewEntry<K>
  | ReductionEntry<K>
  | ContractionEntry<K>;

/** A function of the DSL with its entry; calling it adds a node. */
export type Op<K extends OpName, F> = F & { readonly entry: OpEntry<K> };

export function withEntry<K extends OpName, F extends object>(call: F, entry: OpEntry<K>): Op<K, F> {
  return Object.assign(call, { entry });
}

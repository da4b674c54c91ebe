/**
 * @file The shape of an op's entry: everything that is known of an op, in one place.
 *
 * An entry states the shape rule, the float64 meaning, the meaning in a kernel, and how it differentiates both ways.
 * Five kinds differ in how they are lowered: sources, elementwise ops (one scalar expression), views (the same numbers
 * under other indices), reductions (many to one along axes), and contractions (products, gather's transpose).
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
 * What a differentiation rule sees: primal operands and result as tensors of the graph being built. Only f32 has
 * derivatives, so all are typed as f32; a rule of an op with integer or bool operands casts those back. The list is typed
 * as if it had two at least, so that a rule can name them: its length is what the op's shape rule has checked.
 */
export interface RuleContext<K extends OpName> {
  readonly operands: readonly [Float, Float, ...Float[]];
  readonly out: Float;
  readonly attrs: OpAttrs[K];
  /** A cotangent or tangent times a partial derivative: 0 where it is 0, whatever the partial is (autodiff/chain.ts). */
  readonly times: (x: Float, partial: Float) => Float;
}

/** Cotangents of the operands; undefined where an operand gets none (an exact zero). */
export type Vjp<K extends OpName> = (ct: Float, context: RuleContext<K>) => readonly (Float | undefined)[];

/** The tangent of the result; `tangents[i]` is undefined where operand i does not change. */
export type Jvp<K extends OpName> = (
  tangents: readonly (Float | undefined)[],
  context: RuleContext<K>,
) => Float | undefined;

interface CommonRules<K extends OpName> {
  readonly op: K;
  /** Shape rule: the result's aval, or a UserError that says what was expected and what came. */
  readonly aval: (operands: readonly Aval[], attrs: OpAttrs[K]) => Aval;
  readonly vjp: Vjp<K>;
  readonly jvp: Jvp<K>;
}

/** Operands of an elementwise op, typed as if it had three at least: as many as the op's shape rule has checked. */
export type KernelOperands = readonly [Expr, Expr, Expr, ...Expr[]];

export interface SourceEntry<K extends OpName> extends CommonRules<K> {
  readonly kind: "source";
  /** The value at an index, in float64. */
  readonly element: (index: readonly number[], attrs: OpAttrs[K], sizes: DimSizes) => number;
  /** The value at an index, in a kernel. */
  readonly kernel: (e: Expressions, index: readonly Expr[], attrs: OpAttrs[K]) => Expr;
}

export interface ElementwiseEntry<K extends OpName> extends CommonRules<K> {
  readonly kind: "elementwise";
  /** Meaning on float64 scalars. Integer results are wrapped to their dtype by the caller. */
  readonly scalar: (operands: readonly number[], dtype: DType, attrs: OpAttrs[K], from: readonly DType[]) => number;
  /** Meaning in a kernel, on operands that are as many as the op has; functions stand in `kernel/math`. */
  readonly kernel: (e: Expressions, operands: KernelOperands, dtype: DType, attrs: OpAttrs[K]) => Expr;
  /** Cheaper to compute again than to store: plain arithmetic, no transcendental function. */
  readonly cheap: boolean;
}

/** Where a view finds an element: an operand's index, valid while `from <= at < to` (always, where absent). */
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
  /** The pieces in order; the first whose condition holds gives the element, and zero where none does. */
  readonly locate: <I>(context: ViewContext<I, K>) => readonly Piece<I>[];
  /** How long an axis must be where the result has an element. Without it, an element is always one of an operand. */
  readonly needs?: (operands: readonly Shape[], attrs: OpAttrs[K]) => NeededExtent | undefined;
}

/** An axis, by its extent, and the fewest entries with which what a view reads of it exists. */
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

/** A function of the DSL that carries its entry: calling it adds a node. */
export type Op<K extends OpName, F> = F & { readonly entry: OpEntry<K> };

export function withEntry<K extends OpName, F extends object>(call: F, entry: OpEntry<K>): Op<K, F> {
  return Object.assign(call, { entry });
}

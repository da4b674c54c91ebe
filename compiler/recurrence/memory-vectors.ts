/**
 * @file What the values of a step are in terms of its matrix memory S: matrices `scale * S + outer products`, whose vectors
 * may be linear in what one read of S found. All tensors are compact (compact-values.ts), and what is absent is 0.
 */
import { at } from "../graph/errors.ts";
import { type Graph, type NodeId, nodeAt } from "../graph/graph.ts";
import { add, mul, neg } from "../ops/elementwise.ts";
import { where } from "../ops/logic.ts";
import { fill, reshape } from "../ops/views.ts";
import type { Tensor } from "../trace/tensor.ts";
import { jointly, jointShape } from "./compact-values.ts";

type Float = Tensor<"f32">;

/** A vector as a function of what one read found: `factor * found + rest`; what is absent is 0. Compact. */
export interface Vector {
  readonly factor: Float | undefined;
  readonly rest: Float | undefined;
}

/** An outer product: of a vector along the rows [.., n, 1] and one along the columns [.., 1, m]. */
export interface Outer {
  readonly row: Vector;
  readonly column: Vector;
}

/** A matrix `scale * S + outers`; undefined if S has no part in it. */
export interface Matrix {
  readonly scale: Float | undefined;
  readonly outers: readonly Outer[];
}

/** The size of a vector along an axis, counted from the last. */
export function axisSize({ factor, rest }: Vector, axis: number) {
  const shape = jointShape([factor, rest].flatMap((x) => (x === undefined ? [] : [x.shape])));
  return at(shape, shape.length + axis);
}

export function isOne({ frame, id }: { readonly frame: Float["frame"]; readonly id: NodeId }): boolean {
  const node = frame.builder.node(id);
  if (node.op === "constant") return node.attrs.value === 1;
  const isView = node.op === "broadcast" || node.op === "reshape";
  return isView && isOne({ frame, id: at(node.operands, 0) });
}

export function isZero(graph: Graph, id: NodeId): boolean {
  const node = nodeAt(graph, id);
  if (node.op === "constant") return node.attrs.value === 0;
  return (node.op === "broadcast" || node.op === "reshape") && isZero(graph, at(node.operands, 0));
}

export function turn(x: Float): Float {
  const rank = x.shape.length;
  return reshape(x, [...x.shape.slice(0, -2), at(x.shape, rank - 1), at(x.shape, rank - 2)]);
}

export function product(a: Float, b: Float): Float {
  const [x, y] = jointly([a, b]) as [Float, Float];
  return isOne(a) ? y : isOne(b) ? x : mul(x, y);
}

export function sumOf(a: Float | undefined, b: Float | undefined): Float | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  const [x, y] = jointly([a, b]) as [Float, Float];
  return add(x, y);
}

export function vectorSum(a: Vector, b: Vector): Vector {
  return { factor: sumOf(a.factor, b.factor), rest: sumOf(a.rest, b.rest) };
}

export function choiceOf(condition: Tensor<"bool">, a: Float | undefined, b: Float | undefined): Float | undefined {
  if (a === undefined && b === undefined) return undefined;
  const zero = (other: Float | undefined) =>
    fill(
      (other ?? condition).shape.map(() => 1),
      0,
    );
  const [test, x, y] = jointly([condition, a ?? zero(b), b ?? zero(a)]) as [Tensor<"bool">, Float, Float];
  return where(test, x, y);
}

export function negated({ scale, outers }: Matrix): Matrix {
  const minus = ({ factor, rest }: Vector): Vector => ({ factor: factor && neg(factor), rest: rest && neg(rest) });
  return { scale: scale && neg(scale), outers: outers.map(({ row, column }) => ({ row: minus(row), column })) };
}

/**
 * @file Stacks of products, such as one for each head, in one form: matrices are read as they are stored, a matrix that
 * a stack repeats is multiplied once with all rows, and a sum over a stack is a longer product. Passes that move
 * products out of loops, and a schedule that gives each workgroup its rows, then find them however a step is written.
 */
import { mulDims } from "../graph/dim.ts";
import { at } from "../graph/errors.ts";
import { type Graph, nodeAt } from "../graph/graph.ts";
import { dot } from "../ops/contractions.ts";
import { reshape, transpose } from "../ops/views.ts";
import type { Tensor } from "../trace/tensor.ts";
import { applyRules, type Match } from "./local-rules.ts";

export function stacks(graph: Graph): Graph {
  return applyRules(graph, { dot: (match) => asStored(match) ?? withoutRepeats(match), sum: longer });
}

/** A product of a transposed operand whose last axis is no longer last: a flag says the same. */
function asStored({ node, graph, rebuilt }: Match<"dot">): Tensor | undefined {
  const [last, beforeLast] = [node.aval.shape.length - 1, node.aval.shape.length - 2];
  const operands = node.operands.map((id) => {
    const { op, attrs, operands: from } = nodeAt(graph, id);
    if (op !== "transpose" || attrs.permutation[beforeLast] !== last) return undefined;
    return transpose(rebuilt(at(from, 0)), [...attrs.permutation.slice(0, -2), at(attrs.permutation, last), last]);
  });
  if (operands.every((operand) => operand === undefined)) return undefined;
  const { transposeA, transposeB } = node.attrs;
  return dot(operands[0] ?? rebuilt(at(node.operands, 0)), operands[1] ?? rebuilt(at(node.operands, 1)), {
    transposeA: operands[0] === undefined ? transposeA : !transposeA,
    transposeB: operands[1] === undefined ? transposeB : !transposeB,
  });
}

/** A product with a matrix that is repeated along axes of the stack: these become rows, or columns, of one product. */
function withoutRepeats({ node, graph, rebuilt }: Match<"dot">): Tensor | undefined {
  const { shape } = node.aval;
  const rank = shape.length;
  const { transposeA, transposeB } = node.attrs;
  for (const side of [1, 0] as const) {
    const matrix = nodeAt(graph, at(node.operands, side));
    if (matrix.op !== "broadcast") continue;
    const { axes } = matrix.attrs;
    const repeats = axesBelow(rank - 2).filter((axis) => !axes.includes(axis));
    if (repeats.length === 0 || ![rank - 2, rank - 1].every((axis) => axes.includes(axis))) continue;
    const stack = axesBelow(rank - 2).filter((axis) => axes.includes(axis));
    const other = rebuilt(at(node.operands, 1 - side));
    // The other operand as vectors: [...stack, repeats and its own rows or columns, depth].
    const isDepthLast = side === 1 ? !transposeA : transposeB;
    const [own, depth] = isDepthLast ? [rank - 2, rank - 1] : [rank - 1, rank - 2];
    const vectors = merged(other, stack, [...repeats, own], [depth]);
    const weights = rebuilt(at(matrix.operands, 0));
    const product =
      side === 1 ? dot(vectors, weights, { transposeB }) : dot(weights, vectors, { transposeA, transposeB: true });
    const order = side === 1 ? [...stack, ...repeats, rank - 2, rank - 1] : [...stack, rank - 2, ...repeats, rank - 1];
    const apart = reshape(
      product,
      order.map((axis) => at(shape, axis)),
    );
    return transpose(
      apart,
      axesBelow(rank).map((axis) => order.indexOf(axis)),
    );
  }
  return undefined;
}

/** A sum over axes of a stack of products that nothing else reads. */
function longer({ node, graph, rebuilt, readersOf }: Match<"sum">): Tensor | undefined {
  const product = nodeAt(graph, at(node.operands, 0));
  const summed = node.attrs.axes;
  if (product.op !== "dot" || readersOf(at(node.operands, 0)).length > 1) return undefined;
  if (graph.outputs.includes(at(node.operands, 0))) return undefined;
  const rank = product.aval.shape.length;
  if (summed.length === 0 || summed.some((axis) => axis >= rank - 2)) return undefined;
  const stack = axesBelow(rank - 2).filter((axis) => !summed.includes(axis));
  const { transposeA, transposeB } = product.attrs;
  const [a, b] = product.operands.map(rebuilt) as [Tensor, Tensor];
  const deep = (x: Tensor, isDepthLast: boolean) =>
    isDepthLast
      ? merged(x, stack, [rank - 2], [...summed, rank - 1])
      : merged(x, stack, [...summed, rank - 2], [rank - 1]);
  return dot(deep(a, !transposeA), deep(b, transposeB), product.attrs);
}

/** A stack of matrices of which each axis can be several axes of x. */
function merged(x: Tensor, stack: readonly number[], rows: readonly number[], columns: readonly number[]): Tensor {
  const size = (axes: readonly number[]) => axes.map((axis) => at(x.shape, axis)).reduce(mulDims, 1);
  const shape = [...stack.map((axis) => at(x.shape, axis)), size(rows), size(columns)];
  return reshape(transpose(x, [...stack, ...rows, ...columns]), shape);
}

const axesBelow = (rank: number): number[] => Array.from({ length: rank }, (_, axis) => axis);

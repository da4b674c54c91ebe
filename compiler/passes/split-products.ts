/**
 * @file Splits products of concatenated operands: concat(a, b)·W = a·W_a + b·W_b with slices of W as views. Without it
 * no part of a cell's gates could leave the loop, since x and h are in one product. The same identity in reverse serves
 * the gradient: a slice of a product is a product of a slice, and a product with concatenated rows is a concatenation
 * of products.
 */
import type { Shape } from "../graph/dim.ts";
import { at } from "../graph/errors.ts";
import { type Graph, type Node, type NodeId, nodeAt } from "../graph/graph.ts";
import { dot } from "../ops/contractions.ts";
import { add } from "../ops/elementwise.ts";
import { concat, slice } from "../ops/pieces.ts";
import { reshape } from "../ops/views.ts";
import type { Tensor } from "../trace/tensor.ts";
import { applyRules, type Match } from "./local-rules.ts";

/** A slice moves past one node per round. */
export function splitProducts(graph: Graph): Graph {
  return applyRules(graph, { dot: splitDot, slice: (match) => sliceOfSlice(match) ?? sliceOfProduct(match) });
}

/** One operand of a concatenation, and its range along the concatenated axis. */
interface JoinedPart {
  readonly id: NodeId;
  readonly start: number;
  readonly size: number;
  /** Its shape in the product, after a reshape in between. */
  readonly shape: Shape;
}

/**
 * The parts of a value that is a concatenation along `axis`, directly or through a reshape that keeps its last axis.
 */
function joinedAlong(graph: Graph, id: NodeId, axis: number): JoinedPart[] | undefined {
  const node = nodeAt(graph, id);
  const { shape } = node.aval;
  const isBeneath = node.op === "reshape" && axis === shape.length - 1 && keepsLastAxis(graph, node);
  const joined = isBeneath ? nodeAt(graph, at(node.operands, 0)) : node;
  const joinedAxis = isBeneath ? joined.aval.shape.length - 1 : axis;
  if (joined.op !== "concat" || joined.attrs.axis !== joinedAxis) return undefined;
  let start = 0;
  return joined.operands.map((operand) => {
    const size = Number(nodeAt(graph, operand).aval.shape[joinedAxis]);
    start += size;
    const partShape = shape.map((dim, i) => (i === axis ? size : dim));
    return { id: operand, start: start - size, size, shape: partShape };
  });
}

function keepsLastAxis(graph: Graph, node: Node): boolean {
  const from = nodeAt(graph, at(node.operands, 0)).aval.shape;
  return from.length > 0 && from[from.length - 1] === node.aval.shape[node.aval.shape.length - 1];
}

function splitDot({ node, graph, rebuilt }: Match<"dot">): Tensor | undefined {
  const [aId, bId] = [at(node.operands, 0), at(node.operands, 1)];
  const { transposeA, transposeB } = node.attrs;
  const rank = node.aval.shape.length;
  const [row, column] = [rank - 2, rank - 1];
  const [aDepth, aRows] = transposeA ? [row, column] : [column, row];
  const [bDepth, bColumns] = transposeB ? [column, row] : [row, column];
  const part = ({ id, shape }: JoinedPart) => reshape(rebuilt(id), shape);
  const joinedDepth = joinedAlong(graph, aId, aDepth);
  if (joinedDepth !== undefined) {
    const terms = joinedDepth.map((piece) =>
      dot(part(piece), slice(rebuilt(bId), bDepth, piece.start, piece.size), node.attrs),
    );
    return terms.reduce((total, term) => add(total, term));
  }
  const deepB = joinedAlong(graph, bId, bDepth);
  if (deepB !== undefined) {
    const terms = deepB.map((piece) =>
      dot(slice(rebuilt(aId), aDepth, piece.start, piece.size), part(piece), node.attrs),
    );
    return terms.reduce((total, term) => add(total, term));
  }
  const joinedRows = joinedAlong(graph, aId, aRows);
  if (joinedRows !== undefined)
    return concat(
      joinedRows.map((piece) => dot(part(piece), rebuilt(bId), node.attrs)),
      row,
    );
  const joinedColumns = joinedAlong(graph, bId, bColumns);
  if (joinedColumns !== undefined)
    return concat(
      joinedColumns.map((piece) => dot(rebuilt(aId), part(piece), node.attrs)),
      column,
    );
  return undefined;
}

/** A slice of a slice is a slice: otherwise parts of a sum that is cut again and again would double with every cut. */
function sliceOfSlice({ node, graph, rebuilt }: Match<"slice">): Tensor | undefined {
  const inner = nodeAt(graph, at(node.operands, 0));
  const { axis, start, size } = node.attrs;
  if (inner.op !== "slice" || inner.attrs.axis !== axis || start < 0 || inner.attrs.start < 0) return undefined;
  return slice(rebuilt(at(inner.operands, 0)), axis, inner.attrs.start + start, size);
}

/** Whether a value is a product, or a sum with a product among its terms. */
function containsProduct(graph: Graph, id: NodeId, seen = new Set<NodeId>()): boolean {
  if (seen.has(id)) return false;
  seen.add(id);
  const { op, operands } = nodeAt(graph, id);
  return op === "dot" || (op === "add" && operands.some((operand) => containsProduct(graph, operand, seen)));
}

/** A product, or a sum with products, that is only read through slices is computed slice by slice. */
function sliceOfProduct({ node, graph, rebuilt, readersOf }: Match<"slice">): Tensor | undefined {
  const productId = at(node.operands, 0);
  const product = nodeAt(graph, productId);
  if ((product.op !== "dot" && product.op !== "add") || graph.outputs.includes(productId)) return undefined;
  if (!readersOf(productId).every(({ op }) => op === "slice")) return undefined;
  if (!containsProduct(graph, productId)) return undefined;
  const rank = product.aval.shape.length;
  const { axis, start, size } = node.attrs;
  const part = (id: NodeId) => slice(rebuilt(id) as Tensor<"f32">, axis, start, size);
  if (product.op === "add") return add(part(at(product.operands, 0)), part(at(product.operands, 1)));
  const { transposeA, transposeB } = product.attrs;
  const [a, b] = [at(product.operands, 0), at(product.operands, 1)];
  if (axis === rank - 1)
    return dot(rebuilt(a), slice(rebuilt(b), transposeB ? rank - 2 : rank - 1, start, size), product.attrs);
  if (axis === rank - 2)
    return dot(slice(rebuilt(a), transposeA ? rank - 1 : rank - 2, start, size), rebuilt(b), product.attrs);
  return undefined;
}

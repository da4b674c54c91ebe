/**
 * @file Products of rows looked up in a table become lookups in a product of the table. A sequence of B·T tokens has
 * far more rows than a vocabulary of characters: `gather(E, i)·W` is `gather(E·W, i)`, which multiplies each row of E
 * once instead of once per occurrence. The same identity in reverse serves the gradient, where updates are added up by
 * token before they are multiplied:
 *
 *   gather(E, i)·W        = gather(E·W, i)
 *   gather(E, i)ᵀ·G       = Eᵀ·scatterAdd(i, G)
 *   scatterAdd(i, G·W)    = scatterAdd(i, G)·W
 *
 * Rows that a mask sets to 0 (padding steps) stay 0: the mask is applied to the product.
 */
import { type Dim, dimCoefficient, dimFactors, sizeOf } from "../graph/dim.ts";
import { at } from "../graph/errors.ts";
import { type DType, type Graph, type NodeId, nodeAt } from "../graph/graph.ts";
import { dot, gather, scatterAdd } from "../ops/contractions.ts";
import { add } from "../ops/elementwise.ts";
import { where } from "../ops/logic.ts";
import { broadcastAxes, reshape } from "../ops/views.ts";
import type { Tensor } from "../trace/tensor.ts";
import { applyRules, type Match } from "./local-rules.ts";
import { constantValue } from "./simplify.ts";

type DotNode = Match<"dot">["node"];

export function lookupsOfProducts(graph: Graph): Graph {
  return applyRules(graph, { dot: productOfLookup, scatterAdd: scatterOfProducts });
}

/**
 * Maximum number of rows of a table that is assumed to be smaller than a sequence: every character of an alphabet,
 * every byte.
 */
const smallTable = 256;

/**
 * Whether a table has fewer rows than are looked up. Batch times length counts as many, batch or length alone as few.
 */
function isWorthIt(tableRows: Dim | undefined, lookups: Dim): boolean {
  if (typeof tableRows !== "number") return false;
  if (typeof lookups === "number") return tableRows < lookups;
  // In a segment of time, the steps are a number.
  const isMany = dimFactors(lookups).length > 1 || dimCoefficient(lookups) >= tableRows;
  return tableRows <= smallTable && isMany;
}

interface Lookup {
  readonly table: NodeId;
  readonly indices: NodeId;
  /** A mask with one element per index: false where the row is 0 instead. */
  readonly mask?: NodeId;
}

/** The table [V, F] and the indices of looked-up rows [N, F], through any reshapes and one mask. */
function lookupOf(graph: Graph, id: NodeId): Lookup | undefined {
  const node = nodeAt(graph, id);
  const rows = maskedRows(graph, id);
  if (rows !== undefined) {
    const found = lookupOf(graph, rows.of);
    return found?.mask === undefined ? found && { ...found, mask: rows.mask } : undefined;
  }
  if (node.op === "reshape") {
    const from = at(node.operands, 0);
    return lastAxis(graph, from) === lastAxis(graph, id) ? lookupOf(graph, from) : undefined;
  }
  if (node.op !== "gather") return undefined;
  const [table, indices] = [at(node.operands, 0), at(node.operands, 1)];
  return nodeAt(graph, table).aval.shape.length === 2 ? { table, indices } : undefined;
}

/** For a value some of whose rows a mask sets to 0: the mask, without the last axis, and the masked value. */
function maskedRows(graph: Graph, id: NodeId): { readonly mask: NodeId; readonly of: NodeId } | undefined {
  const node = nodeAt(graph, id);
  if (node.op !== "where") return undefined;
  const [condition, of, other] = node.operands as [NodeId, NodeId, NodeId];
  const wide = nodeAt(graph, condition);
  const isOfRows = wide.op === "broadcast" && wide.attrs.axes.length === node.aval.shape.length - 1;
  if (!isOfRows || wide.attrs.axes.some((axis, i) => axis !== i) || constantValue(graph, other) !== 0) return undefined;
  return { mask: at(wide.operands, 0), of };
}

/** The rows [N, n] where a mask of N elements is true, 0 elsewhere. */
function onlyRows(mask: Tensor | undefined, rows: Tensor): Tensor<"f32"> {
  const x = rows as Tensor<"f32">;
  if (mask === undefined) return x;
  return where(broadcastAxes(flat(mask as Tensor<"bool">), x.shape, [0]), x, 0);
}

function lastAxis(graph: Graph, id: NodeId): Dim | undefined {
  const { shape } = nodeAt(graph, id).aval;
  return shape[shape.length - 1];
}

function productOfLookup({ node, graph, rebuilt }: Match<"dot">): Tensor | undefined {
  const [a, b] = [at(node.operands, 0), at(node.operands, 1)];
  const lookup = node.aval.shape.length === 2 ? lookupOf(graph, a) : undefined;
  if (lookup === undefined) return undefined;
  const rows = at(nodeAt(graph, lookup.table).aval.shape, 0);
  const lookups = at(nodeAt(graph, a).aval.shape, 0);
  if (!isWorthIt(rows, lookups)) return undefined;
  const table = rebuilt(lookup.table);
  const indices = flat(rebuilt(lookup.indices) as Tensor<"i32">);
  const mask = lookup.mask === undefined ? undefined : rebuilt(lookup.mask);
  if (!node.attrs.transposeA) return onlyRows(mask, gather(dot(table, rebuilt(b), node.attrs), indices));
  if (node.attrs.transposeB) return undefined;
  return dot(table, scatterAdd(indices, onlyRows(mask, rebuilt(b)), Number(rows)), node.attrs);
}

function scatterOfProducts({ node, graph, rebuilt, readersOf }: Match<"scatterAdd">): Tensor | undefined {
  const [indices, updates] = [at(node.operands, 0), at(node.operands, 1)];
  const lookups = sizeOf(nodeAt(graph, indices).aval.shape);
  if (node.aval.shape.length !== 2 || !isWorthIt(node.attrs.rows, lookups)) return undefined;
  const isReadOnce = (id: NodeId) => readersOf(id).length === 1 && !graph.outputs.includes(id);
  const inARow = flat(rebuilt(indices) as Tensor<"i32">);
  const terms = addedProducts(graph, updates, isReadOnce)?.map(({ product, mask }) => {
    const [rows, weights] = [at(product.operands, 0), at(product.operands, 1)];
    const kept = onlyRows(mask === undefined ? undefined : rebuilt(mask), rebuilt(rows));
    return dot(scatterAdd(inARow, kept, node.attrs.rows), rebuilt(weights), product.attrs);
  });
  return terms?.reduce((total, term) => add(total, term));
}

/** A product, and the mask where its rows count; they are 0 elsewhere. */
interface Term {
  readonly product: DotNode;
  readonly mask?: NodeId;
}

/** The products whose sum a value is, or undefined if it is no such sum or something else reads them. */
function addedProducts(graph: Graph, id: NodeId, isReadOnce: (id: NodeId) => boolean): readonly Term[] | undefined {
  const node = nodeAt(graph, id);
  if (!isReadOnce(id)) return undefined;
  if (node.op === "dot")
    return node.aval.shape.length === 2 && !node.attrs.transposeA ? [{ product: node }] : undefined;
  const rows = maskedRows(graph, id);
  if (rows !== undefined) {
    const terms = addedProducts(graph, rows.of, isReadOnce);
    if (terms?.some(({ mask }) => mask !== undefined)) return undefined;
    return terms?.map(({ product }) => ({ product, mask: rows.mask }));
  }
  if (node.op === "reshape") {
    const from = at(node.operands, 0);
    return lastAxis(graph, from) === lastAxis(graph, id) ? addedProducts(graph, from, isReadOnce) : undefined;
  }
  if (node.op !== "add") return undefined;
  const [left, right] = node.operands.map((operand) => addedProducts(graph, operand, isReadOnce));
  return left && right && [...left, ...right];
}

/** Flattens indices, to match the rows of a product. */
function flat<D extends DType>(indices: Tensor<D>): Tensor<D> {
  const { shape } = indices;
  return shape.length === 1 ? indices : reshape(indices, [sizeOf(shape)]);
}

/**
 * @file Converts the graph of a step to terms of formulas: shape changes are dropped, products with concatenated inputs are
 * split, and compositions such as ReLU or mean are recognised as one function.
 */

import type { Shape } from "../../compiler/graph/dim.ts";
import { at } from "../../compiler/graph/errors.ts";
import { countUses, type Graph, type Node, type NodeId, nodeAt, type OpName } from "../../compiler/graph/graph.ts";

/** Operations of formulas that are several nodes of the graph. */
export type WrittenOp = "product" | "outer" | "lessEqual" | "relu" | "mean" | "logSigmoid" | "square";

export interface Term {
  readonly op: OpName | WrittenOp;
  /** The node with this value. */
  readonly id: NodeId;
  readonly node: Node;
  readonly operands: readonly Term[];
  /** All nodes of the term. */
  readonly nodes: Set<NodeId>;
}

/** The sizes of the axes that a formula shows: all except the batch and those of size 1. */
export function coreOf(shape: Shape): number[] {
  return shape.filter((size): size is number => typeof size === "number" && size !== 1);
}

export class Terms {
  readonly #graph: Graph;
  readonly #uses: readonly number[];
  readonly #terms = new Map<NodeId, Term>();

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#uses = countUses(graph);
  }

  of(id: NodeId): Term {
    const known = this.#terms.get(id);
    if (known !== undefined) return known;
    const node = nodeAt(this.#graph, id);
    const operands = node.operands.map((operand) => this.of(operand));
    const term = this.#sameAs(node, operands) ?? this.#written(id, node, operands);
    term.nodes.add(id);
    this.#terms.set(id, term);
    return term;
  }

  /** The operand, if this node changes only its shape or its gradient. */
  #sameAs(node: Node, operands: readonly Term[]): Term | undefined {
    const [from] = node.operands;
    if (node.op === "customGradient") return operands[node.attrs.index];
    if ((node.op !== "reshape" && node.op !== "broadcast") || from === undefined) return undefined;
    const [before, after] = [coreOf(nodeAt(this.#graph, from).aval.shape), coreOf(node.aval.shape)];
    const isNumber = node.op === "broadcast" && before.length === 0;
    return isNumber || String(before) === String(after) ? operands[0] : undefined;
  }

  #written(id: NodeId, node: Node, operands: readonly Term[]): Term {
    const made = (op: Term["op"], from: readonly Term[], ...taken: readonly Term[]): Term => ({
      ...{ op, id, node, operands: from },
      nodes: new Set([id, ...taken.flatMap(({ nodes }) => [...nodes])]),
    });
    const [a, b, c] = operands;
    if (node.op === "dot" && a !== undefined && b !== undefined && isProduct(node, a, b)) {
      const parts = a.op === "concat" && joinsFeatures(a) ? a.operands : [a];
      return made("product", [...parts, b], ...(parts.length > 1 ? [a] : []));
    }
    if (node.op === "mul" && a !== undefined && b !== undefined) {
      if (a === b && a.op !== "constant") return made("square", [a]);
      const places = [a, b].map(placeOfBroadcast);
      if (places[0] !== undefined && places[1] !== undefined && places[0] !== places[1]) {
        const [column, row] = places[0] === 0 ? [a, b] : [b, a];
        return made("outer", [at(column.operands, 0), at(row.operands, 0)], a, b);
      }
    }
    // Terms with other uses are not merged, so that nothing is written twice.
    const isAlone = ({ nodes }: Term) => [...nodes].every((part) => this.#uses[part] === 1);
    if (node.op === "or" && a?.op === "less" && b?.op === "equal" && sameOperands(a, b) && isAlone(a) && isAlone(b))
      return made("lessEqual", a.operands, a, b);
    if (node.op === "where" && a?.op === "lessEqual" && b !== undefined && isConstant(b, 0) && c !== undefined) {
      const [x, zero] = a.operands;
      if (x === c && zero === b && isAlone(a)) return made("relu", [c], a, b);
    }
    if (node.op === "div" && a?.op === "sum" && b?.op === "constant" && isAlone(a) && meansOver(a, b, this.#graph))
      return made("mean", a.operands, a, b);
    if (node.op === "neg" && a?.op === "softplus" && isAlone(a)) {
      const [inner] = a.operands;
      if (inner?.op === "neg" && isAlone(inner)) return made("logSigmoid", inner.operands, a, inner);
    }
    return made(node.op, operands);
  }
}

/** Whether a node multiplies the rows of a batch with a matrix without a batch axis. */
function isProduct(node: Node, a: Term, b: Term): boolean {
  if (node.op !== "dot" || node.attrs.transposeA) return false;
  const [rows] = a.node.aval.shape;
  const { shape } = b.node.aval;
  return a.node.aval.shape.length === 2 && typeof rows !== "number" && shape.every((size) => typeof size === "number");
}

function joinsFeatures({ node }: Term): boolean {
  return node.op === "concat" && node.attrs.axis === node.aval.shape.length - 1;
}

/** For a vector that is broadcast to a matrix: 0 if it is each column, 1 if it is each row. */
export function placeOfBroadcast({ node, operands }: Term): 0 | 1 | undefined {
  if (node.op !== "broadcast") return undefined;
  const { shape } = node.aval;
  const [from] = operands;
  if (from === undefined || coreOf(from.node.aval.shape).length !== 1 || coreOf(shape).length !== 2) return undefined;
  const shown = shape.flatMap((size, axis) => (typeof size === "number" && size !== 1 ? [axis] : []));
  const kept = node.attrs.axes.filter((axis) => shown.includes(axis));
  return kept.length !== 1 ? undefined : kept[0] === shown[0] ? 0 : 1;
}

function sameOperands(a: Term, b: Term): boolean {
  return a.operands.every((operand, i) => operand === b.operands[i]);
}

export function isConstant({ node }: Term, value: number): boolean {
  return node.op === "constant" && node.attrs.value === value;
}

/** Whether the divisor is the number of summed elements. */
function meansOver({ node }: Term, { node: divisor }: Term, graph: Graph): boolean {
  if (node.op !== "sum" || divisor.op !== "constant") return false;
  const { shape } = nodeAt(graph, at(node.operands, 0)).aval;
  const count = node.attrs.axes.reduce((product, axis) => product * Number(shape[axis]), 1);
  return divisor.attrs.value === count;
}

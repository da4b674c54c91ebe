/**
 * @file Which values of a graph can be computed in chunks of rows: those that are as wide as a large product, what is computed
 * from their rows alone, and what is found by the loop over chunks for all other readers. It is not found if there is another reader.
 */
import { type Dim, sizeOf } from "../graph/dim.ts";
import { at } from "../graph/errors.ts";
import type { OpNode } from "../graph/fold.ts";
import { type Graph, type NodeId, nodeAt } from "../graph/graph.ts";
import { entryOf } from "../ops/table.ts";

/** How a node outside of the loop is found by it. */
export type Exit = "rows" | "sum" | "max";

export class ChunkPlan {
  readonly graph: Graph;
  readonly rows: number;
  readonly isFound: boolean;
  /** Computed in the loops. */
  readonly inside = new Set<NodeId>();
  /** Values that the loops find, and how. */
  readonly exits = new Map<NodeId, Exit>();
  /** The loop that each of these nodes is computed in first, counted from 0. */
  readonly #levels = new Map<NodeId, number>();
  readonly #needed: ReadonlySet<NodeId>;

  constructor(graph: Graph, needed: ReadonlySet<NodeId>, rows: number, least: number) {
    this.graph = graph;
    this.rows = rows;
    this.#needed = needed;
    this.isFound = this.#find(least);
  }

  get levels(): number {
    return Math.max(...[...this.exits.keys()].map((id) => this.level(id))) + 1;
  }

  level(id: NodeId): number {
    return this.#levels.get(id) ?? -1;
  }

  /** How many leading axes of a value are its rows; undefined if none are. */
  rowAxes(id: NodeId): number | undefined {
    return leadingAxes(nodeAt(this.graph, id).aval.shape, this.rows);
  }

  #find(least: number): boolean {
    const order = [...this.#needed].sort((a, b) => a - b);
    const wide = new Set<NodeId>();
    for (const id of order) {
      const node = nodeAt(this.graph, id);
      if (node.op === "input" || node.op === "scan" || node.op === "result") continue;
      if (!(Number(sizeOf(node.aval.shape)) >= least && this.#isByRow(node, id))) continue;
      wide.add(id);
      this.inside.add(id);
    }
    if (wide.size === 0 || this.graph.outputs.some((id) => wide.has(id))) return false;
    const after = new Set<NodeId>();
    for (const id of order) {
      const { operands } = nodeAt(this.graph, id);
      if (wide.has(id) || operands.some((operand) => after.has(operand))) after.add(id);
    }
    const before = new Set<NodeId>();
    for (const id of [...order].reverse()) {
      if (wide.has(id) || before.has(id)) for (const operand of nodeAt(this.graph, id).operands) before.add(operand);
    }
    for (const id of order) {
      const node = nodeAt(this.graph, id);
      const readsWide = node.operands.some((operand) => wide.has(operand));
      const isBetween = after.has(id) && before.has(id) && node.operands.some((operand) => this.inside.has(operand));
      if (wide.has(id) || !(readsWide || isBetween)) continue;
      if (node.op === "input" || node.op === "scan" || node.op === "result") {
        if (readsWide) return false;
        continue;
      }
      if (this.#isByRow(node, id)) {
        this.inside.add(id);
        continue;
      }
      const exit = this.#exitOf(node);
      if (exit !== undefined) this.exits.set(id, exit);
      else if (readsWide) return false;
    }
    // What is read outside of the loop leaves it as rows.
    const reads = (id: NodeId) => {
      for (const operand of nodeAt(this.graph, id).operands)
        if (this.inside.has(operand)) {
          if (wide.has(operand)) return false;
          this.exits.set(operand, "rows");
        }
      return true;
    };
    for (const id of order) if (!(this.inside.has(id) || this.exits.has(id)) && !reads(id)) return false;
    for (const id of this.graph.outputs) if (this.inside.has(id)) this.exits.set(id, "rows");
    this.#findLevels(order);
    return this.exits.size > 0;
  }

  /** A value of the loop can be read in the same loop by the same row; from outside, it is known after the loop. */
  #findLevels(order: readonly NodeId[]): void {
    /** After which loop a value is known outside. */
    const known = new Map<NodeId, number>();
    for (const id of order) {
      const isInLoop = this.inside.has(id) || this.exits.has(id);
      const levels = nodeAt(this.graph, id).operands.map((operand) => {
        if (isInLoop) return this.inside.has(operand) ? this.level(operand) : (known.get(operand) ?? 0);
        return known.get(operand) ?? 0;
      });
      const level = Math.max(0, ...levels);
      if (isInLoop) this.#levels.set(id, level);
      known.set(id, isInLoop ? level + 1 : level);
    }
  }

  /** Whether each row of a value is computed from the same rows of its operands, and from values without rows. */
  #isByRow(node: OpNode, id: NodeId): boolean {
    const axes = this.rowAxes(id);
    if (axes === undefined) return false;
    const sameRows = (operand: NodeId) => this.rowAxes(operand) !== undefined;
    const isFixed = (operand: NodeId) => !this.inside.has(operand);
    switch (node.op) {
      case "reshape":
        return sameRows(at(node.operands, 0));
      case "iota":
        return node.attrs.axis >= axes;
      case "broadcast":
        return isFixed(at(node.operands, 0)) || hasRowsInFront(node.attrs.axes, axes);
      case "sum":
      case "reduceMax": {
        const before = this.rowAxes(at(node.operands, 0));
        return before === axes && node.attrs.axes.every((axis) => axis >= axes);
      }
      case "dot": {
        const [a, b] = [at(node.operands, 0), at(node.operands, 1)];
        return (
          node.aval.shape.length === 2 && !node.attrs.transposeA && axes === 1 && this.rowAxes(a) === 1 && isFixed(b)
        );
      }
      case "slice":
      case "pad":
      case "concat":
        return node.attrs.axis >= axes && node.operands.every((operand) => this.rowAxes(operand) === axes);
      case "transpose":
        return node.attrs.permutation.slice(0, axes).every((axis, i) => axis === i);
      default:
        return entryOf(node.op).kind === "elementwise";
    }
  }

  /** How a value of all rows follows from those of chunks. */
  #exitOf(node: OpNode): Exit | undefined {
    if (node.op === "sum" || node.op === "reduceMax") {
      const axes = this.rowAxes(at(node.operands, 0));
      const isOverRows =
        axes !== undefined && Array.from({ length: axes }, (_, i) => i).every((i) => node.attrs.axes.includes(i));
      if (!isOverRows || node.aval.dtype === "bool") return undefined;
      return node.op === "sum" ? "sum" : "max";
    }
    if (node.op !== "dot" || node.aval.shape.length !== 2) return undefined;
    const isOverRows =
      node.attrs.transposeA && !node.attrs.transposeB && node.operands.every((id) => this.rowAxes(id) === 1);
    return isOverRows ? "sum" : undefined;
  }
}

/** Whether the first axes of an operand become the axes of rows. */
export function hasRowsInFront(places: readonly number[], axes: number): boolean {
  return Array.from({ length: axes }, (_, i) => i).every((i) => places[i] === i);
}

/** How many leading axes have this product; undefined if none. */
function leadingAxes(shape: readonly Dim[], rows: number): number | undefined {
  let product = 1;
  for (const [axis, extent] of shape.entries()) {
    product *= Number(extent);
    if (product === rows) return axis + 1;
    if (!(product < rows)) return undefined;
  }
  return undefined;
}

/**
 * @file Ranges of rows: what computes some entries of a value along its slowest axis, from the same entries of what it is
 * computed from. So a value that is larger than a buffer need not exist as a whole.
 */
import { type Dim, sizeOf } from "../graph/dim.ts";
import { at } from "../graph/errors.ts";
import type { Fold, OpNode } from "../graph/fold.ts";
import { type Graph, type NodeId, nodeAt } from "../graph/graph.ts";
import { type Page, rowSize, slowestAxis } from "../graph/pages.ts";
import { gather, scatterAdd } from "../ops/contractions.ts";
import { less, max, not, sub } from "../ops/elementwise.ts";
import { emitNode } from "../ops/inline.ts";
import { and, where } from "../ops/logic.ts";
import { concat, pad, slice } from "../ops/pieces.ts";
import { entryOf } from "../ops/table.ts";
import { broadcastAxes, fill, reshape } from "../ops/views.ts";
import { atSite } from "../trace/site.ts";
import type { Tensor } from "../trace/tensor.ts";

type Index = Tensor<"i32"> | Tensor<"u32">;

/** An input in pages. */
export interface PagedInput {
  readonly pages: readonly Page[];
  readonly tensors: readonly Tensor[];
}

export interface RowsOptions {
  /** The graph as it is rebuilt; asked only for what is needed. */
  readonly rebuilt: () => Fold<Tensor>;
  readonly inputs: ReadonlyMap<NodeId, PagedInput>;
  /** The pages of a value that is larger than a buffer; undefined for any other. */
  readonly pages: (id: NodeId) => readonly Page[] | undefined;
}

/** The range of a node that is computed. */
interface Range {
  readonly from: number;
  readonly size: number;
  /** The slowest axis, and the entries along it. */
  readonly axis: number;
  readonly first: number;
  readonly count: number;
  /** The shape of the range. */
  readonly rows: readonly Dim[];
}

/** Ranges of the values of a graph that is being rebuilt. */
export class Rows {
  readonly #graph: Graph;
  readonly #options: RowsOptions;
  readonly #made = new Map<string, Tensor | undefined>();

  constructor(graph: Graph, options: RowsOptions) {
    this.#graph = graph;
    this.#options = options;
  }

  /** A range of elements, which are whole rows, in the value's shape but for the number of rows. */
  of(id: NodeId, from: number, size: number): Tensor {
    const { axis, row } = this.#layout(id);
    return this.cut(id, from, size) ?? slice(this.#whole(id), axis, from / row, size / row);
  }

  /** The same if the range can be computed without the rest of the value. */
  cut(id: NodeId, from: number, size: number): Tensor | undefined {
    const key = `${id} ${from} ${size}`;
    if (!this.#made.has(key))
      this.#made.set(
        key,
        atSite(this.#graph.sites[id], () => this.#cut(id, from, size)),
      );
    return this.#made.get(key);
  }

  /** A range of elements [size] in row-major order. */
  flat(id: NodeId, from: number, size: number): Tensor {
    const node = nodeAt(this.#graph, id);
    const { row } = this.#layout(id);
    if (node.op === "reshape") return this.flat(at(node.operands, 0), from, size);
    if (from % row === 0 && size % row === 0) return reshape(this.of(id, from, size), [size]);
    return slice(reshape(this.#whole(id), [Number(sizeOf(node.aval.shape))]), 0, from, size);
  }

  #layout(id: NodeId): { readonly shape: readonly Dim[]; readonly axis: number; readonly row: number } {
    const { shape } = nodeAt(this.#graph, id).aval;
    return { shape, axis: slowestAxis(shape), row: rowSize(shape.map(Number)) };
  }

  #whole(id: NodeId): Tensor {
    return this.#options.rebuilt().value(id);
  }

  /** Entries along any axis. */
  #along(id: NodeId, axis: number, first: number, count: number): Tensor {
    const layout = this.#layout(id);
    if (first === 0 && count === layout.shape[axis]) return this.#whole(id);
    if (axis !== layout.axis || Number.isNaN(layout.row)) return slice(this.#whole(id), axis, first, count);
    return this.of(id, first * layout.row, count * layout.row);
  }

  #cut(id: NodeId, from: number, size: number): Tensor | undefined {
    const node = nodeAt(this.#graph, id);
    const { shape, axis, row } = this.#layout(id);
    const [first, count] = [from / row, size / row];
    if (!(Number.isInteger(first) && Number.isInteger(count))) return undefined;
    if (node.op === "input") return this.#ofPages(id, from, size);
    if (node.op === "scan" || node.op === "result") return undefined;
    const rows = shape.map((extent, i) => (i === axis ? count : extent));
    if (entryOf(node.op).kind === "elementwise")
      return emitNode(
        node,
        node.operands.map((operand) => this.of(operand, from, size)),
      );
    return this.#ofOp(node, { axis, first, count, rows, from, size });
  }

  #ofPages(id: NodeId, from: number, size: number): Tensor | undefined {
    const input = this.#options.inputs.get(id);
    if (input === undefined) return undefined;
    const { axis, row } = this.#layout(id);
    const pieces = input.pages.flatMap((page, i) => {
      const [start, end] = [Math.max(from, page.from), Math.min(from + size, page.from + page.size)];
      return start < end ? [slice(at(input.tensors, i), axis, (start - page.from) / row, (end - start) / row)] : [];
    });
    return concat(pieces, axis);
  }

  #ofOp(node: OpNode, { from, size, axis, first, count, rows }: Range): Tensor | undefined {
    const [operand] = node.operands;
    if (operand === undefined) return undefined;
    const given = () => nodeAt(this.#graph, operand).aval.shape;
    switch (node.op) {
      case "reshape":
        return reshape(this.flat(operand, from, size), rows);
      case "broadcast": {
        const place = node.attrs.axes.indexOf(axis);
        const part = place < 0 ? this.#whole(operand) : this.#along(operand, place, first, count);
        return broadcastAxes(part, rows, node.attrs.axes);
      }
      case "concat": {
        if (node.attrs.axis !== axis)
          return emitNode(
            node,
            node.operands.map((each) => this.#along(each, axis, first, count)),
          );
        let start = 0;
        const pieces = node.operands.flatMap((each) => {
          const extent = Number(nodeAt(this.#graph, each).aval.shape[axis]);
          const [low, high] = [Math.max(first, start), Math.min(first + count, start + extent)];
          start += extent;
          return low < high ? [this.#along(each, axis, low - start + extent, high - low)] : [];
        });
        return concat(pieces, axis);
      }
      case "slice": {
        const { axis: cutAxis, start } = node.attrs;
        if (cutAxis !== axis) return emitNode(node, [this.#along(operand, axis, first, count)]);
        return this.#along(operand, axis, (start < 0 ? Number(given()[axis]) + start : start) + first, count);
      }
      case "pad": {
        const { axis: padAxis, start, size: extent } = node.attrs;
        if (padAxis !== axis) return emitNode(node, [this.#along(operand, axis, first, count)]);
        const begin = start < 0 ? Number(extent) + start : start;
        const [low, high] = [Math.max(first, begin), Math.min(first + count, begin + Number(given()[axis]))];
        if (low >= high) return fill(rows, 0, node.aval.dtype);
        const part = this.#along(operand, axis, low - begin, high - low);
        return low === first && high === first + count ? part : pad(part, axis, low - first, count);
      }
      case "dot": {
        if (axis !== 0 || rows.length !== 2) return undefined;
        const a = this.#along(operand, node.attrs.transposeA ? 1 : 0, first, count);
        return emitNode(node, [a, this.#whole(at(node.operands, 1))]);
      }
      case "gather":
        if (axis >= nodeAt(this.#graph, at(node.operands, 1)).aval.shape.length) return undefined;
        return this.lookup(operand, this.#along(at(node.operands, 1), axis, first, count) as Index);
      case "scatterAdd": {
        if (axis !== 0) return undefined;
        const index = this.#whole(operand) as Index;
        const updates = this.#whole(at(node.operands, 1)) as Tensor<"f32">;
        const isInside = and(not(less(index, first)), less(index, first + count));
        const taken = where(alongRows(isInside, updates.shape), updates, 0);
        return scatterAdd(where(isInside, sub(index, first), 0), taken, count);
      }
      case "sum":
      case "reduceMax": {
        const { axes } = node.attrs;
        const kept = given().flatMap((_, i) => (axes.includes(i) ? [] : [i]));
        return emitNode(node, [this.#along(operand, at(kept, axis), first, count)]);
      }
      case "transpose":
        return emitNode(node, [this.#along(operand, at(node.attrs.permutation, axis), first, count)]);
      default:
        return undefined;
    }
  }

  /** The rows of a table at some indices, from whichever page has them. */
  lookup(table: NodeId, indices: Index): Tensor {
    const { row } = this.#layout(table);
    const pages = this.#options.pages(table);
    if (pages === undefined) return gather(this.#whole(table) as Tensor<"f32">, indices);
    return pages
      .map(({ from, size }) => {
        const [first, part] = [from / row, this.of(table, from, size) as Tensor<"f32">];
        return { first, found: gather(part, (first === 0 ? indices : sub(max(indices, first), first)) as Index) };
      })
      .reduce((all, { first, found }) => {
        const isHere = not(less(indices, first));
        return { first, found: where(alongRows(isHere, found.shape), found, all.found) };
      }).found;
  }
}

/** A condition of each index, repeated for all numbers of its row. */
function alongRows(condition: Tensor<"bool">, shape: readonly Dim[]): Tensor<"bool"> {
  return broadcastAxes(
    condition,
    shape,
    condition.shape.map((_, axis) => axis),
  );
}

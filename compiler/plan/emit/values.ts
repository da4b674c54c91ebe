/**
 * @file Turns values of a graph, at an index, into kernel expressions. Stored values are loaded, results of this
 * kernel's own loops are read from registers, and everything else is computed from its operands, once each.
 */

import { type Shape, sizeOf } from "../../graph/dim.ts";
import { at, InternalError } from "../../graph/errors.ts";
import { type Graph, type Node, type NodeId, nodeAt } from "../../graph/graph.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import type { Expr } from "../../kernel/ir.ts";
import type { KernelOperands, Piece } from "../../ops/entry.ts";
import { entryOf, type TableOp } from "../../ops/table.ts";
import { ravel, unravel } from "../../ops/views.ts";
import type { Location } from "../program.ts";
import { inPairs } from "./lane-teams.ts";
import type { PlacedBuilder } from "./placed-builder.ts";

/** Where the values of a graph lie. */
export interface Storage {
  /** Where a value is loaded from; undefined if its readers compute it. */
  readonly source: (id: NodeId) => Location | undefined;
  /** Where the stage that computes it stores it. */
  readonly target: (id: NodeId) => Location | undefined;
  /** Sums of a few stored numbers that each reader adds up. */
  readonly folded: ReadonlySet<NodeId>;
}

/** A graph being lowered, and how its inputs and stored values are read. */
export interface Region {
  /** Distinguishes equal ids of nested graphs. */
  readonly key: string;
  readonly graph: Graph;
  /** Reads an input, or a stored value, at an index; undefined where the value is not in memory. */
  readonly read: (id: NodeId, index: readonly Index[], emitter: Emitter) => Expr | undefined;
  /** Sums of a few stored numbers that each reader adds up. */
  readonly folded?: ReadonlySet<NodeId>;
  /** Whether neighbours in a value are stored in one word. */
  readonly sharesWords?: (id: NodeId) => boolean;
}

export class Emitter {
  readonly writer: PlacedBuilder;
  /** Values that this kernel computes. They are never loaded, since another invocation may not have stored them yet. */
  readonly #own: ReadonlySet<string>;

  constructor(writer: PlacedBuilder, own: { readonly region: Region; readonly ids: readonly NodeId[] }) {
    this.writer = writer;
    this.#own = new Set(own.ids.map((id) => `${own.region.key}%${id}`));
  }

  /** The value of a node at an index of its shape. */
  value(region: Region, id: NodeId, index: readonly Index[]): Expr {
    const key = valueKey(region, id, index);
    const known = this.writer.known(key);
    if (known !== undefined) return known;
    const own = this.#own.has(`${region.key}%${id}`);
    return (own ? undefined : region.read(id, index, this)) ?? this.compute(region, id, index);
  }

  /** Computes a node from its operands even if it has a location in memory: the stage that stores it does so. */
  compute(region: Region, id: NodeId, index: readonly Index[]): Expr {
    const key = valueKey(region, id, index);
    const known = this.writer.known(key);
    if (known !== undefined) return known;
    const node = nodeAt(region.graph, id);
    if (node.op === "input" || node.op === "result") {
      const read = region.read(id, index, this);
      if (read !== undefined) return read;
    }
    if (node.op === "scan" || node.op === "result" || node.op === "input") {
      throw new InternalError(`${node.op} %${id} of ${region.graph.name} has no location in memory`);
    }
    const entry = entryOf(node.op as TableOp);
    const attrs = node.attrs as never;
    const { dtype } = node.aval;
    switch (entry.kind) {
      case "source":
        return entry.kernel(
          this.writer,
          index.map((i) => this.writer.bound(i)),
          attrs,
        );
      case "elementwise": {
        const operands = node.operands.map((operand) => this.value(region, operand, index));
        const value = entry.kernel(this.writer, operands as readonly Expr[] as KernelOperands, dtype, attrs);
        const bound = this.writer.bind(key, value);
        // A copy, since it may be the register of a carry, which changes before the number is stored.
        if (node.op === "roundToHalf") this.writer.rounds(bound, this.writer.bind(`${key} exact`, at(operands, 0)));
        return bound;
      }
      case "view": {
        const part = this.#partOfParameters(region, node, index);
        if (part !== undefined) return part;
        const shapes = node.operands.map((operand) => nodeAt(region.graph, operand).aval.shape);
        const load = (operand: number, place: readonly Index[]): Index => {
          const value = this.value(region, at(node.operands, operand), place);
          return this.writer.index.of(this.writer.convert(value, "u32"));
        };
        const context = { arithmetic: this.writer.index, index, attrs, operands: shapes, shape: node.aval.shape, load };
        return this.#pieces(region, id, key, entry.locate(context));
      }
      case "reduction":
        if (region.folded?.has(id)) return this.writer.bind(key, this.#fewTerms(region, at(node.operands, 0)));
        throw this.#notRun(region, id);
      case "contraction":
        throw this.#notRun(region, id);
    }
  }

  #notRun({ graph }: Region, id: NodeId): InternalError {
    return new InternalError(`${nodeAt(graph, id).op} %${id} of ${graph.name} is read before its loop has run`);
  }

  /** The sum of all elements of a value, in a fixed order. */
  #fewTerms(region: Region, id: NodeId): Expr {
    const count = Number(sizeOf(nodeAt(region.graph, id).aval.shape));
    const { index } = this.writer;
    const terms = Array.from({ length: count }, (_, i) => this.valueAt(region, id, index.dim(i)));
    return inPairs(terms, (a, b) => this.writer.add(a, b));
  }

  /** The start of a slice of a stored vector is a uniform. */
  #partOfParameters(region: Region, node: Node, index: readonly Index[]): Expr | undefined {
    if (!isPartOfVector(region.graph, node)) return undefined;
    const whole = at(node.operands, 0);
    const start = this.writer.startAt([node.attrs.start]);
    return this.value(region, whole, [this.writer.index.add(at(index, 0), start)]);
  }

  /** The value of a node at a row-major position of its shape. */
  valueAt(region: Region, id: NodeId, position: Index): Expr {
    return this.value(region, id, this.indexAt(position, nodeAt(region.graph, id).aval.shape));
  }

  indexAt(position: Index, shape: Shape): Index[] {
    return unravel(this.writer.index, position, shape);
  }

  positionOf(index: readonly Index[], shape: Shape): Index {
    return ravel(this.writer.index, index, shape);
  }

  /**
   * The first piece whose condition holds, or zero. The other pieces may be read outside their buffer, where WebGPU
   * returns an arbitrary element of it; their values are dropped.
   */
  #pieces(region: Region, id: NodeId, key: string, pieces: readonly Piece<Index>[]): Expr {
    const node = nodeAt(region.graph, id);
    const { dtype } = node.aval;
    const [only] = pieces;
    if (only !== undefined && only.when === undefined)
      return this.value(region, at(node.operands, only.operand), only.index);
    let result: Expr = this.writer.literal(0, dtype);
    for (const { operand, index, when } of [...pieces].reverse()) {
      if (when === undefined) throw new InternalError(`a piece of %${id} has no condition`);
      const inside = this.#within(when);
      if (inside === false) continue;
      const read = () => this.value(region, at(node.operands, operand), index);
      const value = inside === true ? read() : this.writer.conditionally(read);
      if (inside === true) {
        result = value;
        continue;
      }
      result = this.writer.bind(`${key} piece ${operand}`, this.writer.select(inside, value, result));
    }
    return result;
  }

  /**
   * Whether `from` <= index < `to`: a boolean if that is known, otherwise the condition. u32 wraps around, so one
   * comparison is enough: `&&` would be a branch, and a driver's compiler can take minutes for a hundred of those.
   */
  #within({ at: place, from, to }: NonNullable<Piece<Index>["when"]>): boolean | Expr {
    const { index } = this.writer;
    const [i, first, end] = [numberOf(place), numberOf(from), numberOf(to)];
    if (i !== undefined && first !== undefined && end !== undefined) return first <= i && i < end;
    const isBelow = typeof place.bound === "number" && end !== undefined && place.bound <= end;
    if (first === 0 && isBelow) return true;
    const [offset, extent] = [index.sub(place, from), index.sub(to, from)];
    return this.writer.less(this.writer.bound(offset), this.writer.bound(extent));
  }
}

/** Whether a node is a slice of a stored vector, such as a weight in the parameter arena. */
export function isPartOfVector(graph: Graph, node: Node): node is Extract<Node, { readonly op: "slice" }> {
  if (node.op !== "slice" || node.attrs.start <= 0 || node.aval.shape.length !== 1) return false;
  const { op } = nodeAt(graph, at(node.operands, 0));
  return op === "input" || op === "roundToHalf";
}

function numberOf({ form }: Index): number | undefined {
  return form.kind === "size" && typeof form.dim === "number" ? form.dim : undefined;
}

export function valueKey(region: Region, id: NodeId, index: readonly Index[]): string {
  return `${region.key}%${id}[${index.map(({ expr }) => expr.id).join(", ")}]`;
}

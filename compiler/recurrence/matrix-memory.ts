/**
 * @file Finds matrix memories among the carries of a loop: matrices S (for each row of a batch and each head) of values by
 * keys, which a step lets fade, adds outer products to, and reads with vectors.
 *
 *   S' = a * S + sum_j u_j w_j^T          a: one number, or one for each key dimension
 *   r  = S q                              any state of S within the step, along the keys; q is free
 *   u  = c r + g                          a value can correct what one such read found (the delta rule): c, g are free
 *
 * Free values depend on nothing that is read from S. Then many steps are products of matrices (memory-chunks.ts). The
 * step is walked from its results to S, by rules that know no cell: sums, products with factors that repeat along an axis
 * of the matrix, outer products, and choices by a condition of the whole matrix, such as a mask or a reset.
 */
import type { Shape } from "../graph/dim.ts";
import { at } from "../graph/errors.ts";
import { type Graph, type NodeId, nodeAt, type ScanAttrs } from "../graph/graph.ts";
import { div, neg } from "../ops/elementwise.ts";
import { bodyInputs } from "../ops/scan.ts";
import { broadcast, fill, reshape } from "../ops/views.ts";
import { atSite } from "../trace/site.ts";
import type { Tensor } from "../trace/tensor.ts";
import { CompactValues, reshapeCompact, sameAxes } from "./compact-values.ts";
import type { KeyAxis, MemoryStep, Read, Written } from "./memory-step.ts";
import { memoryUses, NoMemory } from "./memory-uses.ts";
import {
  axisSize,
  choiceOf,
  isOne,
  isZero,
  type Matrix,
  negated,
  type Outer,
  product,
  sumOf,
  turn,
  type Vector,
  vectorSum,
} from "./memory-vectors.ts";

type Float = Tensor<"f32">;

/** Adds the vectors of the memory `carry`'s step to the current trace. `known`: the body's inputs other than it. */
export function memoryStep(attrs: ScanAttrs, carry: number, known: readonly (readonly [NodeId, Tensor])[]): MemoryStep {
  return new MemoryWalk(attrs, carry, known).step();
}

class MemoryWalk {
  readonly #body: Graph;
  readonly #memory: NodeId;
  readonly #next: NodeId;
  /** The shape of the matrices, with their stack. */
  readonly #shape: Shape;
  readonly #values: CompactValues;
  /** Values that are matrices in the form of S. */
  readonly #matrices: ReadonlySet<NodeId>;
  /** The axis of the keys of each read. */
  readonly #reads: ReadonlyMap<NodeId, KeyAxis>;
  readonly #known = new Map<NodeId, Matrix>();
  #corrected: NodeId | undefined;

  constructor(attrs: ScanAttrs, carry: number, known: readonly (readonly [NodeId, Tensor])[]) {
    this.#body = attrs.body;
    this.#memory = at(bodyInputs(attrs).carries, carry);
    this.#next = at(attrs.body.outputs, carry);
    this.#shape = nodeAt(attrs.body, this.#memory).aval.shape;
    this.#values = new CompactValues(attrs.body, this.#memory, known);
    const { matrices, reads } = memoryUses(attrs, carry, (id) => this.#values.isFree(id));
    this.#matrices = matrices;
    this.#reads = reads;
  }

  step(): MemoryStep {
    const [keyAxis = "columns"] = this.#reads.values();
    const [second] = [...this.#reads].filter(([, axis]) => axis !== keyAxis);
    if (second !== undefined) throw this.#fault(second[0], "reads it along both axes");
    const next = this.#matrix(this.#next);
    const reads = [...this.#reads.keys()].map((id) => this.#read(id, keyAxis));
    const corrected = this.#corrected === undefined ? undefined : [...this.#reads.keys()].indexOf(this.#corrected);
    const own = corrected === undefined ? undefined : at(reads, corrected);
    if (own?.outers.some(({ factor }) => factor !== undefined)) throw this.#fault(own.id, "reads its own correction");
    const decay = this.#decay(next, keyAxis);
    return {
      keyAxis,
      decay,
      written: next.outers.map((outer) => this.#written(outer, keyAxis, this.#next)),
      reads,
      corrected,
    };
  }

  #fault(id: NodeId, why: string): NoMemory {
    return new NoMemory(this.#body, id, why);
  }

  // -- matrices ---------------------------------------------------------------------------------------------------------

  #matrix(id: NodeId): Matrix {
    const known = this.#known.get(id) ?? atSite(this.#body.sites[id], () => this.#matrixOf(id));
    this.#known.set(id, known);
    return known;
  }

  #matrixOf(id: NodeId): Matrix {
    if (id === this.#memory)
      return {
        scale: fill(
          this.#shape.map(() => 1),
          1,
        ),
        outers: [],
      };
    const node = nodeAt(this.#body, id);
    if (!this.#matrices.has(id) && this.#repeats(id)) {
      if (isZero(this.#body, id)) return { scale: undefined, outers: [] };
      return { scale: undefined, outers: [this.#outerOf(this.#vector(id))] };
    }
    const [a = -1, b = -1, c = -1] = node.operands;
    switch (node.op) {
      case "add":
        return this.#sum(this.#matrix(a), this.#matrix(b), id);
      case "sub":
        return this.#sum(this.#matrix(a), negated(this.#matrix(b)), id);
      case "neg":
        return negated(this.#matrix(a));
      case "mul":
        if (this.#isFactor(b)) return this.#times(this.#matrix(a), this.#vector(b), id);
        if (this.#isFactor(a)) return this.#times(this.#matrix(b), this.#vector(a), id);
        break;
      case "div":
        if (!this.#isFactor(b) || !this.#values.isFree(b)) break;
        return this.#times(this.#matrix(a), { factor: undefined, rest: div(1, this.#values.compact(b) as Float) }, id);
      case "where": {
        const isOfAll =
          this.#values.isFree(a) &&
          this.#values
            .shape(a)
            .slice(-2)
            .every((dim) => dim === 1);
        if (isOfAll)
          return this.#choice(this.#values.compact(a) as Tensor<"bool">, this.#matrix(b), this.#matrix(c), id);
        break;
      }
      case "reshape":
      case "broadcast":
        if (this.#matrices.has(a)) return this.#matrix(a);
        if (node.op === "reshape" && this.#keepsMatrices(a, node.aval.shape)) return this.#reshaped(a, node.aval.shape);
        break;
      case "dot":
        return this.#outerProduct(node.operands, node.attrs, id);
      default:
    }
    throw this.#fault(id, "is no sum of it, faded, and outer products");
  }

  /** Whether a value repeats along an axis of the matrices. */
  #repeats(id: NodeId): boolean {
    return this.#values
      .shape(id)
      .slice(-2)
      .some((dim) => dim === 1);
  }

  #isFactor(id: NodeId): boolean {
    return !this.#matrices.has(id) && this.#repeats(id);
  }

  /** Whether a reshape of a matrix that does not depend on S leaves rows and columns as they are. */
  #keepsMatrices(operand: NodeId, to: Shape): boolean {
    const { shape } = nodeAt(this.#body, operand).aval;
    return sameAxes(shape, to) !== undefined && shape.slice(-2).every((dim, i) => dim === to.slice(-2)[i]);
  }

  #reshaped(operand: NodeId, to: Shape): Matrix {
    const axes = sameAxes(nodeAt(this.#body, operand).aval.shape, to) ?? [];
    const moved = (x: Float | undefined) => x && reshapeCompact(x, axes, to.length);
    const vector = ({ factor, rest }: Vector): Vector => ({ factor: moved(factor), rest: moved(rest) });
    const { outers } = this.#matrix(operand);
    return {
      scale: undefined,
      outers: outers.map(({ row, column }) => ({ row: vector(row), column: vector(column) })),
    };
  }

  /** A vector along rows or columns, or a number, as an outer product with ones. */
  #outerOf(vector: Vector): Outer {
    const one: Vector = {
      factor: undefined,
      rest: fill(
        this.#shape.map(() => 1),
        1,
      ),
    };
    const alongColumns = axisSize(vector, -1) !== 1;
    return alongColumns ? { row: one, column: vector } : { row: vector, column: one };
  }

  #outerProduct(
    operands: readonly NodeId[],
    flags: { readonly transposeA: boolean; readonly transposeB: boolean },
    id: NodeId,
  ): Matrix {
    const turned = (operand: NodeId, isTurned: boolean): Vector => {
      const vector = this.#vector(operand);
      return isTurned
        ? { factor: vector.factor && turn(vector.factor), rest: vector.rest && turn(vector.rest) }
        : vector;
    };
    const [row, column] = [turned(at(operands, 0), flags.transposeA), turned(at(operands, 1), flags.transposeB)];
    const depth = at(nodeAt(this.#body, at(operands, 0)).aval.shape.slice(-2), flags.transposeA ? 0 : 1);
    if (depth !== 1) throw this.#fault(id, "adds a product of matrices");
    return { scale: undefined, outers: [{ row, column }] };
  }

  #sum(a: Matrix, b: Matrix, id: NodeId): Matrix {
    const scale = sumOf(a.scale, b.scale);
    if (scale !== undefined) this.#expectFactor(scale.shape, id);
    return { scale, outers: [...a.outers, ...b.outers] };
  }

  #times({ scale, outers }: Matrix, by: Vector, id: NodeId): Matrix {
    if (scale !== undefined && by.factor !== undefined) throw this.#fault(id, "multiplies it by what depends on it");
    const scaled = scale && by.rest && product(scale, by.rest);
    if (scaled !== undefined) this.#expectFactor(scaled.shape, id);
    const alongColumns = axisSize(by, -1) !== 1;
    const both = (x: Vector) => this.#product(x, by, id);
    return {
      scale: scaled,
      outers: outers.map(({ row, column }) =>
        alongColumns ? { row, column: both(column) } : { row: both(row), column },
      ),
    };
  }

  #choice(condition: Tensor<"bool">, a: Matrix, b: Matrix, id: NodeId): Matrix {
    const either = (x: Float | undefined, y: Float | undefined) => choiceOf(condition, x, y);
    const scale = either(a.scale, b.scale);
    if (scale !== undefined) this.#expectFactor(scale.shape, id);
    const only = ({ row, column }: Outer, isFirst: boolean): Outer => {
      const kept = (x: Float | undefined) => x && (isFirst ? either(x, undefined) : either(undefined, x));
      // Both vectors, since a step that is not chosen may have NaN in either.
      const chosen = ({ factor, rest }: Vector): Vector => ({ factor: kept(factor), rest: kept(rest) });
      return { row: chosen(row), column: chosen(column) };
    };
    return {
      scale,
      outers: [...a.outers.map((outer) => only(outer, true)), ...b.outers.map((outer) => only(outer, false))],
    };
  }

  #expectFactor(shape: Shape, id: NodeId): void {
    if (shape.slice(-2).every((dim) => dim !== 1)) throw this.#fault(id, "has a factor of its own for each entry");
  }

  // -- vectors ----------------------------------------------------------------------------------------------------------

  /** A value that repeats along an axis of the matrices, or that becomes one that does. */
  #vector(id: NodeId): Vector {
    const values = this.#values;
    if (values.isFree(id)) return { factor: undefined, rest: values.compact(id) as Float };
    const node = nodeAt(this.#body, id);
    const [a = -1, b = -1, c = -1] = node.operands;
    const read = this.#reads.get(id);
    if (read !== undefined) {
      if (this.#corrected !== undefined && this.#corrected !== id)
        throw this.#fault(id, "corrects it by a second read");
      this.#corrected = id;
      return {
        factor: fill(
          node.aval.shape.map(() => 1),
          1,
        ),
        rest: undefined,
      };
    }
    const each = ({ factor, rest }: Vector, change: (x: Float) => Float): Vector => {
      return { factor: factor && change(factor), rest: rest && change(rest) };
    };
    switch (node.op) {
      case "neg":
        return each(this.#vector(a), neg);
      case "add":
        return vectorSum(this.#vector(a), this.#vector(b));
      case "sub":
        return vectorSum(this.#vector(a), each(this.#vector(b), neg));
      case "mul":
        return this.#product(this.#vector(a), this.#vector(b), id);
      case "div":
        if (!values.isFree(b)) break;
        return this.#product(this.#vector(a), { factor: undefined, rest: div(1, values.compact(b) as Float) }, id);
      case "where": {
        if (!values.isFree(a)) break;
        const condition = values.compact(a) as Tensor<"bool">;
        const [x, y] = [this.#vector(b), this.#vector(c)];
        return { factor: choiceOf(condition, x.factor, y.factor), rest: choiceOf(condition, x.rest, y.rest) };
      }
      case "broadcast": {
        const axes = node.attrs.axes.map((axis, i) => [i, axis] as const);
        return each(this.#vector(a), (x) => reshapeCompact(x, axes, node.aval.shape.length));
      }
      case "reshape": {
        const axes = sameAxes(nodeAt(this.#body, a).aval.shape, node.aval.shape);
        if (axes === undefined) break;
        return each(this.#vector(a), (x) => reshapeCompact(x, axes, node.aval.shape.length));
      }
      default:
    }
    throw this.#fault(id, "is no linear function of what it read");
  }

  #product(a: Vector, b: Vector, id: NodeId): Vector {
    if (a.factor !== undefined && b.factor !== undefined) throw this.#fault(id, "multiplies what it read by itself");
    const factor = a.factor !== undefined ? [a.factor, b.rest] : [b.factor, a.rest];
    const [x, y] = factor;
    return { factor: x && y && product(x, y), rest: a.rest && b.rest && product(a.rest, b.rest) };
  }

  // -- results ----------------------------------------------------------------------------------------------------------

  #decay({ scale }: Matrix, keyAxis: KeyAxis): Float | undefined {
    if (scale === undefined) throw this.#fault(this.#next, "does not read the state before");
    if (axisSize({ factor: undefined, rest: scale }, keyAxis === "rows" ? -1 : -2) !== 1)
      throw this.#fault(this.#next, "fades along its values");
    return this.#fading(scale, keyAxis);
  }

  /** A factor of the matrix as [..] or [.., keys]; undefined if it is 1. */
  #fading(scale: Float, keyAxis: KeyAxis): Float | undefined {
    if (isOne(scale)) return undefined;
    const isByKey = axisSize({ factor: undefined, rest: scale }, keyAxis === "rows" ? -2 : -1) !== 1;
    return isByKey ? this.#along(scale, keyAxis, true) : this.#perMatrix(scale);
  }

  #read(id: NodeId, keyAxis: KeyAxis): Read {
    const node = nodeAt(this.#body, id);
    const matrixAt = node.operands.findIndex((operand) => this.#matrices.has(operand));
    const { scale, outers } = this.#matrix(at(node.operands, matrixAt));
    const keys = this.#keys(keyAxis);
    const stack = this.#shape.slice(0, -2);
    const query =
      node.op === "sum"
        ? fill([...stack, keys], 1)
        : (reshape(this.#values.whole(at(node.operands, 1 - matrixAt)), [...stack, keys]) as Float);
    if (scale !== undefined && axisSize({ factor: undefined, rest: scale }, keyAxis === "rows" ? -1 : -2) !== 1)
      throw this.#fault(id, "reads it with a factor for each value");
    const faded = scale === undefined ? fill(stack, 0) : this.#fading(scale, keyAxis);
    return { id, query, faded, outers: outers.map((outer) => this.#written(outer, keyAxis, id)) };
  }

  #written({ row, column }: Outer, keyAxis: KeyAxis, id: NodeId): Written {
    const [key, value] = keyAxis === "rows" ? [row, column] : [column, row];
    if (key.factor !== undefined) throw this.#fault(id, "has keys that depend on what it read");
    if (key.rest === undefined) throw this.#fault(id, "has no keys");
    const valueAxis = keyAxis === "rows" ? -1 : -2;
    if (value.factor !== undefined && axisSize({ factor: value.factor, rest: undefined }, valueAxis) !== 1)
      throw this.#fault(id, "corrects each value by a factor of its own");
    return {
      key: this.#along(key.rest, keyAxis, true),
      value: value.rest && this.#along(value.rest, keyAxis, false),
      factor: value.factor && this.#perMatrix(value.factor),
    };
  }

  #keys(keyAxis: KeyAxis): number {
    return Number(at(this.#shape, this.#shape.length - (keyAxis === "rows" ? 2 : 1)));
  }

  /** A compact vector as [.., keys] or [.., values]. */
  #along(x: Float, keyAxis: KeyAxis, ofKeys: boolean): Float {
    const axis = this.#shape.length - ((keyAxis === "rows") === ofKeys ? 2 : 1);
    const shape = this.#shape.map((dim, i) => (i < this.#shape.length - 2 || i === axis ? dim : 1));
    return reshape(broadcast(x, shape), [...this.#shape.slice(0, -2), at(this.#shape, axis)]);
  }

  /** A compact number for each matrix as [..]. */
  #perMatrix(x: Float): Float {
    const stack = this.#shape.slice(0, -2);
    return reshape(broadcast(x, [...stack, 1, 1]), stack);
  }
}

/**
 * @file Values of a step without the axes along which they repeat: the gate of a head, stretched over the matrix of its
 * memory, is one number again. A compact value has the rank of the value, and size 1 along each axis on which nothing
 * depends; so the factors of an outer product, and the decay of each key dimension, can be told from matrices.
 */
import { mulDims, type Shape } from "../graph/dim.ts";
import { at } from "../graph/errors.ts";
import { Fold, opNodeAt } from "../graph/fold.ts";
import { dependentsOf, type Graph, type NodeId, nodeAt } from "../graph/graph.ts";
import { copyRules, emitNode } from "../ops/inline.ts";
import { entryOf, type TableOp } from "../ops/table.ts";
import { broadcast, reshape, transpose } from "../ops/views.ts";
import { atSite } from "../trace/site.ts";
import type { Tensor } from "../trace/tensor.ts";

/**
 * The axes of `to` that are the axes of `from`, in order, or undefined if a reshape does more than add and remove axes of
 * size 1.
 */
export function sameAxes(from: Shape, to: Shape): readonly (readonly [from: number, to: number])[] | undefined {
  const longer = (shape: Shape) => shape.flatMap((dim, axis) => (dim === 1 ? [] : [axis]));
  const [a, b] = [longer(from), longer(to)];
  if (a.length !== b.length || a.some((axis, i) => from[axis] !== to[at(b, i)])) return undefined;
  return a.map((axis, i) => [axis, at(b, i)] as const);
}

/** A compact value after a reshape of the value from one shape to another. */
export function reshapeCompact<T extends Tensor>(x: T, axes: readonly (readonly [number, number])[], rank: number): T {
  return reshape(x, compactAxes(x.shape, axes, rank)) as T;
}

function compactAxes(shape: Shape, axes: readonly (readonly [number, number])[], rank: number): Shape {
  const result: Shape[number][] = new Array(rank).fill(1);
  for (const [from, to] of axes) result[to] = at(shape, from);
  return result;
}

/** The smallest shape that all of some compact values, of one rank, fit in. */
export function jointShape(shapes: readonly Shape[]): Shape {
  const rank = Math.max(0, ...shapes.map(({ length }) => length));
  return Array.from({ length: rank }, (_, axis) => {
    return shapes.map((shape) => shape[axis] ?? 1).reduce((joint, dim) => (joint === 1 ? dim : joint), 1);
  });
}

/** Stretches compact values to their joint shape. */
export function jointly(xs: readonly Tensor[]): Tensor[] {
  const shape = jointShape(xs.map((x) => x.shape));
  return xs.map((x) => broadcast(x, shape));
}

export class CompactValues {
  readonly #body: Graph;
  /** Copies the body's nodes into the current trace. */
  readonly #whole: Fold<Tensor>;
  readonly #dependsOnMemory: ReadonlySet<NodeId>;
  readonly #shapes = new Map<NodeId, Shape>();
  readonly #tensors = new Map<NodeId, Tensor>();

  /** `known`: tensors of the body's inputs, other than the memory. */
  constructor(body: Graph, memory: NodeId, known: readonly (readonly [NodeId, Tensor])[]) {
    this.#body = body;
    this.#dependsOnMemory = dependentsOf(body, [memory]);
    this.#whole = new Fold(body, copyRules(body), known);
  }

  /** Whether a value does not depend on the memory. */
  isFree(id: NodeId): boolean {
    return !this.#dependsOnMemory.has(id);
  }

  /** A value that is free, with all its axes. */
  whole(id: NodeId): Tensor {
    return this.#whole.value(id);
  }

  /** The shape of a value's compact form; the value need not be free. */
  shape(id: NodeId): Shape {
    const known = this.#shapes.get(id) ?? this.#shapeOf(id);
    this.#shapes.set(id, known);
    return known;
  }

  /** The compact form of a value that is free. */
  compact(id: NodeId): Tensor {
    const known = this.#tensors.get(id) ?? atSite(this.#body.sites[id], () => this.#emit(id));
    this.#tensors.set(id, known);
    return known;
  }

  #shapeOf(id: NodeId): Shape {
    const node = nodeAt(this.#body, id);
    const { shape } = node.aval;
    const first = () => this.shape(at(node.operands, 0));
    switch (node.op) {
      case "broadcast": {
        const inner = first();
        return compactAxes(
          inner,
          node.attrs.axes.map((axis, i) => [i, axis] as const),
          shape.length,
        );
      }
      case "reshape": {
        const axes = sameAxes(nodeAt(this.#body, at(node.operands, 0)).aval.shape, shape);
        return axes === undefined ? shape : compactAxes(first(), axes, shape.length);
      }
      case "transpose": {
        const inner = first();
        return node.attrs.permutation.map((axis) => at(inner, axis));
      }
      default:
        return this.#isElementwise(id) ? jointShape(node.operands.map((operand) => this.shape(operand))) : shape;
    }
  }

  #emit(id: NodeId): Tensor {
    const node = nodeAt(this.#body, id);
    const first = () => this.compact(at(node.operands, 0));
    switch (node.op) {
      case "broadcast":
      case "reshape": {
        if (
          node.op === "reshape" &&
          sameAxes(nodeAt(this.#body, at(node.operands, 0)).aval.shape, node.aval.shape) === undefined
        )
          return this.whole(id);
        return reshape(first(), this.shape(id));
      }
      case "transpose":
        return transpose(first(), node.attrs.permutation);
      default: {
        const isSmaller = this.#sizeOf(this.shape(id)) !== this.#sizeOf(node.aval.shape);
        if (!this.#isElementwise(id) || !isSmaller) return this.whole(id);
        return emitNode(opNodeAt(this.#body, id), jointly(node.operands.map((operand) => this.compact(operand))));
      }
    }
  }

  #sizeOf(shape: Shape) {
    return shape.reduce(mulDims, 1);
  }

  #isElementwise(id: NodeId): boolean {
    const { op } = nodeAt(this.#body, id);
    if (op === "input" || op === "scan" || op === "result") return false;
    return entryOf(op as TableOp).kind === "elementwise";
  }
}

/**
 * @file The values of a loop's body for all steps at once: a value [..] of one step becomes a value [T, ..], or stays
 * what it is if it is the same in every step. What the step computes from its carries needs their values of all steps,
 * which are given one group after another.
 */
import { mulDims, type Shape } from "../graph/dim.ts";
import { at, InternalError } from "../graph/errors.ts";
import { Fold, type OpNode } from "../graph/fold.ts";
import { ancestorsOf, type NodeId, nodeAt, type ScanAttrs } from "../graph/graph.ts";
import { dot } from "../ops/contractions.ts";
import { emitNode } from "../ops/inline.ts";
import { bodyInputs } from "../ops/scan.ts";
import { entryOf } from "../ops/table.ts";
import { broadcastAxes, reshape, transpose } from "../ops/views.ts";
import { atSite } from "../trace/site.ts";
import type { Tensor } from "../trace/tensor.ts";

/** A value of the step: `timed` if it has a leading axis of time. */
interface Value {
  readonly tensor: Tensor;
  readonly timed: boolean;
}

/** Why the body has a value that cannot be computed for all steps at once, or undefined. */
export function reasonAgainstAllSteps({ body, consts }: ScanAttrs): string | undefined {
  const invariant = new Set(body.inputs.slice(0, consts));
  for (const id of [...ancestorsOf(body)].sort((a, b) => a - b)) {
    const { op, operands } = nodeAt(body, id);
    if (op === "input") continue;
    if (op === "scan" || op === "result") return "a loop inside the loop";
    if (operands.every((operand) => invariant.has(operand))) invariant.add(id);
    else if (op === "scatterAdd") return "a scatterAdd in every step";
    else if (op === "gather" && !invariant.has(at(operands, 0))) return "a lookup in a table that changes";
  }
  return undefined;
}

export class AllSteps {
  readonly #attrs: ScanAttrs;
  readonly #fold: Fold<Value>;

  /** `operands`: those of the scan. The body must have no `reasonAgainstAllSteps`. */
  constructor(attrs: ScanAttrs, operands: readonly Tensor[]) {
    this.#attrs = attrs;
    const { consts, carries, xs } = bodyInputs(attrs);
    const invariants = consts.map((id, i) => [id, { tensor: at(operands, i), timed: false }] as const);
    const sequences = xs.map((id, i) => {
      const tensor = at(operands, consts.length + carries.length + i);
      return [id, { tensor, timed: true }] as const;
    });
    this.#fold = new Fold<Value>(
      attrs.body,
      {
        node: (node, values, id) => atSite(attrs.body.sites[id], () => this.#emit(node, values)),
        scan: () => {
          throw new InternalError("a loop has no value for all steps");
        },
      },
      [...invariants, ...sequences],
    );
  }

  /** The values [T, ..] that a carry has before each step. */
  know(carry: NodeId, tensor: Tensor): void {
    this.#fold.know(carry, { tensor, timed: true });
  }

  /** The value of a node that is the same in every step. */
  invariant(id: NodeId): Tensor {
    const { tensor, timed } = this.#fold.value(id);
    if (timed) throw new InternalError(`value %${id} differs from step to step`);
    return tensor;
  }

  /** The values [T, ..] of a node; everything that it reads must be known. */
  of(id: NodeId): Tensor {
    return this.#timed(this.#fold.value(id));
  }

  #timed({ tensor, timed }: Value): Tensor {
    if (timed) return tensor;
    const axes = tensor.shape.map((_, axis) => axis + 1);
    return broadcastAxes(tensor, [this.#attrs.length, ...tensor.shape], axes);
  }

  #emit(node: OpNode, values: readonly Value[]): Value {
    if (values.every(({ timed }) => !timed)) {
      const tensor = emitNode(
        node,
        values.map((value) => value.tensor),
      );
      return { tensor, timed: false };
    }
    return { tensor: this.#emitTimed(node, values), timed: true };
  }

  #emitTimed(node: OpNode, values: readonly Value[]): Tensor {
    const first = at(values, 0);
    switch (node.op) {
      case "dot":
        return this.#product(node, first, at(values, 1));
      case "gather":
        return emitNode(
          node,
          values.map(({ tensor }) => tensor),
        );
      case "reshape":
        return reshape(first.tensor, this.#withTime(node.attrs.shape));
      case "broadcast":
        return broadcastAxes(first.tensor, this.#withTime(node.attrs.shape), [0, ...later(node.attrs.axes)]);
      default:
        return emitNode(
          withTimeInFront(node),
          values.map((value) => this.#timed(value)),
        );
    }
  }

  /** Rows times a matrix that is the same in every step are one product; other products are batched over time. */
  #product(node: OpNode & { readonly op: "dot" }, left: Value, right: Value): Tensor {
    if (right.timed || node.attrs.transposeA) return emitNode(node, [this.#timed(left), this.#timed(right)]);
    return productOfSteps(node, left.tensor, right.tensor);
  }

  #withTime(shape: Shape): Shape {
    return [this.#attrs.length, ...shape];
  }
}

const later = (axes: readonly number[]): number[] => axes.map((axis) => axis + 1);

/** The op for values with an additional leading axis. */
export function withTimeInFront(node: OpNode): OpNode {
  switch (node.op) {
    case "slice":
      return { ...node, attrs: { ...node.attrs, axis: node.attrs.axis + 1 } };
    case "pad":
      return { ...node, attrs: { ...node.attrs, axis: node.attrs.axis + 1 } };
    case "concat":
      return { ...node, attrs: { axis: node.attrs.axis + 1 } };
    case "transpose":
      return { ...node, attrs: { permutation: [0, ...later(node.attrs.permutation)] } };
    case "sum":
      return { ...node, attrs: { axes: later(node.attrs.axes) } };
    case "reduceMax":
      return { ...node, attrs: { axes: later(node.attrs.axes) } };
    default:
      if (entryOf(node.op).kind !== "elementwise")
        throw new InternalError(`${node.op} cannot be computed for all steps at once`);
      return node;
  }
}

/** rows·W of all steps from the rows of all steps: one product with T·rows rows, or a stack of these. */
export function productOfSteps({ attrs, aval }: OpNode & { readonly op: "dot" }, rows: Tensor, matrix: Tensor): Tensor {
  const product = dot(flattenSteps(rows), matrix, attrs);
  const stack = aval.shape.slice(0, -2);
  const bySteps = reshape(product, [...stack, at(rows.shape, 0), ...aval.shape.slice(-2)]);
  const axes = bySteps.shape.map((_, axis) => axis);
  return transpose(bySteps, [stack.length, ...axes.filter((axis) => axis !== stack.length)]);
}

/** The matrices of all steps, [T, ...s, n, d], as [...s, T·n, d]. */
export function flattenSteps(x: Tensor): Tensor {
  const axes = x.shape.map((_, axis) => axis);
  const stack = axes.slice(1, -2);
  const [time, rows, columns] = [at(x.shape, 0), at(x.shape, x.shape.length - 2), at(x.shape, x.shape.length - 1)];
  const inner = transpose(x, [...stack, 0, ...axes.slice(-2)]);
  return reshape(inner, [...stack.map((axis) => at(x.shape, axis)), mulDims(time, rows), columns]);
}

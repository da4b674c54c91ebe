/**
 * @file A symbolic tensor: a handle on one node of the graph being traced. It has a dtype and a shape but no numbers;
 * functions on tensors add nodes.
 */
import type { GraphBuilder } from "../graph/builder.ts";
import type { Shape } from "../graph/dim.ts";
import { type Aval, type DType, formatAval, type NodeId } from "../graph/graph.ts";
import { faultOf } from "./fault.ts";

/** The graph being traced that a tensor belongs to, possibly nested in another. */
export interface Trace {
  readonly builder: GraphBuilder;
  readonly parent: Trace | undefined;
  /** Outer tensors used inside, in the order of their first use, each with the input that represents it. */
  readonly captured: readonly { readonly outer: Tensor; readonly inner: NodeId }[];
}

/** A handle on one node of the graph being traced: a dtype and a shape, but no numbers. */
export class Tensor<D extends DType = DType> {
  /** The trace this tensor belongs to. */
  readonly frame: Trace;
  /** The node of the frame's graph. */
  readonly id: NodeId;
  /** The type of its elements. */
  readonly dtype: D;
  /** Its dimensions; `B` and `T` are known only when the graph runs. */
  readonly shape: Shape;

  /** Tensors are made by ops, and by `traceGraph` for its inputs. */
  constructor(frame: Trace, id: NodeId, aval: Aval<D>) {
    this.frame = frame;
    this.id = id;
    this.dtype = aval.dtype;
    this.shape = aval.shape;
  }

  /** Dtype and shape. */
  get aval(): Aval<D> {
    return { dtype: this.dtype, shape: this.shape };
  }

  /** For messages, such as `Tensor f32[B,8]`. */
  toString(): string {
    return `Tensor ${formatAval(this)}`;
  }

  /**
   * Returns the text form for string contexts. Other operators of JavaScript would silently turn a tensor into NaN, or
   * two of them into a string.
   *
   * @throws UserError that names the ops instead
   */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === "string") return this.toString();
    const ops =
      hint === "number"
        ? "mul(a, b) for a * b, sub(a, b) for a - b, div(a, b) for a / b, less(a, b) for a < b, exp(a) for Math.exp(a)"
        : "add(a, b) for a + b, equal(a, b) for a == b";
    throw faultOf("an operator of JavaScript", `${this} has no number while a graph is traced; write ${ops}`);
  }
}

/** What an op on f32 tensors accepts: a tensor, or a number that is repeated to fit. */
export type TensorLike<D extends DType = "f32"> = Tensor<D> | number;

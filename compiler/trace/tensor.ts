/**
 * @file A symbolic tensor: a handle on one node of the graph that is being traced. It has a dtype and a shape but no
 * numbers; functions on tensors add nodes.
 */
import type { Shape } from "../graph/dim.ts";
import { type Aval, type DType, formatAval, type NodeId } from "../graph/graph.ts";
import type { Frame } from "./frame.ts";

export class Tensor<D extends DType = DType> {
  /** The trace this tensor belongs to. */
  readonly frame: Frame;
  readonly id: NodeId;
  readonly dtype: D;
  readonly shape: Shape;

  constructor(frame: Frame, id: NodeId, aval: Aval<D>) {
    this.frame = frame;
    this.id = id;
    this.dtype = aval.dtype;
    this.shape = aval.shape;
  }

  get aval(): Aval<D> {
    return { dtype: this.dtype, shape: this.shape };
  }

  toString(): string {
    return `Tensor ${formatAval(this)}`;
  }
}

/** What an op on f32 tensors accepts: a tensor, or a number that is repeated to fit. */
export type TensorLike<D extends DType = "f32"> = Tensor<D> | number;

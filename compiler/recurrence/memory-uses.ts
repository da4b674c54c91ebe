/** @file Which values of a step are matrices in the form of a memory S, and which are reads of one: no other use is allowed. */
import type { Shape } from "../graph/dim.ts";
import { at } from "../graph/errors.ts";
import {
  ancestorsOf,
  type Graph,
  type Node,
  type NodeId,
  nodeAt,
  type OpName,
  type ScanAttrs,
} from "../graph/graph.ts";
import { bodyInputs } from "../ops/scan.ts";
import type { KeyAxis } from "./memory-step.ts";

/** What an op does that a matrix memory must not do. */
export class NoMemory extends Error {
  readonly op: OpName;
  readonly id: NodeId;
  constructor(body: Graph, id: NodeId, why: string) {
    super(why);
    this.op = nodeAt(body, id).op;
    this.id = id;
  }
}

/** The matrices of a step, S first, and the axis that keys run along in what each read multiplies. */
export interface MemoryUses {
  readonly matrices: ReadonlySet<NodeId>;
  readonly reads: ReadonlyMap<NodeId, KeyAxis>;
}

/** Throws a `NoMemory` at any other use of the memory `carry`. `isFree`: whether a value depends on no read. */
export function memoryUses(attrs: ScanAttrs, carry: number, isFree: (id: NodeId) => boolean): MemoryUses {
  const { body } = attrs;
  const memory = at(bodyInputs(attrs).carries, carry);
  const { shape } = nodeAt(body, memory).aval;
  const matrices = new Set([memory]);
  const reads = new Map<NodeId, KeyAxis>();
  for (const id of [...ancestorsOf(body)].sort((a, b) => a - b)) {
    const node = nodeAt(body, id);
    if (!node.operands.some((operand) => matrices.has(operand))) continue;
    if (isMatrix(node, shape, matrices)) matrices.add(id);
    else reads.set(id, keyAxisOf(body, id, shape, { matrices, isFree }));
  }
  const ys = body.outputs.slice(attrs.carries);
  for (const y of ys) if (matrices.has(y)) throw new NoMemory(body, y, "is returned by every step");
  const others = body.outputs.slice(0, attrs.carries).filter((_, i) => i !== carry);
  for (const id of others) if (matrices.has(id)) throw new NoMemory(body, id, "is stored in another state too");
  return { matrices, reads };
}

function isMatrix({ op, operands, aval }: Node, shape: Shape, matrices: ReadonlySet<NodeId>): boolean {
  const isSame = aval.shape.length === shape.length && aval.shape.every((dim, i) => dim === shape[i]);
  if (!isSame) return false;
  if (op === "where") return !matrices.has(at(operands, 0));
  return ["add", "sub", "neg", "mul", "div", "reshape", "broadcast"].includes(op);
}

function keyAxisOf(
  body: Graph,
  id: NodeId,
  shape: Shape,
  { matrices, isFree }: { readonly matrices: ReadonlySet<NodeId>; readonly isFree: (id: NodeId) => boolean },
): KeyAxis {
  const node = nodeAt(body, id);
  const rank = shape.length;
  if (node.op === "sum") {
    const [axis] = node.attrs.axes;
    if (node.attrs.axes.length !== 1 || axis === undefined || axis < rank - 2)
      throw new NoMemory(body, id, "adds up more than its keys");
    return axis === rank - 1 ? "columns" : "rows";
  }
  if (node.op !== "dot") throw new NoMemory(body, id, "is no product with a vector");
  const { transposeA, transposeB } = node.attrs;
  const isLeft = matrices.has(at(node.operands, 0));
  const vector = at(node.operands, isLeft ? 1 : 0);
  if (!isFree(vector)) throw new NoMemory(body, id, "multiplies it by what depends on it");
  const result = node.aval.shape.slice(-2);
  if (result[isLeft ? 1 : 0] !== 1) throw new NoMemory(body, id, "multiplies it by a matrix");
  const isLast = isLeft ? !transposeA : transposeB;
  return isLast ? "columns" : "rows";
}

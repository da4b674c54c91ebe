/**
 * @file The current trace. Frames nest: the body of a scan is traced in its own frame, and a tensor of an outer frame
 * that is used inside becomes a *captured* input of the inner one. That is how weights become consts of a scan without
 * being passed explicitly.
 */

import { GraphBuilder } from "../graph/builder.ts";
import { at, inWords, UserError } from "../graph/errors.ts";
import type { Aval, DType, Graph, NodeId, OpAttrs, OpName } from "../graph/graph.ts";
import { checking } from "./fault.ts";
import { callSite } from "./site.ts";
import { Tensor, type Trace } from "./tensor.ts";

export class Frame implements Trace {
  readonly builder: GraphBuilder;
  readonly parent: Frame | undefined;
  readonly captured: { readonly outer: Tensor; readonly inner: NodeId }[] = [];

  constructor(name: string, parent?: Frame) {
    this.builder = new GraphBuilder(name);
    this.parent = parent;
  }

  input<D extends DType>(name: string, aval: Aval<D>): Tensor<D> {
    return new Tensor(this, this.builder.input(name, aval, callSite()), aval);
  }

  /** The tensor as a node of this frame. */
  resolve(tensor: Tensor): NodeId {
    // JavaScript callers can pass anything.
    if (!(tensor instanceof Tensor)) throw new UserError(`expected a tensor, got ${inWords(tensor)}`);
    if (tensor.frame === this) return tensor.id;
    if (!this.#isInside(tensor.frame)) {
      throw new UserError(
        `${tensor} belongs to another trace. A tensor lives only while its function is traced: pass it as an argument.`,
      );
    }
    const known = this.captured.find(({ outer }) => outer.frame === tensor.frame && outer.id === tensor.id);
    if (known !== undefined) return known.inner;
    const remade = this.#remakeSource(tensor);
    if (remade !== undefined) return remade;
    const inner = this.builder.input(`const${this.captured.length}`, tensor.aval);
    this.captured.push({ outer: tensor, inner });
    return inner;
  }

  finish(inputs: readonly NodeId[], outputs: readonly Tensor[]): Graph {
    const ids = outputs.map((tensor) => this.resolve(tensor));
    return this.builder.finish([...this.captured.map(({ inner }) => inner), ...inputs], ids);
  }

  #isInside(frame: Trace): boolean {
    return this.parent !== undefined && (this.parent === frame || this.parent.#isInside(frame));
  }

  /** Constants are recreated inside instead of being captured: they cost nothing and stay foldable. */
  #remakeSource(tensor: Tensor): NodeId | undefined {
    const node = tensor.frame.builder.node(tensor.id);
    if (node.op === "constant") return this.builder.add(node.op, [], node.attrs, node.aval);
    if (node.op === "dimSize") return this.builder.add(node.op, [], node.attrs, node.aval);
    if (node.op === "iota") return this.builder.add(node.op, [], node.attrs, node.aval);
    if (node.op !== "broadcast") return undefined;
    const source = at(node.operands, 0);
    const inner = this.#remakeSource(new Tensor(tensor.frame, source, tensor.frame.builder.aval(source)));
    return inner === undefined ? undefined : this.builder.add("broadcast", [inner], node.attrs, node.aval);
  }
}

let current: Frame | undefined;

export function currentFrame(): Frame {
  if (current === undefined) {
    throw new UserError(
      "ops on symbolic tensors can only be called while a function is traced (trace, compile, grad, scan)",
    );
  }
  return current;
}

/** The current trace, if there is one: a nested trace captures from it. */
export function enclosingFrame(): Frame | undefined {
  return current;
}

/** Runs `body` with `frame` as the current trace. */
export function within<T>(frame: Frame, body: () => T): T {
  const before = current;
  current = frame;
  try {
    return body();
  } finally {
    current = before;
  }
}

/** What `emit` needs to know about an op: its name and its shape rule. */
export interface ShapeRule<K extends OpName> {
  readonly op: K;
  readonly aval: (operands: readonly Aval[], attrs: OpAttrs[K]) => Aval;
}

/** Adds one node to the current trace. Errors of the shape rule get the op's name and the user's line. */
export function emit<K extends OpName>(rule: ShapeRule<K>, operands: readonly Tensor[], attrs: OpAttrs[K]): Tensor {
  const frame = currentFrame();
  const { aval, ids } = checking(rule.op, () => {
    const ids = operands.map((tensor) => frame.resolve(tensor));
    return { ids, aval: rule.aval(operands, attrs) };
  });
  return new Tensor(frame, frame.builder.add(rule.op, ids, attrs, aval, callSite()), aval);
}

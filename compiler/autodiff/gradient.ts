/**
 * @file Derivatives of functions: `grad`, `valueAndGrad`, `jvp`. Each accepts a function on trees of tensors and
 * returns another, to be called while tracing; they nest, so `grad` of `grad` is the second derivative.
 */
import { formatShape } from "../graph/dim.ts";
import { at } from "../graph/errors.ts";
import { formatAval, sameAval } from "../graph/graph.ts";
import { constant, zerosLike } from "../ops/views.ts";
import { checking, faultOf } from "../trace/fault.ts";
import { currentFrame, Frame, within } from "../trace/frame.ts";
import type { Tensor } from "../trace/tensor.ts";
import { isTensor, leavesOf, type Tree, withLeaves } from "../trace/tree.ts";
import { pushForward } from "./forward.ts";
import { graphVjp } from "./reverse.ts";

type Float = Tensor<"f32">;
type Tensors = Tree<Tensor>;

/**
 * Traces `f` in its own frame, with fresh inputs for the leaves of `args`; `op` is the caller's name, for error
 * messages.
 */
export function subgraph<R extends Tensors>(
  op: string,
  name: string,
  f: (args: readonly Tensors[]) => R,
  args: readonly Tensors[],
) {
  const frame = new Frame(name || "function", currentFrame());
  const leaves = checking(op, () => leavesOf(args, isTensor));
  const inputs = leaves.map(({ path, leaf }) => frame.input(path, leaf.aval));
  const result = within(frame, () => f(withLeaves(args, isTensor, inputs) as readonly Tensors[]));
  const outputs = checking(op, () => leavesOf<Tensor>(result, isTensor)).map(({ leaf }) => leaf);
  const graph = frame.finish(
    inputs.map(({ id }) => id),
    outputs,
  );
  const captured = frame.captured.map(({ outer }) => outer);
  return { graph, captured, primals: leaves.map(({ leaf }) => leaf), result };
}

/** The result of `valueAndGrad`: the value of the loss, and its gradient as a tree like the first argument. */
export interface ValueAndGrad<A> {
  /** The value of the function: a scalar. */
  readonly value: Float;
  /** The derivative with respect to the first argument, as a tree like that argument. */
  readonly grad: A;
}

/**
 * Returns a function that computes the value of the scalar function `f` and its gradient with respect to the first
 * argument (a tensor, or a tree of tensors). Integer and bool leaves, and leaves that the value does not depend on, get
 * zeros.
 */
export function valueAndGrad<A extends Tensors, Rest extends Tensors[]>(
  f: (first: A, ...rest: Rest) => Float,
): (first: A, ...rest: Rest) => ValueAndGrad<A> {
  return (first, ...rest) => {
    const { graph, captured, primals } = subgraph("grad", f.name, (args) => f(...(args as [A, ...Rest])), [
      first,
      ...rest,
    ]);
    const outs = graph.outputs.map((id) => at(graph.nodes, id).aval);
    if (outs.length !== 1 || outs.some(({ dtype, shape }) => dtype !== "f32" || shape.length > 0)) {
      const found = outs.map(({ dtype, shape }) => `${dtype}${formatShape(shape)}`).join(" and ") || "none";
      throw faultOf(
        "grad",
        `${f.name || "the function"} must return one f32 scalar, got ${found}; take its sum or mean`,
      );
    }
    const wanted = leavesOf<Tensor>(first, isTensor).length;
    const wrt = [...captured.map(() => false), ...primals.map((_, i) => i < wanted)];
    const { outputs, pullback } = graphVjp(graph, [...captured, ...primals], wrt);
    const cts = pullback([constant(1)]).slice(captured.length, captured.length + wanted);
    const grads = cts.map((ct, i) => ct ?? zerosLike(at(primals, i)));
    return { value: at(outputs, 0) as Float, grad: withLeaves<Tensor, Tensor>(first, isTensor, grads) as A };
  };
}

/** Returns a function that computes the gradient of the scalar function `f` with respect to its first argument. */
export function grad<A extends Tensors, Rest extends Tensors[]>(
  f: (first: A, ...rest: Rest) => Float,
): (first: A, ...rest: Rest) => A {
  const both = valueAndGrad(f);
  return (first, ...rest) => both(first, ...rest).grad;
}

/** Returns a function that computes the value of `f` and its derivative along `tangents`, trees like the arguments. */
export function jvp<Args extends Tensors[], R extends Tensors>(
  f: (...args: Args) => R,
): (primals: readonly [...Args], tangents: readonly [...Args]) => { value: R; tangent: R } {
  return (primals, tangents) => {
    const traced = subgraph("jvp", f.name, (args) => f(...(args as Args)), primals);
    const along = checking("jvp", () => leavesOf<Tensor>(tangents, isTensor)).map(({ leaf }) => leaf);
    if (along.length !== traced.primals.length) {
      throw faultOf(
        "jvp",
        `got ${traced.primals.length} tensors and ${along.length} tangents; pass one tangent for each tensor`,
      );
    }
    for (const [i, primal] of traced.primals.entries()) {
      const tangent = at(along, i);
      if (!sameAval(primal, tangent))
        throw faultOf(
          "jvp",
          `tensor ${i} is ${formatAval(primal)}, but its tangent is ${formatAval(tangent)}; both must have the same dtype and shape`,
        );
    }
    const directions = along.map((leaf) => (leaf.dtype === "f32" ? (leaf as Float) : undefined));
    const { outputs, tangents: moved } = pushForward(
      traced.graph,
      [...traced.captured, ...traced.primals],
      [...traced.captured.map(() => undefined), ...directions],
    );
    const filled = moved.map((tangent, i) => tangent ?? zerosLike(at(outputs, i)));
    return {
      value: withLeaves<Tensor, Tensor>(traced.result, isTensor, outputs) as R,
      tangent: withLeaves<Tensor, Tensor>(traced.result, isTensor, filled) as R,
    };
  };
}

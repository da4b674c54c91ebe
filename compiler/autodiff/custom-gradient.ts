/** @file `customGradient`: a function with a custom gradient, such as a spike with a surrogate gradient. */
import { formatShape } from "../graph/dim.ts";
import { inWords } from "../graph/errors.ts";
import { formatAval, type Graph, sameAval } from "../graph/graph.ts";
import { customGradientOp } from "../ops/custom-gradient.ts";
import { inlineGraph } from "../ops/inline.ts";
import { checking, faultOf } from "../trace/fault.ts";
import { currentFrame, emit, Frame, within } from "../trace/frame.ts";
import type { Tensor } from "../trace/tensor.ts";
import { isTensor, leavesOf, type Tree, withLeaves } from "../trace/tree.ts";
import { subgraph } from "./gradient.ts";
import { activeNodes } from "./reverse.ts";

type Tensors = Tree<Tensor>;

/**
 * The cotangent of an argument, with the argument's structure, where leaves can be left out; undefined for no gradient.
 */
type CotangentOf<A> = A extends Tensor ? A | undefined : Tensors | undefined;

/** What a vjp returns: a list with the cotangent of each argument, or for a single argument its cotangent. */
export type Cotangents<Args extends readonly unknown[]> =
  | { readonly [K in keyof Args]: CotangentOf<Args[K]> }
  | (Args extends readonly [infer Only] ? CotangentOf<Only> : never);

/**
 * A function with the values of `f` and the gradient of `vjp`: `vjp(ct, ...args)` returns the cotangents of the
 * arguments, given that of the result. Uses: a surrogate gradient for a spike, the gradient of the identity for
 * rounding (straight-through), a numerically stable gradient for a formula whose own one cancels:
 *
 *     const spike = customGradient(
 *       (v: Tensor<"f32">) => cast(less(0, v), "f32"),
 *       (ct, v) => div(ct, square(add(1, mul(abs(v), 10)))),
 *     );
 *
 * `f` accepts tensors, or lists and records of them, and returns f32 tensors, or lists and records of them. `vjp` gets
 * the cotangent, with the structure of the result, and the arguments of `f`. For one argument it returns the cotangent
 * with the structure of that argument, for several a list; undefined means no gradient, and integers get none. It
 * consists of ops too, so it can be differentiated again. What it computes just like `f` (the same ops on the same
 * arguments) is not computed twice.
 *
 * Both functions can read tensors from outside. Those that `f` reads get no gradient; to differentiate with respect to
 * one is an error, since the gradient would be lost silently. Make it an argument, or use `stopGradient`.
 *
 * @throws UserError if `vjp` returns something other than cotangents with the arguments' shapes, if a result is not
 *   f32, and in forward mode (`jvp`), which a vjp does not define.
 */
export function customGradient<Args extends readonly Tensors[], R extends Tensors>(
  f: (...args: Args) => R,
  vjp: (ct: NoInfer<R>, ...args: Args) => Cotangents<Args>,
): (...args: Args) => R {
  if (typeof f !== "function" || typeof vjp !== "function")
    throw faultOf("customGradient", `got ${inWords(f)} and ${inWords(vjp)}; expected a function and its vjp`);
  return (...args) => {
    const forward = subgraph("customGradient", f.name, (given) => f(...(given as Args)), args);
    const results = inlineGraph(forward.graph, [...forward.captured, ...forward.primals]);
    for (const { dtype, shape } of results)
      if (dtype !== "f32")
        throw faultOf("customGradient", `the function returns ${dtype}${formatShape(shape)}; expected f32 (cast it)`);
    const ofResult = (values: readonly Tensor[]) => withLeaves<Tensor, Tensor>(forward.result, isTensor, values) as R;
    const backward = tracedVjp((cts, given) => vjp(ofResult(cts), ...(given as Args)), results, args);
    // A captured tensor that reaches results only through stopGradient loses no gradient.
    const captured = forward.captured.filter((_, i) => reachesOutputs(forward.graph, i));
    const operands = [...results, ...forward.primals, ...captured, ...backward.captured];
    const attrs = {
      ...{ vjp: backward.graph, outputs: results.length, args: forward.primals.length },
      ...{ captured: captured.length, wanted: backward.wanted },
    };
    return ofResult(results.map((_, index) => emit(customGradientOp.entry, operands, { ...attrs, index })));
  };
}

function reachesOutputs(graph: Graph, input: number): boolean {
  const active = activeNodes(
    graph,
    graph.inputs.map((_, i) => i === input),
  );
  return graph.outputs.some((id) => active[id]);
}

/**
 * The vjp as a graph of cotangents and arguments, and the indices of the arguments' tensors that it returns cotangents
 * for.
 */
function tracedVjp(
  vjp: (cts: readonly Tensor[], args: readonly Tensors[]) => Cotangents<readonly Tensors[]> | Tensors | undefined,
  results: readonly Tensor[],
  args: readonly Tensors[],
) {
  const frame = new Frame("vjp", currentFrame());
  const cts = results.map((result, i) => frame.input(`ct${i}`, result.aval));
  const leaves = leavesOf<Tensor>(args, isTensor);
  const inputs = leaves.map(({ path, leaf }) => frame.input(path, leaf.aval));
  const given: unknown = within(frame, () => vjp(cts, withLeaves<Tensor, Tensor>(args, isTensor, inputs) as Tensors[]));
  const isList = Array.isArray(given) && (args.length > 1 || !Array.isArray(args[0]));
  const list: unknown = args.length === 1 && !isList ? [given] : given;
  if (!Array.isArray(list) || list.length !== args.length)
    throw faultOf(
      "customGradient",
      `the vjp returns ${Array.isArray(list) ? `${list.length} cotangents` : inWords(list)}; expected a list of ${args.length}, one for each argument`,
    );
  const wanted: number[] = [];
  const found: Tensor[] = [];
  for (const [i, cotangent] of list.entries()) {
    if (cotangent === undefined) continue;
    for (const { path, leaf } of checking("customGradient", () => leavesOf<Tensor>(cotangent, isTensor))) {
      const whole = path === "" ? String(i) : `${i}/${path}`;
      const place = leaves.findIndex((other) => other.path === whole);
      const aval = leaves[place]?.leaf;
      if (aval === undefined || aval.dtype !== "f32" || !sameAval(aval, leaf)) {
        const expected =
          aval === undefined ? "none" : aval.dtype === "f32" ? formatAval(aval) : "none, since it is not f32";
        throw faultOf(
          "customGradient",
          `the vjp returns ${formatAval(leaf)} as the cotangent of argument ${whole}; expected ${expected}`,
        );
      }
      wanted.push(place);
      found.push(leaf);
    }
  }
  const graph = frame.finish(
    [...cts, ...inputs].map(({ id }) => id),
    found,
  );
  return { graph, wanted, captured: frame.captured.map(({ outer }) => outer) };
}

/** @file `customGradient`: a function with a gradient that is not that of its ops, such as that of a spike. */
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

/** The cotangent of an argument: in its form, of which leaves may be left out; undefined where it gets none. */
type CotangentOf<A> = A extends Tensor ? A | undefined : Tensors | undefined;

/** What a vjp gives: a list with the cotangent of each argument, or of a single argument its cotangent. */
export type Cotangents<Args extends readonly unknown[]> =
  | { readonly [K in keyof Args]: CotangentOf<Args[K]> }
  | (Args extends readonly [infer Only] ? CotangentOf<Only> : never);

/**
 * A function like `f` whose gradient is what `vjp` says: its values are exactly those of `f`, and `vjp(ct, ...args)` gives
 * the cotangents of the arguments from that of the result. So a spike gets a surrogate, a rounding the gradient of the
 * identity, and a formula that cancels one that does not:
 *
 *     const spike = customGradient(
 *       (v: Tensor<"f32">) => cast(less(0, v), "f32"),
 *       (ct, v) => div(ct, square(add(1, mul(abs(v), 10)))),
 *     );
 *
 * `f` takes tensors, or lists and records of them, and gives f32 tensors in the same way. `vjp` gets the cotangent in the
 * form of the result, and what `f` got. For one argument it gives the cotangent in the form of that argument, for several
 * a list; undefined stands for no gradient, and integers get none. It is made of ops as well, so that gradients of
 * gradients go through it. What it computes as `f` does (the same ops of the same arguments) is not computed twice.
 *
 * Either function may read tensors from outside. Those that `f` reads get no gradient: to differentiate with respect to one
 * is an error, since the gradient would be lost without a word. Make it an argument, or say `stopGradient`.
 *
 * @throws UserError where `vjp` gives something else than cotangents of the arguments' shapes, where a result is not f32, and
 * where it is differentiated in forward mode (`jvp`), for which a vjp is no rule.
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
        throw faultOf("customGradient", `the function gives ${dtype}${formatShape(shape)}; expected f32 (cast it)`);
    const ofResult = (values: readonly Tensor[]) => withLeaves<Tensor, Tensor>(forward.result, isTensor, values) as R;
    const backward = tracedVjp((cts, given) => vjp(ofResult(cts), ...(given as Args)), results, args);
    // Those that reach no result but through stopGradient lose nothing.
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

/** The vjp as a graph of cotangents and arguments, and which of the arguments' tensors it gives cotangents of. */
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
      `the vjp gives ${Array.isArray(list) ? `${list.length} cotangents` : inWords(list)}; expected a list of ${args.length}, one for each argument`,
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
        const expected = aval === undefined ? "none" : aval.dtype === "f32" ? formatAval(aval) : "none, it is no f32";
        throw faultOf(
          "customGradient",
          `the vjp gives ${formatAval(leaf)} as the cotangent of argument ${whole}; expected ${expected}`,
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

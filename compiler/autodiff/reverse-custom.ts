/**
 * @file Reverse mode through a `customGradient`: the cotangents of all results of a call are collected, and its vjp
 * replaces the rules of the ops that computed them.
 */
import { sameGraph } from "../graph/builder.ts";
import { at } from "../graph/errors.ts";
import type { Graph, Node, NodeId } from "../graph/graph.ts";
import { customOperands } from "../ops/custom-gradient.ts";
import { inlineGraph } from "../ops/inline.ts";
import { zerosLike } from "../ops/views.ts";
import { faultOf } from "../trace/fault.ts";
import type { Tensor } from "../trace/tensor.ts";

type Float = Tensor<"f32">;
type Cotangent = Float | undefined;
export type CustomNode = Extract<Node, { readonly op: "customGradient" }>;

/** For each `customGradient` node, the first node of the same call; a call has one for each result. */
export function callsOf(graph: Graph): ReadonlyMap<NodeId, NodeId> {
  const calls = new Map<NodeId, NodeId>();
  const firsts: [NodeId, CustomNode][] = [];
  for (const [id, node] of graph.nodes.entries()) {
    if (node.op !== "customGradient") continue;
    const known = firsts.find(([, other]) => isSameCall(other, node));
    if (known === undefined) firsts.push([id, node]);
    calls.set(id, known?.[0] ?? id);
  }
  return calls;
}

function isSameCall(a: CustomNode, b: CustomNode): boolean {
  return (
    a.operands.length === b.operands.length &&
    a.operands.every((operand, i) => operand === b.operands[i]) &&
    sameGraph(a.attrs.vjp, b.attrs.vjp)
  );
}

/** The operands that the results depend on: arguments, and what the function reads from outside. */
export function reachingOperands({ attrs, operands }: CustomNode): readonly NodeId[] {
  const { args, captured } = customOperands(attrs, operands);
  return [...args, ...captured];
}

/** Cotangents of the operands from those of the results. `isActive` says which operands are differentiated. */
export function pullbackOfCustom(
  { attrs }: CustomNode,
  operands: readonly Tensor[],
  isActive: readonly boolean[],
  cts: readonly Cotangent[],
): readonly Cotangent[] {
  const { results, args, capturedByVjp } = customOperands(attrs, operands);
  if (customOperands(attrs, isActive).captured.some((active) => active))
    throw faultOf(
      "customGradient",
      "the function reads a tensor from outside with respect to which it is differentiated; make it an argument, or stop its gradient with stopGradient",
    );
  const given = results.map((result, i) => cts[i] ?? zerosLike(result as Float));
  const found = inlineGraph(attrs.vjp, [...capturedByVjp, ...given, ...args]);
  const out = new Array<Cotangent>(operands.length).fill(undefined);
  for (const [i, ct] of found.entries()) out[attrs.outputs + at(attrs.wanted, i)] = ct as Float;
  return out;
}

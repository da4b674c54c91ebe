/**
 * @file How large an error may be that rounding alone makes. Derived, not tuned (docs/testing.md, "Tolerances").
 *
 * Rounding errors of n operations in a row behave like a random walk: with a probability that hardly differs from 1 the
 * relative error of the result is below λ·√n·u, where u is the unit roundoff (Higham & Mary 2019, "A new approach to
 * probabilistic rounding error analysis", SIAM J. Sci. Comput. 41(5), theorem 2.4, for inner products). Through a
 * recurrence of T steps, each an inner product of depth K and some elementwise functions, n = T·(K + E).
 */

import type { Dim } from "../compiler/graph/dim.ts";
import type { Graph, Node, NodeId } from "../compiler/graph/graph.ts";
import { checkedOptions } from "../compiler/graph/options.ts";

/** Unit roundoff of f32. */
const f32Roundoff = 2 ** -24;
/** λ of the theorem: 1 - 2·exp(-λ²(1 - u)²/2) is the probability, above 1 - 3e-14. */
const confidence = 8;
/** Roundings of the elementwise part of a step; a device's exp or tanh may itself be off by several units. */
const elementwiseRoundings = 64;
/** A gradient goes through the sequence twice, and each of its products multiplies two numbers that were rounded. */
const bothWays = 4;

/**
 * Largest relative error of an f32 result, as the length of the error against that of the result.
 *
 * @param sizes time: steps that the numbers go through; depth: terms of the longest sum of a step, such as the inner size of a product
 */
export function f32Tolerance(sizes: { readonly time: number; readonly depth: number }): number {
  const { time, depth } = checkedOptions("f32Tolerance", sizes, { time: "number", depth: "number" });
  return bothWays * confidence * f32Roundoff * Math.sqrt(time * (depth + elementwiseRoundings));
}

/** Steps that numbers go through in a graph without symbols, one loop after another: the T of its tolerance. */
export function stepsOf(graph: Graph): number {
  const loops = graph.nodes.map((node) =>
    node.op === "scan" && typeof node.attrs.length === "number" ? node.attrs.length * stepsOf(node.attrs.body) : 0,
  );
  return Math.max(
    1,
    loops.reduce((a, b) => a + b, 0),
  );
}

/** Terms of the longest sum in a graph, in a product or by itself, as far as sizes are known: the K of its tolerance. */
export function depthOf(graph: Graph): number {
  const size = (dim: Dim) => (typeof dim === "number" ? dim : 1);
  const shapeOf = (id: NodeId | undefined) => graph.nodes[id ?? 0]?.aval.shape.map(size) ?? [];
  const terms = (node: Node): number => {
    const shape = shapeOf(node.operands[0]);
    switch (node.op) {
      case "scan":
        return depthOf(node.attrs.body);
      case "dot":
        return shape[shape.length - (node.attrs.transposeA ? 2 : 1)] ?? 1;
      case "sum":
        return node.attrs.axes.reduce((product, axis) => product * (shape[axis] ?? 1), 1);
      case "scatterAdd":
        return shape.reduce((product, extent) => product * extent, 1);
      default:
        return 1;
    }
  };
  return graph.nodes.reduce((most, node) => Math.max(most, terms(node)), 1);
}

/**
 * Largest relative error between two exact derivatives in float64 (forward mode, reverse mode): ten digits are left
 * after any number of operations that a test can wait for.
 */
export const exactTolerance = 1e-10;

/**
 * Largest relative error of a central difference in float64. Of fourth order, with a step h, it is off by h⁴/30 of the
 * fifth derivative and by u/h of the value: h = 1e-3 makes both about 1e-13 of a function whose derivatives are of one
 * size, and a function a hundred times as curved still leaves 1e-6 at h = 3e-4.
 */
export const differenceTolerance = 1e-6;

/**
 * @file Tolerances: the largest errors that rounding can cause. Derived, not tuned (docs/testing.md, "Tolerances").
 *
 * Rounding errors of n consecutive operations behave like a random walk: with a probability close to 1, the relative error
 * of the result is below λ·√n·u, where u is the unit roundoff (Higham & Mary 2019, "A new approach to probabilistic
 * rounding error analysis", SIAM J. Sci. Comput. 41(5), theorem 2.4, for inner products). For a recurrence of T steps, each
 * an inner product of depth K and some elementwise functions, n = T·(K + E).
 */

import type { Dim } from "../compiler/graph/dim.ts";
import type { Graph, Node, NodeId } from "../compiler/graph/graph.ts";
import { checkedOptions } from "../compiler/graph/options.ts";

/** Unit roundoff of f32. */
const f32Roundoff = 2 ** -24;
/** λ of the theorem: 1 - 2·exp(-λ²(1 - u)²/2) is the probability, above 1 - 3e-14. */
const confidence = 8;
/** Roundings in the elementwise part of a step; a device's exp or tanh can itself be off by several units. */
const elementwiseRoundings = 64;
/** A gradient passes through the sequence twice, and each of its products multiplies two rounded numbers. */
const bothWays = 4;

/**
 * Largest relative error of an f32 result: norm of the error divided by norm of the result.
 *
 * @param sizes time: number of consecutive steps; depth: terms of the longest sum in a step, such as the inner size of a product
 */
export function f32Tolerance(sizes: { readonly time: number; readonly depth: number }): number {
  const { time, depth } = checkedOptions("f32Tolerance", sizes, { time: "number", depth: "number" });
  return bothWays * confidence * f32Roundoff * Math.sqrt(time * (depth + elementwiseRoundings));
}

/** Consecutive steps of all loops in a graph without symbols: the T of its tolerance. */
export function stepsOf(graph: Graph): number {
  const loops = graph.nodes.map((node) =>
    node.op === "scan" && typeof node.attrs.length === "number" ? node.attrs.length * stepsOf(node.attrs.body) : 0,
  );
  return Math.max(
    1,
    loops.reduce((a, b) => a + b, 0),
  );
}

/** Terms of the longest sum or product in a graph, as far as sizes are known: the K of its tolerance. */
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
 * Largest relative error between two exact derivatives in float64 (forward mode, reverse mode): ten digits remain correct
 * after as many operations as a test can run.
 */
export const exactTolerance = 1e-10;

/**
 * Largest relative error of a central difference in float64. A fourth-order one with step h has an error of h⁴/30 times the
 * fifth derivative plus u/h times the value: with h = 1e-3, both are about 1e-13 for a function whose derivatives have
 * similar magnitudes, and 1e-6 is still reached at h = 3e-4 for a function with a hundred times the curvature.
 */
export const differenceTolerance = 1e-6;

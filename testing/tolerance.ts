/**
 * @file How large an error may be that rounding alone makes. Derived, not tuned (docs/trust.md, "Tolerances").
 *
 * Rounding errors of n operations in a row behave like a random walk: with a probability that hardly differs from 1 the
 * relative error of the result is below λ·√n·u, where u is the unit roundoff (Higham & Mary 2019, "A new approach to
 * probabilistic rounding error analysis", SIAM J. Sci. Comput. 41(5), theorem 2.4, for inner products). Through a
 * recurrence of T steps, each an inner product of depth K and some elementwise functions, n = T·(K + E).
 */
import type { Graph } from "../index.ts";

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
 * @param time steps that the numbers go through
 * @param depth of the widest product of a step
 */
export function f32Tolerance({ time, depth }: { readonly time: number; readonly depth: number }): number {
  return bothWays * confidence * f32Roundoff * Math.sqrt(time * (depth + elementwiseRoundings));
}

/** The depth of the deepest product of a graph, as far as it is known: the K of its tolerance. */
export function depthOf(graph: Graph): number {
  return graph.nodes.reduce((most, node) => {
    if (node.op === "scan") return Math.max(most, depthOf(node.attrs.body));
    if (node.op !== "dot") return most;
    const shape = graph.nodes[node.operands[0] ?? 0]?.aval.shape ?? [];
    const depth = shape[shape.length - (node.attrs.transposeA ? 2 : 1)];
    return typeof depth === "number" ? Math.max(most, depth) : most;
  }, 1);
}

/**
 * Largest relative error between two exact derivatives in float64 (forward mode, reverse mode): ten digits are left
 * after any number of operations that a test can wait for.
 */
export const exactTolerance = 1e-10;

/**
 * Largest relative error of a central difference in float64. With a step h the quotient is off by h²/6 of the third
 * derivative and by u/h of the value; h = 1e-5 makes both about 1e-10, and curvature a thousand times the slope still
 * leaves 1e-7.
 */
export const differenceTolerance = 1e-6;

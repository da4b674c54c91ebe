/**
 * @file The entry "cellgrad/inspect": looking into a network, its gates and how gradients flow through time, what a graph says,
 * whether it is valid, and where a number that is not finite came from.
 */
export { printGraph } from "../compiler/graph/print.ts";
export { findNonFinite, type NonFinite, nonFiniteLine } from "../compiler/ops/non-finite.ts";
export { verify } from "../compiler/ops/verify.ts";
export { type Gate, gatesOf, namedGates } from "../train/gates.ts";
export { type GradientFlowOptions, gradientFlow } from "../train/gradient-flow.ts";

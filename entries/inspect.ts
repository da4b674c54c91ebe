/**
 * @file The entry "cellgrad/inspect": Tools to look into a network: its gates, how gradients flow through time, its
 * graph, and where a number that is not finite came from.
 */
export { printGraph } from "../compiler/graph/print.ts";
export { findNonFinite, type NonFinite, nonFiniteLine } from "../compiler/ops/non-finite.ts";
export { verify } from "../compiler/ops/verify.ts";
export { type Gate, gatesOf, namedGates } from "../train/gates.ts";
export { type GradientFlowOptions, gradientFlow } from "../train/gradient-flow.ts";

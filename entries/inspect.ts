/**
 * @file The entry "cellgrad/inspect": inspects a network: its gates, the gradient flow through time, its graph, and the origin
 * of a number that is not finite.
 */
export { printGraph } from "../compiler/graph/print.ts";
export { findNonFinite, type NonFinite, nonFiniteLine } from "../compiler/ops/non-finite.ts";
export { verify } from "../compiler/ops/verify.ts";
export { type Gate, gatesOf, namedGates } from "../train/gates.ts";
export { type GradientFlowOptions, gradientFlow } from "../train/gradient-flow.ts";

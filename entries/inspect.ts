/**
 * @file The entry "cellgrad/inspect": looking into a network, its gates and how gradients flow through time, what a graph says, and
 * whether it is valid.
 */
export { printGraph } from "../compiler/graph/print.ts";
export { verify } from "../compiler/ops/verify.ts";
export { type Gate, gatesOf, namedGates } from "../train/gates.ts";
export { type GradientFlowOptions, gradientFlow } from "../train/gradient-flow.ts";

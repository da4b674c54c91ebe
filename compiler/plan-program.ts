/**
 * @file The compiler's table of contents: a graph goes through the passes in their order and is lowered to a program.
 */
import type { Graph } from "./graph/graph.ts";
import { requirementsOf } from "./ops/requirements.ts";
import { type OptimizeOptions, optimize } from "./optimize.ts";
import { defaultStorageBuffers, lower } from "./plan/lower.ts";
import type { LowerOptions } from "./plan/lowering.ts";
import { forPopulation } from "./plan/population.ts";
import type { PlannedKernel, Program } from "./plan/program.ts";

export { type CompileTrace, type Precision, passes } from "./optimize.ts";

export interface CompileProgramOptions extends LowerOptions, OptimizeOptions {}

/** Runs passes and lowering: returns a program with kernels in the kernel IR, for any target. */
export function planProgram(graph: Graph, options: CompileProgramOptions = {}): Program<PlannedKernel> {
  // Requirements of the traced graph: passes move work before loops, where it runs even if a loop has no steps.
  const requires = requirementsOf(graph);
  const lowered = lower(optimize(graph, options), options);
  const { population, target = "gpu", maxStorageBuffers: maxBuffers = defaultStorageBuffers } = options;
  return {
    ...(population === undefined ? lowered : forPopulation(lowered, population, { target, maxBuffers })),
    requires,
  };
}

/**
 * @file The compiler's table of contents: a graph goes through the passes in this order and is lowered to a program.
 */
import type { Graph } from "./graph/graph.ts";
import { requirementsOf } from "./ops/requirements.ts";
import { withoutCustomGradients } from "./passes/custom-gradients.ts";
import { removeDead } from "./passes/dead.ts";
import { hoist } from "./passes/hoist.ts";
import { invariantCarries } from "./passes/invariant-carries.ts";
import { lookupsOfProducts } from "./passes/lookups.ts";
import { simplify } from "./passes/simplify.ts";
import { sink } from "./passes/sink.ts";
import { splitProducts } from "./passes/split-products.ts";
import { lower } from "./plan/lower.ts";
import type { LowerOptions } from "./plan/lowering.ts";
import type { PlannedKernel, Program } from "./plan/program.ts";
import { withoutCallSites } from "./trace/site.ts";

/**
 * Graph to graph, in order. Every pass preserves values to 1e-12 in the interpreter; about-passes.ts says what each
 * does.
 */
export const passes = [
  { name: "custom gradients", run: withoutCustomGradients },
  { name: "simplify", run: simplify },
  { name: "dead", run: removeDead },
  { name: "invariant carries", run: invariantCarries },
  { name: "split products", run: splitProducts },
  { name: "hoist", run: hoist },
  { name: "sink", run: sink },
  { name: "lookups", run: lookupsOfProducts },
  { name: "clean up", run: (graph: Graph) => removeDead(simplify(graph)) },
] as const;

export interface CompileTrace {
  readonly pass: string;
  readonly graph: Graph;
}

export interface CompileProgramOptions extends LowerOptions {
  /** Called with the graph after each pass, for inspection. */
  readonly onPass?: (trace: CompileTrace) => void;
}

/** Results of the passes by graph: programs for other devices, schedules and tiles start from these. */
const passed = new WeakMap<Graph, Graph>();

/** Runs passes and lowering: returns a program with kernels in the kernel IR, for any target. */
export function planProgram(graph: Graph, options: CompileProgramOptions = {}): Program<PlannedKernel> {
  // Requirements of the traced graph: passes move work before loops, where it runs even if a loop has no steps.
  const requires = requirementsOf(graph);
  const known = passed.get(graph);
  if (known !== undefined && options.onPass === undefined) return { ...lower(known, options), requires };
  let current = graph;
  options.onPass?.({ pass: "traced", graph });
  for (const pass of passes) {
    current = withoutCallSites(() => pass.run(current));
    options.onPass?.({ pass: pass.name, graph: current });
  }
  passed.set(graph, current);
  return { ...lower(current, options), requires };
}

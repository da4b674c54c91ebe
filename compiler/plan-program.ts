/**
 * @file The compiler's table of contents: a graph goes through the passes in this order and is lowered to a program.
 */
import type { Graph } from "./graph/graph.ts";
import { requirementsOf } from "./ops/requirements.ts";
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

/** Graph to graph, in order. Every pass keeps values to 1e-12 in the interpreter; about-passes.ts says what each does. */
export const passes = [
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
  /** Called with the graph after each pass, for people who look. */
  readonly onPass?: (trace: CompileTrace) => void;
}

/** What the passes make of a graph: programs of it for other devices, schedules and tiles begin there. */
const passed = new WeakMap<Graph, Graph>();

/** Passes and lowering: a graph as a program whose kernels are in the kernel IR, for any target. */
export function planProgram(graph: Graph, options: CompileProgramOptions = {}): Program<PlannedKernel> {
  // Of the graph as it was traced: passes move what a loop computes to before it, where it runs though the loop has no steps.
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

/** @file The passes in their order, and the graph that they make of another one: what all devices compile or interpret. */
import type { Graph } from "./graph/graph.ts";
import { batchInFront } from "./passes/batch-in-front.ts";
import { withoutCustomGradients } from "./passes/custom-gradients.ts";
import { removeDead } from "./passes/dead.ts";
import { storeInHalf } from "./passes/half.ts";
import { hoist } from "./passes/hoist.ts";
import { invariantCarries } from "./passes/invariant-carries.ts";
import { lookupsOfProducts } from "./passes/lookups.ts";
import { simplify } from "./passes/simplify.ts";
import { sink } from "./passes/sink.ts";
import { splitProducts } from "./passes/split-products.ts";
import { stacks } from "./passes/stacks.ts";
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
  { name: "stacks", run: stacks },
  { name: "split products", run: splitProducts },
  { name: "hoist", run: hoist },
  { name: "sink", run: sink },
  { name: "batch in front", run: batchInFront },
  { name: "lookups", run: lookupsOfProducts },
  { name: "clean up", run: (graph: Graph) => removeDead(simplify(graph)) },
] as const;

/** The last pass of `precision: "mixed"`: the only one that changes values. */
export const halfPass = { name: "half", run: storeInHalf } as const;

export interface CompileTrace {
  readonly pass: string;
  readonly graph: Graph;
}

/**
 * In which precision loops store what they compute in each step: f32, or "mixed": rounded to f16, so that it takes half of
 * the memory where a device can store it so. Everything is computed in f32.
 */
export type Precision = "f32" | "mixed";

export interface OptimizeOptions {
  readonly precision?: Precision | undefined;
  /** Called with the graph after each pass, for inspection. */
  readonly onPass?: ((trace: CompileTrace) => void) | undefined;
}

/** Results of the passes by graph: programs for other devices, schedules and tiles start from these. */
const passed: Readonly<Record<Precision, WeakMap<Graph, Graph>>> = { f32: new WeakMap(), mixed: new WeakMap() };

/** Runs the passes. */
export function optimize(graph: Graph, { precision = "f32", onPass }: OptimizeOptions = {}): Graph {
  const known = passed[precision].get(graph);
  if (known !== undefined && onPass === undefined) return known;
  let current = graph;
  onPass?.({ pass: "traced", graph });
  for (const pass of precision === "mixed" ? [...passes, halfPass] : passes) {
    current = withoutCallSites(() => pass.run(current));
    onPass?.({ pass: pass.name, graph: current });
  }
  passed[precision].set(graph, current);
  return current;
}

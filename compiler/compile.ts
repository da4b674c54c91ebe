/**
 * @file The compiler's table of contents: a graph goes through the passes in this order and is lowered to a program.
 */
import type { Graph } from "./graph/graph.ts";
import { removeDead } from "./passes/dead.ts";
import { fixCarries } from "./passes/fixed-carries.ts";
import { hoist } from "./passes/hoist.ts";
import { lookupsOfProducts } from "./passes/lookups.ts";
import { simplify } from "./passes/simplify.ts";
import { sink } from "./passes/sink.ts";
import { splitProducts } from "./passes/split-products.ts";
import { type LowerOptions, lower } from "./plan/lower.ts";
import type { Program } from "./plan/program.ts";
import { defaultLimits, verifyProgram } from "./plan/verify-program.ts";
import { withoutCallSites } from "./trace/site.ts";

export interface Pass {
  readonly name: string;
  /** What the pass does, in a line. */
  readonly about: string;
  readonly run: (graph: Graph) => Graph;
}

/** Graph to graph, in order. Every pass keeps values to 1e-12 in the interpreter. */
export const passes: readonly Pass[] = [
  { name: "simplify", about: "drop additions of 0 and products with 1", run: simplify },
  { name: "dead", about: "drop what no output needs, in and out of loops", run: removeDead },
  { name: "fixed carries", about: "a carry that no step changes becomes a const of its loop", run: fixCarries },
  { name: "split products", about: "concat(a, b)·W becomes a·W_a + b·W_b", run: splitProducts },
  {
    name: "hoist",
    about: "products that wait for no carry move before the loop, over all time steps at once",
    run: hoist,
  },
  { name: "sink", about: "products that no carry waits for, and sums over time, move behind the loop", run: sink },
  {
    name: "lookups",
    about: "a product of rows looked up in a small table becomes a lookup in the table's product",
    run: lookupsOfProducts,
  },
  {
    name: "clean up",
    about: "simplify and drop what the moves left behind",
    run: (graph) => removeDead(simplify(graph)),
  },
];

export interface CompileTrace {
  readonly pass: string;
  readonly graph: Graph;
}

export interface CompileProgramOptions extends LowerOptions {
  /** Called with the graph after each pass, for people who look. */
  readonly onPass?: (trace: CompileTrace) => void;
}

/** Passes and lowering: a graph as a program, which is plain data, with no device. */
export function buildProgram(graph: Graph, options: CompileProgramOptions = {}): Program {
  let current = graph;
  options.onPass?.({ pass: "traced", graph });
  for (const pass of passes) {
    current = withoutCallSites(() => pass.run(current));
    options.onPass?.({ pass: pass.name, graph: current });
  }
  return lower(current, options);
}

/** Builds a program and checks it against WebGPU's rules, for tests and for people who look; a device checks by itself. */
export function compileProgram(graph: Graph, options: CompileProgramOptions = {}): Program {
  return verifyProgram(buildProgram(graph, options), {
    ...defaultLimits,
    storageBuffers: options.maxStorageBuffers ?? defaultLimits.storageBuffers,
    workgroupBytes: options.maxWorkgroupBytes ?? defaultLimits.workgroupBytes,
  });
}

/**
 * @file The compiler's table of contents: a graph goes through the passes in this order and is lowered to a program.
 */
import type { Graph } from "./graph/graph.ts";
import { type LowerOptions, lower } from "./plan/lower.ts";
import type { Program } from "./plan/program.ts";

export interface Pass {
  readonly name: string;
  /** What the pass does, in a line. */
  readonly about: string;
  readonly run: (graph: Graph) => Graph;
}

/** Graph to graph, in order. Every pass keeps values to 1e-12 in the interpreter. */
export const passes: readonly Pass[] = [];

export interface CompileTrace {
  readonly pass: string;
  readonly graph: Graph;
}

export interface CompileProgramOptions extends LowerOptions {
  /** Called with the graph after each pass, for people who look. */
  readonly onPass?: (trace: CompileTrace) => void;
}

/** Compiles a graph to a program: plain data, with no device. */
export function compileProgram(graph: Graph, options: CompileProgramOptions = {}): Program {
  let current = graph;
  options.onPass?.({ pass: "traced", graph });
  for (const pass of passes) {
    current = pass.run(current);
    options.onPass?.({ pass: pass.name, graph: current });
  }
  return lower(current, options);
}

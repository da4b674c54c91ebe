/** @file `graphToJax` and `cellToJax`: graphs and cells as Python modules that compute the same with JAX. */
import type { CellTrace } from "../../compiler/dsl/traced-cell.ts";
import { expectArgument, UserError } from "../../compiler/graph/errors.ts";
import { checkGraph, type Graph, inputName } from "../../compiler/graph/graph.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import { addFunction, argumentsOf, structures } from "./function.ts";
import { ModuleWriter } from "./module.ts";
import type { SourceLine } from "./source-names.ts";
import { addStep } from "./step.ts";

/** How a module is printed. */
export interface JaxOptions {
  /** The text of the line at a site such as `cells/gru.ts:12`, for comments, and for names of values. */
  readonly source?: SourceLine;
  /** The names of a loop's states, by the name of the loop. */
  readonly carries?: Readonly<Record<string, readonly string[]>>;
}

/** Options of `graphToJax`. */
export interface GraphToJaxOptions extends JaxOptions {
  /** Names of the outputs, in order. */
  readonly outputs?: readonly string[];
}

const ofPrinting = { source: "function", carries: "object" } as const;

/**
 * A graph as a Python module with one function, which computes its outputs with JAX. Inputs named `parameters/…` become one
 * argument, a tree with those paths. The gradient is JAX's own.
 *
 * @throws UserError if names of parameters do not form a tree, or if a size appears in no input.
 */
export function graphToJax(graph: Graph, options: GraphToJaxOptions = {}): string {
  const { outputs, ...printing } = checkedOptions("graphToJax", options, { ...ofPrinting, outputs: "list" });
  checkGraph("graphToJax", graph);
  if (outputs !== undefined && outputs.length !== graph.outputs.length)
    throw new UserError(`graphToJax: ${outputs.length} names for the ${graph.outputs.length} outputs of ${graph.name}`);
  const module = new ModuleWriter(printing);
  addFunction(module, {
    name: graph.name === "" ? "f" : graph.name,
    graph,
    arguments: argumentsOf(graph),
    returns: graph.outputs.map((_, output) => ({ output, name: outputs?.[output] ?? "result" })),
    about: `The graph ${graph.name}, as cellgrad traced it.`,
  });
  return module.text(`${graph.name}, printed by cellgrad.`);
}

/**
 * The step of a traced cell as a Python module with one function, `(params, state, x) -> (next state, output)`, to be run
 * with `lax.scan(partial(step, params), state, xs)`. `traceCell` of `cellgrad/files` traces a cell.
 */
export function cellToJax(trace: CellTrace, options: JaxOptions = {}): string {
  const printing = checkedOptions("cellToJax", options, ofPrinting);
  expectArgument(
    typeof trace === "object" && trace !== null && "states" in trace && "graph" in trace,
    "cellToJax: the trace",
    trace,
    "one of the traces of traceCell(cell, sizes)",
  );
  const module = new ModuleWriter(printing);
  addCell(module, trace);
  return module.text(`The cell ${trace.graph.name}, printed by cellgrad.`);
}

/** Adds the step of a cell to a module, and returns its name. */
export function addCell(module: ModuleWriter, { graph, states, parameters }: CellTrace): string {
  const [x, ...rest] = graph.inputs;
  const carries = rest.slice(0, states.length);
  const consts = rest.slice(states.length);
  const body: Graph = { ...graph, inputs: [...consts, ...carries, ...(x === undefined ? [] : [x])] };
  return addStep(
    module,
    graph.name,
    {
      attrs: { body, consts: consts.length, carries: carries.length },
      outputs: graph.outputs,
      carries: states.map((state) => state.name),
      xs: ["x"],
      output: "output",
    },
    consts.map((id, i) => (parameters[i]?.path ?? inputName(graph, id)).split("/")),
    structures,
  );
}

/**
 * @file A cell as plain data. `traceCell` runs the step of a cell on symbolic tensors and stores the graph, one per
 * size; `cellFromTrace` makes a cell from it again, with the same values, gradients and parameter paths. So a cell can
 * go where its source code cannot: from a sandbox to the worker that owns a device, or into a file.
 *
 *   traced cell ::= name trace+
 *   trace       ::= units features states parameters graph
 *                   graph : (x, states…, parameters…) -> (next states…, output)        B is the batch
 */

import { type Dim, dimCoefficient, formatShape, type Shape, sameShape } from "../graph/dim.ts";
import { at, expectArgument, UserError } from "../graph/errors.ts";
import { type Aval, type Graph, nodeAt } from "../graph/graph.ts";
import { checkedOptions } from "../graph/options.ts";
import { inlineGraph } from "../ops/inline.ts";
import { type NamedAval, traceGraph } from "../ops/trace.ts";
import { faultOf } from "../trace/fault.ts";
import type { Tensor } from "../trace/tensor.ts";
import { type CellDefinition, cell, type State } from "./cell.ts";
import { model } from "./model.ts";
import { type ParameterSpec, parameter } from "./parameters.ts";

type Float = Tensor<"f32">;

/** The most loop iterations in one step: an untrusted cell could keep a device busy forever. */
const mostIterations = 100_000;
/** The symbol of the batch in a traced step. */
const batch = "B";

/** A state of a traced cell. */
export interface TracedState {
  /** The name by which the step reads it. */
  readonly name: string;
  /** The shape without the batch. */
  readonly shape: readonly number[];
}

/** The step of a cell at one size. */
export interface CellTrace {
  /** The number of units it was traced with. */
  readonly units: number;
  /** The number of features of x it was traced with. */
  readonly features: number;
  /** The states, in the order of the graph's inputs. */
  readonly states: readonly TracedState[];
  /** The parameters of the step, with paths relative to the cell, such as `forget/kernel`. */
  readonly parameters: readonly ParameterSpec[];
  /** (x [B, features], each state [B, …], each parameter) -> (each next state, output). */
  readonly graph: Graph;
}

/** A cell as plain data. */
export interface TracedCell {
  /** The name of the cell that was traced. */
  readonly name: string;
  /** One trace per size. */
  readonly traces: readonly CellTrace[];
}

/** The size of a stack of layers: the number of units of each, and the number of features of the first one's input. */
export interface StackSize {
  /** The number of units of each layer. */
  readonly units: number;
  /** The number of features of the first layer's input. */
  readonly features: number;
  /** The number of layers, 1 by default; each reads the output of the previous one. */
  readonly layers?: number;
}

/**
 * Traces the cell at the given sizes, each once. An instance of another cell that the step uses becomes part of the
 * trace: its weights belong to the traced cell, even if two instances of the original would share them.
 */
export function traceCell<Names extends string>(
  definition: CellDefinition<Names>,
  sizes: readonly StackSize[],
): TracedCell {
  expectArgument(Array.isArray(sizes), "traceCell: the sizes", sizes, "a list, such as [{ units: 8, features: 4 }]");
  const traces: CellTrace[] = [];
  const traceAt = (units: number, features: number): CellTrace => {
    const known = traces.find((trace) => trace.units === units && trace.features === features);
    if (known !== undefined) return known;
    const trace = traceStep(definition, units, features);
    traces.push(trace);
    return trace;
  };
  for (const size of sizes) {
    const kinds = { units: "number", features: "number", layers: "number" } as const;
    const { units, features, layers = 1 } = checkedOptions("traceCell", size, kinds);
    let width = features;
    for (let layer = 0; layer < layers; layer++) {
      const next = outputWidth(definition.cellName, traceAt(units, width));
      // All later layers are like this one.
      if (next === width) break;
      width = next;
    }
  }
  return { name: definition.cellName, traces };
}

function traceStep<Names extends string>(
  definition: CellDefinition<Names>,
  units: number,
  features: number,
): CellTrace {
  const { cellName } = definition;
  const instance = definition(units);
  const states = Object.entries<Shape>(instance.stateShapes).map(([name, shape]) => ({
    name,
    shape: knownShape(cellName, name, shape),
  }));
  const step = model("step", (x: Float, state: State) => instance.step(x, state as State<Names>));
  const x = { name: "x", dtype: "f32", shape: [batch, features] } as const;
  const before = states.map(({ name, shape }): NamedAval => {
    return { name: `state/${name}`, dtype: "f32", shape: [batch, ...shape] };
  });
  const specs = step.specs(x, Object.fromEntries(states.map(({ name }, i) => [name, at(before, i)])));
  const weights = specs.map(({ path, shape }): NamedAval => ({ name: `parameters/${path}`, dtype: "f32", shape }));
  const graph = traceGraph(cellName, [x, ...before, ...weights], ([first, ...rest]) => {
    const given = Object.fromEntries(specs.map(({ path }, i) => [path, at(rest, states.length + i) as Float]));
    const state = Object.fromEntries(states.map(({ name }, i) => [name, at(rest, i) as Float]));
    const result = step.apply(given, first as Float, state);
    return [...states.map(({ name }) => result.state[name as Names] as Float), result.output];
  });
  // Without the instance's scope, which the cell made from this trace opens again.
  const below = (path: string) => path.slice(`${cellName}/`.length);
  return {
    ...{ units, features, states, graph },
    parameters: specs.map(({ path, shape, initializer }) => ({ path: below(path), shape, initializer })),
  };
}

/** Makes a cell from a traced one. At any other size its step throws an error that lists the traced sizes. */
export function cellFromTrace({ name, traces }: TracedCell): CellDefinition {
  const statesOf = (units: number): readonly TracedState[] => {
    const trace = traces.find((trace) => trace.units === units);
    if (trace === undefined) throw notTraced(name, `units ${units}`, traces);
    return trace.states;
  };
  return cell(
    name,
    { state: ({ units }) => Object.fromEntries(statesOf(units).map((state) => [state.name, state.shape])) },
    ({ x, units, features, ...state }) => {
      const trace = traces.find((trace) => trace.units === units && trace.features === features);
      if (trace === undefined) throw notTraced(name, `units ${units}, features ${features}`, traces);
      if (x.shape.length !== 2 || x.shape[0] !== batch)
        throw faultOf(name, `x is ${formatShape(x.shape)}; a traced cell takes [${batch}, ${features}]`);
      const results = inlineGraph(trace.graph, [
        x,
        ...trace.states.map((each) => (state as State)[each.name] as Float),
        ...trace.parameters.map(({ path, shape, initializer }) => parameter(path, shape, initializer)),
      ]) as Float[];
      return {
        state: Object.fromEntries(trace.states.map((each, i) => [each.name, at(results, i)])),
        output: at(results, trace.states.length),
      };
    },
  );
}

/** Throws a UserError if the inputs and outputs of a trace's graph are not those that the trace describes. */
export function checkTrace(name: string, { features, states, parameters, graph }: CellTrace): void {
  const given = graph.inputs.map((id) => nodeAt(graph, id).aval);
  const made = graph.outputs.map((id) => nodeAt(graph, id).aval);
  const stateShapes = states.map(({ shape }): Shape => [batch, ...shape]);
  const expect = (what: string, shape: Shape, aval: Aval) => {
    if (aval.dtype === "f32" && sameShape(aval.shape, shape)) return;
    throw new UserError(
      `${name}: ${what} of its graph is ${aval.dtype}${formatShape(aval.shape)}; expected f32${formatShape(shape)}`,
    );
  };
  const wanted = [[batch, features], ...stateShapes, ...parameters.map(({ shape }) => shape)];
  if (given.length !== wanted.length || made.length !== states.length + 1)
    throw new UserError(`${name}: the inputs and outputs of its graph are not those of a step`);
  for (const [i, shape] of wanted.entries()) expect(`input ${i}`, shape, at(given, i));
  for (const [i, shape] of stateShapes.entries()) expect(`output ${i}`, shape, at(made, i));
  const output = at(made, states.length);
  const isKnown = (dim: Dim) => typeof dim === "number";
  if (output.dtype !== "f32" || output.shape[0] !== batch || !output.shape.slice(1).every(isKnown))
    throw new UserError(`${name}: the output of its graph is not f32 [${batch}, …]`);
  const iterations = iterationsOf(graph);
  if (iterations > mostIterations)
    throw new UserError(
      `${name}: its step loops ${iterations} times; expected at most ${mostIterations}, so that it ends`,
    );
}

/**
 * The iterations of the longest loop in a graph, including those of inner loops and of custom gradients, at batch 1.
 */
function iterationsOf(graph: Graph): number {
  const loops = graph.nodes.map((node) => {
    if (node.op === "customGradient") return iterationsOf(node.attrs.vjp);
    return node.op === "scan" ? dimCoefficient(node.attrs.length) * Math.max(1, iterationsOf(node.attrs.body)) : 0;
  });
  return loops.reduce((a, b) => Math.max(a, b), 0);
}

function outputWidth(name: string, { graph, units, features }: CellTrace): number {
  const { shape } = nodeAt(graph, at(graph.outputs, graph.outputs.length - 1)).aval;
  const width = shape[shape.length - 1];
  if (typeof width === "number" && shape.length > 1) return width;
  throw new UserError(
    `${name}: at units ${units}, features ${features} its output is ${formatShape(shape)}; expected [${batch}, …]`,
  );
}

function knownShape(cellName: string, name: string, shape: Shape): readonly number[] {
  return shape.map((dim) => {
    if (typeof dim === "number") return dim;
    throw new UserError(`${cellName}: state ${name} has an axis ${dim}; the axes of a state are whole numbers`);
  });
}

function notTraced(name: string, asked: string, traces: readonly CellTrace[]): UserError {
  const known = traces.map(({ units, features }) => `units ${units}, features ${features}`).join("; ");
  return new UserError(`${name}: it was not traced at ${asked}, only at ${known}; trace it at that size too`);
}

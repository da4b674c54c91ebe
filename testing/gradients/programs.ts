/**
 * @file What is checked: one scalar made of everything that a cell computes over a sequence, as a function of its
 * weights, its inputs and its first state, with both of its derivatives. Batch and time are symbols, so one set of
 * programs serves every case of the same sizes.
 */
import {
  type Aval,
  add,
  type CellDefinition,
  cast,
  cos,
  type Graph,
  jvp,
  model,
  mul,
  type ParameterTensors,
  positions,
  type State,
  scan,
  sum,
  type Tensor,
  traceGraph,
  valueAndGrad,
} from "../../index.ts";

type Float = Tensor<"f32">;
type Arguments = Readonly<Record<string, Float>>;

export interface Argument {
  /** "x", "state c", or "parameter forget/kernel". */
  readonly name: string;
  readonly aval: Aval<"f32">;
}

export interface Programs {
  readonly arguments: readonly Argument[];
  /** (arguments) -> the scalar. */
  readonly value: Graph;
  /** (arguments) -> the scalar and its gradient with respect to each argument: reverse mode. */
  readonly reverse: Graph;
  /** (arguments, tangents) -> the scalar's derivative along the tangents: forward mode. */
  readonly forward: Graph;
  /** (arguments) -> the state after the sequence, in the order of the arguments "state …". */
  readonly finalState: Graph;
}

export function tracePrograms(definition: CellDefinition, units: number, features: number): Programs {
  const cell = definition(units);
  const states = Object.keys(cell.stateShapes);
  const network = model("check", (x: Float, initial: State) => scan(cell, x, { initial }));
  const f32 = (shape: Aval["shape"]): Aval<"f32"> => ({ dtype: "f32", shape });
  const x = f32(["T", "B", features]);
  const initial = Object.fromEntries(states.map((key) => [key, f32(["B", ...(cell.stateShapes[key] ?? [])])]));

  const args: Argument[] = [
    ...network.specs(x, initial).map(({ path, shape }) => ({ name: `parameter ${path}`, aval: f32(shape) })),
    { name: "x", aval: x },
    ...states.map((key) => ({ name: `state ${key}`, aval: initial[key] ?? f32([]) })),
  ];
  const run = (given: Arguments) => network.apply(parametersOf(given), given.x as Float, stateOf(given, states));
  const scalar = (given: Arguments): Float => {
    const { outputs, state } = run(given);
    return [outputs, ...states.map((key) => state[key] as Float)].map(weightedSum).reduce(add);
  };
  const record = (tensors: readonly Tensor[]): Arguments =>
    Object.fromEntries(args.map(({ name }, i) => [name, tensors[i] as Float]));
  const inputs = args.map(({ name, aval }) => ({ name, ...aval }));
  const tangents = args.map(({ name, aval }) => ({ name: `tangent of ${name}`, ...aval }));

  return {
    arguments: args,
    value: traceGraph("value", inputs, (tensors) => [scalar(record(tensors))]),
    reverse: traceGraph("reverse", inputs, (tensors) => {
      const { value, grad } = valueAndGrad(scalar)(record(tensors));
      return [value, ...args.map(({ name }) => grad[name] as Float)];
    }),
    forward: traceGraph("forward", [...inputs, ...tangents], (tensors) => [
      jvp(scalar)([record(tensors)], [record(tensors.slice(args.length))]).tangent,
    ]),
    finalState: traceGraph("final state", inputs, (tensors) => {
      const { state } = run(record(tensors));
      return states.map((key) => state[key] as Float);
    }),
  };
}

/** Where derivatives are cut off on purpose: the place of each stopGradient. */
export function stopSites(graph: Graph): string[] {
  return graph.nodes.flatMap((node, id) => {
    if (node.op === "scan") return stopSites(node.attrs.body);
    return node.op === "stopGradient" ? [graph.sites[id] ?? "an unknown line"] : [];
  });
}

function parametersOf(given: Arguments): ParameterTensors {
  const entries = Object.entries(given).filter(([name]) => name.startsWith("parameter "));
  return Object.fromEntries(entries.map(([name, tensor]) => [name.slice("parameter ".length), tensor]));
}

function stateOf(given: Arguments, states: readonly string[]): State {
  return Object.fromEntries(states.map((key) => [key, given[`state ${key}`] as Float]));
}

/** Every element counts, each with a weight of its own, so that no two errors can cancel by symmetry. */
function weightedSum(x: Float): Float {
  return sum(mul(x, cos(mul(add(cast(positions(x.shape), "f32"), 1), 1.7))));
}

/**
 * @file The checked programs: a scalar that depends on everything a cell computes over a sequence, as a function of its
 * weights, inputs and initial state, or on all results of a function; and its derivatives. Batch and time are symbols, so
 * one set of programs serves all cases of the same sizes.
 */
import { withTransposedVjps } from "../../compiler/autodiff/forward.ts";
import { inWords, UserError } from "../../compiler/graph/errors.ts";
import {
  type Aval,
  add,
  type CellDefinition,
  cast,
  div,
  type Graph,
  jvp,
  model,
  mul,
  type ParameterTensors,
  positions,
  randomBits,
  type Shape,
  type State,
  scan,
  sum,
  Tensor,
  traceGraph,
  valueAndGrad,
} from "../../index.ts";

type Float = Tensor<"f32">;
type Arguments = Readonly<Record<string, Float>>;

export interface Argument {
  /** "x", "state c", "parameter forget/kernel", or the name of a function's argument. */
  readonly name: string;
  readonly aval: Aval<"f32">;
  /** Inputs and initial states of a cell are generated differently from weights. */
  readonly role: "weight" | "x" | "state" | "argument";
  /** Domain of a function, and range of its numbers; by default, and for cells, ±1.5. */
  readonly domain?: Domain;
}

/** A range of numbers. */
export interface Domain {
  /** Lower bound. */
  readonly from: number;
  /** Upper bound. */
  readonly to: number;
}

export interface Programs {
  readonly arguments: readonly Argument[];
  /** (arguments) -> the scalar. */
  readonly value: Graph;
  /** (arguments) -> the scalar and its gradient with respect to each argument: reverse mode. */
  readonly reverse: Graph;
  /** (arguments) -> all results, and the gradient of the scalar. */
  readonly everything: () => Graph;
  /** (arguments, tangents) -> the scalar's derivative along the tangents: forward mode. */
  readonly forward: Graph;
  /** (arguments, tangents) -> the derivative of the gradient along the tangents: reverse mode twice. */
  readonly second: () => Graph;
  /** The same, forward mode over reverse mode. */
  readonly secondForward: () => Graph;
  /** (arguments) -> the state after the sequence, in the order of the arguments "state …". Cells have one. */
  readonly finalState?: Graph;
}

/** A cell over a sequence [T, B, features], from a given state. */
export function tracePrograms(definition: CellDefinition, units: number, features: number): Programs {
  const cell = definition(units);
  const states = Object.keys(cell.stateShapes);
  const network = model("check", (x: Float, initial: State) => scan(cell, x, { initial }));
  const f32 = (shape: Shape): Aval<"f32"> => ({ dtype: "f32", shape });
  const x = f32(["T", "B", features]);
  const initial = Object.fromEntries(states.map((key) => [key, f32(["B", ...(cell.stateShapes[key] ?? [])])]));

  const args: Argument[] = [
    ...network
      .specs(x, initial)
      .map(({ path, shape }) => ({ name: `parameter ${path}`, aval: f32(shape), role: "weight" }) as const),
    { name: "x", aval: x, role: "x" },
    ...states.map((key) => ({ name: `state ${key}`, aval: initial[key] ?? f32([]), role: "state" }) as const),
  ];
  const run = (given: Arguments) => network.apply(parametersOf(given), given.x as Float, stateOf(given, states));
  const results = (given: Arguments): Float[] => {
    const { outputs, state } = run(given);
    return [outputs, ...states.map((key) => state[key] as Float)];
  };
  const finalState = traceGraph("final state", inputsOf(args), (tensors) => {
    const { state } = run(recordOf(args, tensors));
    return states.map((key) => state[key] as Float);
  });
  return { ...derivatives(args, results), finalState };
}

/** A function of f32 tensors by name. */
export type DifferentiableFunction<Names extends string = string> = (given: Readonly<Record<Names, Float>>) => Float;

/** A function on tensors of given shapes, which can include B and T; all its results are checked. */
export function traceFunction(compute: DifferentiableFunction, args: readonly Argument[]): Programs {
  return derivatives(args, (given) => {
    const result: unknown = compute(given);
    if (result instanceof Tensor && result.dtype === "f32") return [result as Float];
    const found = result instanceof Tensor ? `a tensor of ${result.dtype}` : inWords(result);
    throw new UserError(`${compute.name || "the function"} returns ${found}; expected one tensor of f32`);
  });
}

function derivatives(args: readonly Argument[], results: (given: Arguments) => readonly Float[]): Programs {
  const scalar = (given: Arguments): Float => {
    const computed = results(given);
    const [first] = computed;
    return computed.length === 1 && first?.shape.length === 0 ? first : weightedSum(computed);
  };
  const inputs = inputsOf(args);
  const both = [...inputs, ...args.map(({ name, aval }) => ({ name: `tangent of ${name}`, ...aval }))];
  const primal = (tensors: readonly Tensor[]) => recordOf(args, tensors);
  const tangent = (tensors: readonly Tensor[]) => recordOf(args, tensors.slice(args.length));
  const gradient = (given: Arguments) => valueAndGrad(scalar)(given).grad;
  const inOrder = (record: Arguments) => args.map(({ name }) => record[name] as Float);
  return {
    arguments: args,
    value: traceGraph("value", inputs, (tensors) => [scalar(primal(tensors))]),
    reverse: traceGraph("reverse", inputs, (tensors) => {
      const { value, grad } = valueAndGrad(scalar)(primal(tensors));
      return [value, ...inOrder(grad)];
    }),
    everything: () =>
      traceGraph("everything", inputs, (tensors) => [
        ...results(primal(tensors)),
        ...inOrder(gradient(primal(tensors))),
      ]),
    forward: withTransposedVjps(() =>
      traceGraph("forward", both, (tensors) => [jvp(scalar)([primal(tensors)], [tangent(tensors)]).tangent]),
    ),
    second: () =>
      traceGraph("second", both, (tensors) => {
        const along = tangent(tensors);
        const slope = (given: Arguments) => {
          const grad = gradient(given);
          return args.map(({ name }) => sum(mul(grad[name] as Float, along[name] as Float))).reduce(add);
        };
        return inOrder(valueAndGrad(slope)(primal(tensors)).grad);
      }),
    secondForward: () =>
      withTransposedVjps(() =>
        traceGraph("second, forward over reverse", both, (tensors) =>
          inOrder(jvp(gradient)([primal(tensors)], [tangent(tensors)]).tangent),
        ),
      ),
  };
}

const inputsOf = (args: readonly Argument[]) => args.map(({ name, aval }) => ({ name, ...aval }));

const recordOf = (args: readonly Argument[], tensors: readonly Tensor[]): Arguments =>
  Object.fromEntries(args.map(({ name }, i) => [name, tensors[i] as Float]));

/** The source lines of each stopGradient or customGradient. */
export function sitesOf(op: "stopGradient" | "customGradient", graph: Graph): string[] {
  const sites = graph.nodes.flatMap((node, id) => {
    if (node.op === "scan") return sitesOf(op, node.attrs.body);
    return node.op === op ? [graph.sites[id] ?? "an unknown line"] : [];
  });
  return [...new Set(sites)];
}

function parametersOf(given: Arguments): ParameterTensors {
  const entries = Object.entries(given).filter(([name]) => name.startsWith("parameter "));
  return Object.fromEntries(entries.map(([name, tensor]) => [name.slice("parameter ".length), tensor]));
}

function stateOf(given: Arguments, states: readonly string[]): State {
  return Object.fromEntries(states.map((key) => [key, given[`state ${key}`] as Float]));
}

/**
 * Every element has its own weight from 1/2 to 3/2, so that errors cannot cancel by symmetry. The weights are exact in f32,
 * so a device computes the same ones.
 */
function weightedSum(results: readonly Float[]): Float {
  const weighted = results.map((x, site) => {
    const bits = div(randomBits(weightsKey, { site, index: positions(x.shape) }), 2 ** 16);
    return sum(mul(x, add(mul(cast(bits, "f32"), 2 ** -16), 0.5)));
  });
  return weighted.reduce(add);
}

const weightsKey = 1;

/**
 * @file Recurrent dropout for any cell: a state is masked only where it is multiplied with weights.
 *
 * Gal & Ghahramani 2016 (arXiv:1512.05287, eq. 7) put a mask on the h that the gates read. The value that the cell carries
 * over, such as z * h of a GRU, is not masked: a state masked at every step would vanish or grow without bound. The graph of
 * the step shows which use is which: the operands of its products with weights are computed a second time, from the masked
 * states.
 */
import type { Cell, State } from "../../compiler/dsl/cell.ts";
import { fork, type Randomness } from "../../compiler/dsl/randomness.ts";
import { at } from "../../compiler/graph/errors.ts";
import { Fold } from "../../compiler/graph/fold.ts";
import type { Graph, NodeId } from "../../compiler/graph/graph.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import { mul } from "../../compiler/ops/elementwise.ts";
import { copyRules } from "../../compiler/ops/inline.ts";
import { where } from "../../compiler/ops/logic.ts";
import { faultOf } from "../../compiler/trace/fault.ts";
import { currentFrame, Frame, within } from "../../compiler/trace/frame.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { keptWith } from "./dropout.ts";
import { type StateRates, stateRates } from "./zoneout.ts";

type Float = Tensor<"f32">;

/** Options of `recurrentDropout`. */
export interface RecurrentDropoutOptions {
  /** One mask for the whole sequence (the default: variational), or a new one at each step. */
  readonly each?: "sequence" | "step";
}

export const ofEach = { sequence: 1, step: 1 } as const;

/**
 * The cell with dropout on its states where they are multiplied with weights; it has the same weights and states. Without
 * randomness, that is in evaluation, it is the cell itself. A rate that names a state without such a product is an error; a
 * single rate applies to the states that have one.
 */
export function recurrentDropout<Names extends string>(
  instance: Cell<Names>,
  rates: StateRates<Names>,
  random?: Randomness,
  options: RecurrentDropoutOptions = {},
): Cell<Names> {
  const { each = "sequence" } = checkedOptions("recurrentDropout", options, { each: ofEach });
  const rateOf = stateRates("recurrentDropout", instance, rates);
  if (random === undefined) return instance;
  const names = (Object.keys(instance.stateShapes) as Names[]).filter((name) => rateOf(name) > 0);
  return {
    ...instance,
    isTimed: instance.isTimed === true || each === "step",
    step: (x, state, time) => {
      const step = traceStep(instance, x, state, time);
      const entering = names.filter((name) => step.products.some(({ reads }) => reads.has(name)));
      const idle = names.filter((name) => !entering.includes(name));
      if (idle.length > 0 && (typeof rates !== "number" || entering.length === 0))
        throw faultOf(
          "recurrentDropout",
          `no product with weights in ${instance.name} reads state ${idle.join(" or ")}, so there is nothing to drop`,
        );
      const masked = entering.map((name) => {
        const [value, rate] = [state[name], rateOf(name)];
        const mask = keptWith(fork(random, name), rate, value.shape, each === "step" ? time : undefined);
        return [name, where(mask, mul(value, 1 / (1 - rate)), 0)] as const;
      });
      return replayStep(instance, step, new Map<string, Float>(masked));
    },
  };
}

interface TracedStep {
  /** (…, next states, output) of x, states, time and captured values, such as weights. */
  readonly graph: Graph;
  /** The outer tensor of each input of the graph, and its state, if it is one. */
  readonly inputs: readonly { readonly id: NodeId; readonly tensor: Tensor; readonly state?: string }[];
  /** Products of weights with values that depend on states. */
  readonly products: readonly { readonly id: NodeId; readonly reads: ReadonlySet<string> }[];
}

function traceStep<Names extends string>(
  instance: Cell<Names>,
  x: Float,
  state: State<Names>,
  time: Tensor<"u32"> | undefined,
): TracedStep {
  const frame = new Frame(instance.name, currentFrame());
  const names = Object.keys(instance.stateShapes) as Names[];
  const inside = {
    x: frame.input("x", x.aval),
    states: names.map((name) => frame.input(`state/${name}`, state[name].aval)),
    time: time && frame.input("time", time.aval),
  };
  const { state: next, output } = within(frame, () => {
    const before = Object.fromEntries(names.map((name, i) => [name, at(inside.states, i)])) as State<Names>;
    return instance.step(inside.x, before, inside.time);
  });
  const own = [inside.x, ...inside.states, ...(inside.time === undefined ? [] : [inside.time])].map(({ id }) => id);
  const graph = frame.finish(own, [...names.map((name) => next[name]), output]);
  const inputs: TracedStep["inputs"] = [
    ...frame.captured.map(({ inner, outer }) => ({ id: inner, tensor: outer })),
    { id: inside.x.id, tensor: x },
    ...names.map((name, i) => ({ id: at(inside.states, i).id, tensor: state[name], state: name })),
    ...(time === undefined || inside.time === undefined ? [] : [{ id: inside.time.id, tensor: time }]),
  ];
  return { graph, inputs, products: productsWithWeights(graph, inputs, new Set(own)) };
}

/** Finds products with weights: values that do not depend on x or a state. */
function productsWithWeights(graph: Graph, inputs: TracedStep["inputs"], own: ReadonlySet<NodeId>) {
  const varies = new Set(own);
  const reads = new Map<NodeId, ReadonlySet<string>>(
    inputs.map(({ id, state }) => [id, new Set(state === undefined ? [] : [state])]),
  );
  const readsOf = (id: NodeId): ReadonlySet<string> => reads.get(id) ?? new Set();
  const products: { id: NodeId; reads: ReadonlySet<string> }[] = [];
  for (const [id, { op, operands }] of graph.nodes.entries()) {
    if (operands.length === 0) continue;
    if (operands.some((operand) => varies.has(operand))) varies.add(id);
    reads.set(id, new Set(operands.flatMap((operand) => [...readsOf(operand)])));
    const factors = operands.filter((operand) => varies.has(operand));
    if (op === "dot" && factors.length === 1 && readsOf(id).size > 0) products.push({ id, reads: readsOf(id) });
  }
  return products;
}

/** Repeats the step in the current trace, with masked states in its products. */
function replayStep<Names extends string>(instance: Cell<Names>, step: TracedStep, masked: ReadonlyMap<string, Float>) {
  const { graph, inputs } = step;
  const products = new Set(step.products.map(({ id }) => id));
  const dropped = new Fold(
    graph,
    copyRules(graph),
    inputs.map(({ id, tensor, state }) => [id, masked.get(state ?? "") ?? tensor]),
  );
  const whole = new Fold(
    graph,
    copyRules(graph, { node: (_node, _operands, id) => (products.has(id) ? dropped.value(id) : undefined) }),
    inputs.map(({ id, tensor }) => [id, tensor]),
  );
  const results = whole.outputs() as Float[];
  const names = Object.keys(instance.stateShapes) as Names[];
  return {
    state: Object.fromEntries(names.map((name, i) => [name, at(results, i)])) as State<Names>,
    output: at(results, names.length),
  };
}

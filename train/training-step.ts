/**
 * @file One update as one graph: forward pass, loss, gradient, clipping, optimizer, guard and carried state.
 *
 *   inputs    parameters [N], slots/… [N], step, halted, state/… [B, …], learningRate, x, targets
 *   outputs   the first five kinds again, updated, then metrics [3] = loss, gradient norm, 1 where it was applied
 *
 * Truncated backpropagation through time (Williams & Peng 1990): the state comes in as a plain value, so gradients end
 * at the start of the batch while the numbers go on. Where loss or gradient norm is not finite, nothing changes and
 * `halted` is set for good: the host learns of it only steps later, and must still find the last good weights.
 */
import { pullBack } from "../compiler/autodiff/reverse.ts";
import { at } from "../compiler/graph/errors.ts";
import type { Graph } from "../compiler/graph/graph.ts";
import { add, cast, not } from "../compiler/ops/elementwise.ts";
import { and, finite, where } from "../compiler/ops/logic.ts";
import { concat } from "../compiler/ops/pieces.ts";
import { type NamedAval, traceGraph } from "../compiler/ops/trace.ts";
import { constant, reshape, zerosLike } from "../compiler/ops/views.ts";
import type { Tensor } from "../compiler/trace/tensor.ts";
import { type Arena, arenaOf, pack, unpack } from "./arena.ts";
import { clipByGlobalNorm, globalNorm } from "./clipping.ts";
import type { Network, NetworkState } from "./networks.ts";
import type { Optimizer } from "./optimizers.ts";

type Float = Tensor<"f32">;

/** A graph whose inputs and outputs have names; `donate` says which output takes over which input's memory. */
export interface StepGraph {
  /** The graph itself. */
  readonly graph: Graph;
  /** What lies where in its parameters. */
  readonly arena: Arena;
  /** Inputs whose memory an output takes over: input name -> index of the output. */
  readonly donate: Readonly<Record<string, number>>;
  /** Position of each output, by name. */
  readonly outputs: Readonly<Record<string, number>>;
}

/** The graph of a training step, with what it replaces. */
export interface TrainingStep extends StepGraph {
  /** Names of the inputs that the step replaces, by kind. */
  readonly slots: readonly string[];
  /** Names of the carried states. */
  readonly state: readonly string[];
}

/** What an update is made of. */
export interface TrainingStepOptions {
  /** The rule of update. */
  readonly optimizer: Optimizer;
  /** Largest global norm of the gradient; without it gradients are not clipped. */
  readonly clipNorm?: number | undefined;
}

/** Traces one update of a network: forward pass, loss, gradient, clipping, optimizer, guard. */
export function trainingStep(network: Network, { optimizer, clipNorm }: TrainingStepOptions): TrainingStep {
  const arena = arenaOf(network.specs);
  const forward = lossGraph(network, arena);
  const flat = { dtype: "f32", shape: [arena.size] } as const;
  const slots = optimizer.slots.map((name) => ({ name: `slots/${name}`, ...flat }));
  const state = stateInputs(network);
  const replaced: readonly NamedAval[] = [
    { name: "parameters", ...flat },
    ...slots,
    { name: "step", dtype: "f32", shape: [] },
    { name: "halted", dtype: "bool", shape: [] },
    ...state,
  ];
  const inputs: readonly NamedAval[] = [
    ...replaced,
    { name: "learningRate", dtype: "f32", shape: [] },
    { name: "x", ...network.x },
    { name: "targets", ...network.targets },
  ];
  const graph = traceGraph("trainingStep", inputs, (tensors) => {
    const given = byName(inputs, tensors);
    const [parameters, step] = [given.parameters as Float, given.step as Float];
    const weights = unpack(parameters, arena);
    const weightList = arena.entries.map(({ path }) => weights[path] as Float);
    const primals = [...weightList, ...state.map(({ name }) => given[name] as Float)];
    const { outputs, pullback } = pullBack(
      forward,
      [...primals, given.x as Tensor, given.targets as Tensor],
      weightList.map(() => true),
    );
    const [loss, ...nextState] = outputs as readonly Float[] as readonly [Float, ...Float[]];
    const cotangents = pullback([constant(1)]);
    const gradients = arena.entries.map(({ path }, i) => [path, cotangents[i] ?? zerosLike(at(weightList, i))]);
    const gradient = pack(Object.fromEntries(gradients), arena);
    const norm = globalNorm(gradient);
    const next = add(step, 1);
    const update = optimizer.update({
      parameter: parameters,
      gradient: clipNorm === undefined ? gradient : clipByGlobalNorm(gradient, norm, clipNorm),
      slots: Object.fromEntries(optimizer.slots.map((name) => [name, given[`slots/${name}`] as Float])),
      step: next,
      learningRate: given.learningRate as Float,
    });
    const ok = and(not(given.halted as Tensor<"bool">), and(finite(loss), finite(norm)));
    return [
      where(ok, update.parameter, parameters),
      ...optimizer.slots.map((name) => where(ok, update.slots[name] as Float, given[`slots/${name}`] as Float)),
      where(ok, next, step),
      not(ok),
      ...state.map(({ name }, i) => where(ok, at(nextState, i), given[name] as Float)),
      concat([loss, norm, cast(ok, "f32")].map((value) => reshape(value, [1]))),
    ];
  });
  const names = replaced.map(({ name }) => name);
  return {
    graph,
    arena,
    donate: positions(names),
    outputs: positions([...names, "metrics"]),
    slots: slots.map(({ name }) => name),
    state: state.map(({ name }) => name),
  };
}

/** The loss of one batch without an update: (parameters, state/…, x, targets) -> (state/…, loss). */
export function evaluationStep(network: Network): StepGraph {
  const arena = arenaOf(network.specs);
  const state = stateInputs(network);
  const inputs: readonly NamedAval[] = [
    { name: "parameters", dtype: "f32", shape: [arena.size] },
    ...state,
    { name: "x", ...network.x },
    { name: "targets", ...network.targets },
  ];
  const graph = traceGraph("evaluationStep", inputs, (tensors) => {
    const given = byName(inputs, tensors);
    const before = stateOf(network, given);
    const result = network.model.apply(unpack(given.parameters as Float, arena), given.x as Tensor, before);
    const after = Object.keys(network.stateShapes).map((name) => result.state[name] as Float);
    return [...after, network.loss(result.output, given.targets as Tensor)];
  });
  const names = state.map(({ name }) => name);
  return { graph, arena, donate: positions(names), outputs: positions([...names, "loss"]) };
}

/** One step in time, for use after training: (parameters, state/…, x) -> (state/…, output), with B symbolic. */
export function streamingStep(network: Network): StepGraph {
  const arena = arenaOf(network.specs);
  const state = stateInputs(network);
  const inputs: readonly NamedAval[] = [
    { name: "parameters", dtype: "f32", shape: [arena.size] },
    ...state,
    { name: "x", ...network.stepX },
  ];
  const graph = traceGraph("streamingStep", inputs, (tensors) => {
    const given = byName(inputs, tensors);
    const before = stateOf(network, given);
    const result = network.stepModel.apply(unpack(given.parameters as Float, arena), given.x as Tensor, before);
    return [...Object.keys(network.stateShapes).map((name) => result.state[name] as Float), result.output];
  });
  const names = state.map(({ name }) => name);
  return { graph, arena, donate: positions(names), outputs: positions([...names, "output"]) };
}

/** (each parameter, each state, x, targets) -> (loss, each next state): what is differentiated. */
function lossGraph(network: Network, arena: Arena): Graph {
  const parameters = arena.entries.map(({ path, shape }): NamedAval => ({ name: path, dtype: "f32", shape }));
  const state = stateInputs(network);
  const inputs: readonly NamedAval[] = [
    ...parameters,
    ...state,
    { name: "x", ...network.x },
    { name: "targets", ...network.targets },
  ];
  return traceGraph("loss", inputs, (tensors) => {
    const weights = Object.fromEntries(parameters.map(({ name }, i) => [name, at(tensors, i) as Float]));
    const [x, targets] = tensors.slice(-2) as [Tensor, Tensor];
    const before = tensors.slice(parameters.length, -2);
    const names = Object.keys(network.stateShapes);
    const result = network.model.apply(
      weights,
      x,
      Object.fromEntries(names.map((name, i) => [name, at(before, i) as Float])),
    );
    return [network.loss(result.output, targets), ...names.map((name) => result.state[name] as Float)];
  });
}

function stateInputs(network: Network): NamedAval[] {
  return Object.entries(network.stateShapes).map(([name, shape]) => ({
    name: `state/${name}`,
    dtype: "f32",
    shape: ["B", ...shape],
  }));
}

function stateOf(network: Network, given: Readonly<Record<string, Tensor>>): NetworkState {
  return Object.fromEntries(Object.keys(network.stateShapes).map((name) => [name, given[`state/${name}`] as Float]));
}

function byName(inputs: readonly NamedAval[], tensors: readonly Tensor[]): Record<string, Tensor> {
  return Object.fromEntries(inputs.map(({ name }, i) => [name, at(tensors, i)]));
}

function positions(names: readonly string[]): Record<string, number> {
  return Object.fromEntries(names.map((name, i) => [name, i]));
}

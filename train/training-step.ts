/**
 * @file One update as one graph: forward pass, loss, gradient, clipping, optimizer, guard and carried state.
 *
 *   inputs    parameters [N], slots/… [N], step, halted, state/… [B, …], learningRate, seed, the inputs of a batch
 *   outputs   the first five kinds again, updated, then metrics [3] = loss, gradient norm, 1 if the update was applied
 *
 * The inputs of a network's batch are x and targets. The seed is an input if the loss uses random numbers, which are a
 * function of the seed and the number of the step: so runs are reproducible, also after resuming from a checkpoint.
 *
 * Truncated backpropagation through time (Williams & Peng 1990): the state is a plain input, so gradients stop at the start
 * of the batch while values continue. If the loss, the gradient norm or any updated number is not finite, nothing changes
 * and `halted` stays set: the host reads the result only some steps later, and must still find the last good weights. In
 * mixed precision, a gradient that is not finite first halves the scale of the loss, if it is above 1 (loss-scale.ts): the
 * update is skipped, the state is carried on, and metrics [4] end in 1.
 */
import { graphVjp } from "../compiler/autodiff/reverse.ts";
import { randomness, stepKey } from "../compiler/dsl/randomness.ts";
import { at, expectArgument, UserError } from "../compiler/graph/errors.ts";
import { type Graph, inputName } from "../compiler/graph/graph.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import { stack } from "../compiler/ops/composed.ts";
import { add, cast, not } from "../compiler/ops/elementwise.ts";
import { roundToHalf } from "../compiler/ops/half.ts";
import { and, equal, finite, or, where } from "../compiler/ops/logic.ts";
import { concat, pad } from "../compiler/ops/pieces.ts";
import { type NamedAval, traceGraph } from "../compiler/ops/trace.ts";
import { constant, reshape, sum, zerosLike } from "../compiler/ops/views.ts";
import { collectingIndices, type IndexRange } from "../compiler/trace/index-ranges.ts";
import type { Tensor } from "../compiler/trace/tensor.ts";
import type { Precision } from "../devices/device.ts";
import { type Arena, arenaOf, pack, unpack } from "./arena.ts";
import { checkedSegments, inSegments, type Segmentation } from "./forms/in-segments.ts";
import { inputOfHyperparameter, type UsedHyperparameter, withHyperparameters } from "./hyperparameter.ts";
import { type IndexChecks, indexChecks } from "./index-checks.ts";
import { lossOf, lossParts, lossWeight } from "./loss-parts.ts";
import { canShrink, nextScale, scaleOf, scaleSlots, unscaled } from "./loss-scale.ts";
import type { Objective } from "./objective.ts";
import { checkUpdate, isCount, ofUpdate, slotsOf, type UpdateOptions, update } from "./optimizers/update.ts";
import type { NamedTensors } from "./prediction.ts";
import { type BatchStepGraph, batchInputs, batchOf, byName, positions, stateInputs, stateOf } from "./step-graph.ts";

export type { BatchStepGraph, StepGraph } from "./step-graph.ts";

type Float = Tensor<"f32">;

/** The graph of a training step, with the names of the arrays that it replaces. */
export interface TrainingStep extends BatchStepGraph {
  /** Names of the optimizer's slots. */
  readonly slots: readonly string[];
  /** Names of the carried states. */
  readonly state: readonly string[];
  /** Whether the loss uses random numbers: then the seed, u32, is an input too. */
  readonly isSeeded: boolean;
  /** The hyperparameters of loss and optimizer: scalars, each an input too. */
  readonly hyperparameters: readonly UsedHyperparameter[];
}

/** Another form of a loss's graph with the same meaning, from which the gradient is then taken: `chunkwise`. */
export type LossRewrite = (graph: Graph) => Graph;

const unchanged: LossRewrite = (graph) => graph;

/**
 * Traces one update of a network: forward pass, loss, gradient, clipping, optimizer, guard. With `segments`, for sequences of
 * that length only, in segments of time that are computed twice, so that they need less memory. With `rewrite`, the loss is
 * differentiated in another form.
 */
export function trainingStep(
  objective: Objective,
  options: UpdateOptions,
  segments?: Segmentation | undefined,
  rewrite: LossRewrite = unchanged,
): TrainingStep {
  const traced = (given: readonly UsedHyperparameter[]) => tracedStep(objective, options, segments, rewrite, given);
  const step = traced([]);
  // Tracing finds the hyperparameters; only then can they be inputs.
  return step.hyperparameters.length === 0 ? step : traced(step.hyperparameters);
}

function tracedStep(
  objective: Objective,
  options: UpdateOptions,
  segments: Segmentation | undefined,
  rewrite: LossRewrite,
  given: readonly UsedHyperparameter[],
): TrainingStep {
  checkUpdate(checkedOptions("trainingStep", options, ofUpdate));
  expectArgument(
    Array.isArray(objective?.specs),
    "the trained network",
    objective,
    "a network, such as the result of languageModel, or an objective",
  );
  if (objective.specs.length === 0)
    throw new UserError("the objective has no parameters to train; use dense, a cell or parameter in it");
  const arena = arenaOf(objective.specs);
  const isMixed = options.precision === "mixed";
  const isWeighed = (options.accumulate ?? 1) > 1;
  const hyper = hyperInputs(given);
  const used = new Map<string, UsedHyperparameter>();
  const { forward: whole, isSeeded, indices } = trainingLoss(objective, arena, isWeighed, { inputs: hyper, used });
  const forward = rewrite(segments === undefined ? whole : inSegments(whole, segments));
  const flat = { dtype: "f32", shape: [arena.size] } as const;
  const number = { dtype: "f32", shape: [] } as const;
  const slotNames = slotsOf(options);
  const slots = slotNames.map((name) => ({ name: `slots/${name}`, ...(isCount(name) ? number : flat) }));
  const state = stateInputs(objective.stateShapes);
  const batch = batchInputs(objective, segments?.length);
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
    ...hyper,
    ...(isSeeded ? [{ name: "seed", dtype: "u32", shape: [] } as const] : []),
    ...batch,
  ];
  const graph = traceGraph("trainingStep", inputs, (tensors) => {
    const given = byName(inputs, tensors);
    const [parameters, step] = [given.parameters as Float, given.step as Float];
    const data = [...state, ...batch, ...hyper].map(({ name }) => given[name] as Tensor);
    const key = isSeeded ? [stepKey(given.seed as Tensor<"u32">, cast(step, "u32"))] : [];
    const before = Object.fromEntries(slotNames.map((name) => [name, given[`slots/${name}`] as Float]));
    const scale = isMixed ? scaleOf(before[scaleSlots[0]] as Float) : undefined;
    const { outputs, gradient } = gradientOf(forward, arena, parameters, [...data, ...key], scale);
    const [loss, ...rest] = outputs as readonly Float[] as readonly [Float, ...Float[]];
    const nextState = rest.slice(0, state.length);
    const next = add(step, 1);
    const ofUpdate = {
      ...{ parameters, gradient, arena, step: next, learningRate: given.learningRate as Float },
      weight: rest[state.length],
      slots: before,
    };
    const updated = withHyperparameters({ tensors: hyperTensors(hyper, given), used }, () => update(options, ofUpdate));
    const flatSlots = slotNames.filter((name) => !isCount(name)).map((name) => updated.slots[name] as Float);
    const fits = areFinite([updated.parameters, ...flatSlots], arena.size);
    const running = and(not(given.halted as Tensor<"bool">), finite(loss));
    const ok = [finite(updated.norm), fits].reduce(and, running);
    const skips = scale && and(and(running, canShrink(scale)), not(finite(updated.norm)));
    const goesOn = skips === undefined ? ok : or(ok, skips);
    const scaling = skips === undefined ? {} : nextScale(before, ok, skips);
    const metrics = [loss, updated.norm, cast(ok, "f32"), ...(skips === undefined ? [] : [cast(skips, "f32")])];
    return [
      where(ok, updated.parameters, parameters),
      ...slotNames.map((name) => {
        return scaling[name] ?? where(ok, updated.slots[name] as Float, before[name] as Float);
      }),
      where(ok, next, step),
      not(goesOn),
      ...state.map(({ name }, i) => where(goesOn, at(nextState, i), given[name] as Float)),
      concat(metrics.map((value) => reshape(value, [1]))),
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
    isSeeded,
    hyperparameters: [...used.values()],
    indices,
  };
}

/** The inputs of hyperparameters. */
function hyperInputs(hyperparameters: readonly UsedHyperparameter[]): NamedAval[] {
  return hyperparameters.map(({ name }) => ({ name: inputOfHyperparameter(name), dtype: "f32", shape: [] }));
}

/** The tensors of hyperparameters, by their own names. */
function hyperTensors(inputs: readonly NamedAval[], given: NamedTensors): Readonly<Record<string, Float>> {
  const prefix = inputOfHyperparameter("").length;
  return Object.fromEntries(inputs.map(({ name }) => [name.slice(prefix), given[name] as Float]));
}

/**
 * The outputs of the forward graph, and the flat gradient [N] of the loss. With a scale of the loss, weights are rounded to
 * f16; the gradient is that at the rounded weights.
 */
function gradientOf(
  forward: Graph,
  arena: Arena,
  parameters: Float,
  others: readonly Tensor[],
  scale: Float | undefined,
): { readonly outputs: readonly Tensor[]; readonly gradient: Float } {
  const byPath = unpack(scale === undefined ? parameters : roundToHalf(parameters), arena);
  const weights = arena.entries.map(({ path }) => byPath[path] as Float);
  const { outputs, pullback } = graphVjp(
    forward,
    [...weights, ...others],
    weights.map(() => true),
  );
  const cotangents = pullback([scale ?? constant(1)]);
  const gradients = arena.entries.map(({ path }, i) => [path, cotangents[i] ?? zerosLike(at(weights, i))]);
  const gradient = pack(Object.fromEntries(gradients), arena);
  return { outputs, gradient: scale === undefined ? gradient : unscaled(gradient, scale) };
}

/**
 * The gradient of a batch's loss without an update: (parameters, state/…, step and seed if it uses random numbers, in mixed
 * precision the slot of the loss's scale, the inputs of a batch) -> (gradient [N]), before clipping.
 */
export function gradientStep(
  objective: Objective,
  precision: Precision = "f32",
  segments?: Segmentation | undefined,
  rewrite: LossRewrite = unchanged,
): BatchStepGraph & Pick<TrainingStep, "isSeeded" | "hyperparameters"> {
  const arena = arenaOf(objective.specs);
  const used = new Map<string, UsedHyperparameter>();
  trainingLoss(objective, arena, false, { inputs: [], used });
  const hyperparameters = [...used.values()];
  const hyper = hyperInputs(hyperparameters);
  const { forward: whole, isSeeded, indices } = trainingLoss(objective, arena, false, { inputs: hyper, used });
  const forward = rewrite(segments === undefined ? whole : inSegments(whole, segments));
  const data = [...stateInputs(objective.stateShapes), ...batchInputs(objective, segments?.length), ...hyper];
  const scaleName = `slots/${scaleSlots[0]}`;
  const inputs: readonly NamedAval[] = [
    { name: "parameters", dtype: "f32", shape: [arena.size] },
    ...data,
    ...(isSeeded ? [{ name: "step", dtype: "f32", shape: [] } as const] : []),
    ...(isSeeded ? [{ name: "seed", dtype: "u32", shape: [] } as const] : []),
    ...(precision === "mixed" ? [{ name: scaleName, dtype: "f32", shape: [] } as const] : []),
  ];
  const graph = traceGraph("gradients", inputs, (tensors) => {
    const given = byName(inputs, tensors);
    const key = isSeeded ? [stepKey(given.seed as Tensor<"u32">, cast(given.step as Float, "u32"))] : [];
    const others = [...data.map(({ name }) => given[name] as Tensor), ...key];
    const scale = precision === "mixed" ? scaleOf(given[scaleName] as Float) : undefined;
    return [gradientOf(forward, arena, given.parameters as Float, others, scale).gradient];
  });
  return { graph, arena, donate: {}, outputs: { gradient: 0 }, indices, isSeeded, hyperparameters };
}

/** Whether all numbers of some arrays [size] are finite: a scalar. Counts by column first, for parallelism on the device. */
function areFinite(arrays: readonly Float[], size: number): Tensor<"bool"> {
  const bad = cast(not(arrays.map((array) => finite(array)).reduce(and)), "f32");
  const columns = Math.ceil(size / 64);
  return equal(sum(sum(reshape(pad(bad, 0, 0, 64 * columns), [64, columns]), [0])), 0);
}

/**
 * The loss of one batch without an update: (parameters, state/…, the inputs of a batch) -> (state/…, loss, means), where
 * means [2, K] are the K terms of the loss and their weights.
 */
export function evaluationStep(objective: Objective, segments?: Segmentation | undefined): BatchStepGraph {
  if (segments !== undefined) checkedSegments("evaluationStep", segments);
  const arena = arenaOf(objective.specs);
  const state = stateInputs(objective.stateShapes);
  const inputs: readonly NamedAval[] = [
    { name: "parameters", dtype: "f32", shape: [arena.size] },
    ...state,
    ...batchInputs(objective),
  ];
  let ranges: readonly IndexRange[] = [];
  const whole = traceGraph("evaluationStep", inputs, (tensors) => {
    const given = byName(inputs, tensors);
    const before = stateOf(objective.stateShapes, given);
    const batch = batchOf(objective, given);
    const measured = collectingIndices(() => {
      return objective.measure(unpack(given.parameters as Float, arena), { batch, state: before });
    });
    ranges = measured.ranges;
    const { loss, state: after } = measured.result;
    const { values, weights } = lossParts(loss, Object.values(batch));
    return [
      ...Object.keys(before).map((name) => after[name] as Float),
      lossOf(loss),
      stack([stack(values), stack(weights)]),
    ];
  });
  const graph = segments === undefined ? whole : inSegments(whole, segments);
  const names = state.map(({ name }) => name);
  const indices = indexChecks(whole, Object.keys(objective.batch), ranges);
  return { graph, arena, donate: positions(names), outputs: positions([...names, "loss", "means"]), indices };
}

/** The inputs of hyperparameters, and those that a trace has met. */
interface HyperScope {
  readonly inputs: readonly NamedAval[];
  readonly used: Map<string, UsedHyperparameter>;
}

/** The graph of the loss to differentiate; the last input is the key of its random numbers, if it uses any. */
function trainingLoss(
  objective: Objective,
  arena: Arena,
  isWeighed: boolean,
  hyper: HyperScope,
): { readonly forward: Graph; readonly isSeeded: boolean; readonly indices: IndexChecks } {
  const keyed = lossGraph(objective, arena, [{ name: "key", dtype: "u32", shape: [] }], isWeighed, hyper);
  const { forward } = keyed;
  const key = forward.inputs.find((id) => inputName(forward, id) === "key");
  const isSeeded = forward.nodes.some(({ operands }) => operands.some((operand) => operand === key));
  return { ...(isSeeded ? keyed : lossGraph(objective, arena, [], isWeighed, hyper)), isSeeded };
}

/**
 * (each parameter, each state, the inputs of a batch, hyperparameters, key) -> (loss, each next state, the weight of the loss if
 * `isWeighed`).
 */
function lossGraph(
  objective: Objective,
  arena: Arena,
  key: readonly NamedAval[],
  isWeighed: boolean,
  { inputs: hyper, used }: HyperScope,
) {
  const parameters = arena.entries.map(({ path, shape }): NamedAval => ({ name: path, dtype: "f32", shape }));
  const others = [...stateInputs(objective.stateShapes), ...batchInputs(objective), ...hyper, ...key];
  const inputs = [...parameters, ...others];
  let ranges: readonly IndexRange[] = [];
  const forward = traceGraph("loss", inputs, (tensors) => {
    const weights = Object.fromEntries(parameters.map(({ name }, i) => [name, at(tensors, i) as Float]));
    const given = byName(others, tensors.slice(parameters.length));
    const before = stateOf(objective.stateShapes, given);
    const batch = batchOf(objective, given);
    const drawn = key.length === 0 ? undefined : (given.key as Tensor<"u32">);
    const measured = collectingIndices(() =>
      withHyperparameters({ tensors: hyperTensors(hyper, given), used }, () => {
        return objective.measure(weights, { batch, state: before, random: drawn && randomness(drawn) });
      }),
    );
    ranges = measured.ranges;
    const { loss, state } = measured.result;
    const after = Object.keys(before).map((name) => state[name] as Float);
    const data = [...Object.values(batch), ...(drawn === undefined ? [] : [drawn])];
    return [lossOf(loss), ...after, ...(isWeighed ? [lossWeight(loss, data)] : [])];
  });
  return { forward, indices: indexChecks(forward, Object.keys(objective.batch), ranges) };
}

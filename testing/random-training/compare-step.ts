/**
 * @file Compares one step of a device: the interpreter makes the same step from the checkpoint before it, so that errors
 * neither accumulate nor cancel over a run.
 *
 * Everything a step changes (weights, each slot, each carried state) is a vector, whose error is relative to the norm of
 * the change; loss and gradient norm are vectors of one number. If the error exceeds the rounding of well-determined
 * numbers (`f32Tolerance`), only the part of each element's error beyond its spread under rough rounding counts
 * (rough-rounding.ts, update-spread.ts): a rule such as Lion's, or Adam's first update, moves a weight by the sign of a
 * gradient that can be pure rounding error, and a small change is rounded when it is added to a large weight. This leaves
 * part of each element's change undetermined, at most all of it; if that is a tenth of a vector or more, the outcome says
 * that little of the vector was compared.
 */
import { at } from "../../compiler/graph/errors.ts";
import { inputName } from "../../compiler/graph/graph.ts";
import { type NdArray, scalar, zeros } from "../../compiler/graph/ndarray.ts";
import { interpret } from "../../index.ts";
import type { Objective } from "../../train/objective.ts";
import type { TrainingStep } from "../../train/training-step.ts";
import { difference, isFiniteArray, norm } from "../numbers/compare.ts";
import { depthOf, f32Tolerance } from "../tolerance.ts";
import type { DeviceStep } from "./device-run.ts";
import { updateSpread } from "./update-spread.ts";

/** The result of comparing a step. */
export interface StepComparison {
  /** How the device differs. */
  readonly wrong?: string;
  /** Why little was compared: f32 does not determine it. */
  readonly unsuitable?: string;
}

/** Data common to all steps of a run. */
export interface ComparedRun {
  readonly step: TrainingStep;
  /** The same step with a probed rule; built when rounding has to be measured. */
  readonly probed: () => TrainingStep;
  readonly objective: Objective;
  /** Seed of random numbers in training. */
  readonly seed: number;
  /** Number of stacked recurrent layers. */
  readonly layers: number;
}

/** A value that a step changes: before, expected after, and on the device. */
interface Change {
  readonly what: string;
  readonly from: NdArray;
  readonly exact: NdArray;
  readonly got: NdArray;
  /** How much rounding changes each number; computed on demand. */
  readonly spread: () => NdArray;
}

/** If rounding leaves more than this fraction of a vector's norm undetermined, little of it is compared. */
const badlyDetermined = 0.1;
/** Squares of larger numbers are infinite in f32. */
const largest = 1e19;
/** Smaller f32 numbers are subnormal: WGSL allows a device to flush them to 0. */
const smallestNormal = 2 ** -126;

/** Compares a step on a device with the interpreter's. */
export function compareStep(compared: ComparedRun, made: DeviceStep): StepComparison {
  const { graph } = compared.step;
  const inputs = inputsOf(compared, made);
  const inOrder = graph.inputs.map((id) => named(inputs, inputName(graph, id)));
  const exact = interpret(graph, inOrder);
  const spread = once(() => updateSpread(compared.probed(), inputs));
  const tolerance = f32Tolerance({ time: made.given.time * compared.layers, depth: depthOf(graph) });
  const changes = [
    ...reportedChanges(compared, made, exact, spread),
    ...heldChanges(compared, made, inputs, exact, spread),
  ];
  const comparisons = changes.map((change) => comparisonOf(change, tolerance));
  return comparisons.find(({ wrong }) => wrong) ?? comparisons.find(({ unsuitable }) => unsuitable) ?? {};
}

/** The reported values of a step: loss, gradient norm, and whether the guard applied the update. */
function reportedChanges(
  { step }: ComparedRun,
  { result }: DeviceStep,
  exact: readonly NdArray[],
  spread: () => Readonly<Record<string, NdArray>>,
): Change[] {
  const metrics = at(exact, named(step.outputs, "metrics"));
  const place = ({ data }: NdArray, i: number) => data[i] ?? Number.NaN;
  const change = (what: string, i: number, got: number): Change => ({
    what,
    from: scalar(0),
    exact: scalar(place(metrics, i)),
    got: scalar(got),
    spread: () => scalar(place(named(spread(), "metrics"), i)),
  });
  const applied = change("whether the update is applied", 2, Number(result.finite));
  const numbers = [change("loss", 0, result.loss), change("gradient norm", 1, result.gradientNorm)];
  const areFinite = numbers.every(({ exact: { data } }) => data.every((number) => Math.abs(number) < largest));
  return areFinite ? [applied, ...numbers] : [applied];
}

/** The stored values of the trainer: everything the step replaces, except the halt flag, which shows in reported values. */
function heldChanges(
  { step: { donate, outputs } }: ComparedRun,
  { after }: DeviceStep,
  inputs: Readonly<Record<string, NdArray>>,
  exact: readonly NdArray[],
  spread: () => Readonly<Record<string, NdArray>>,
): Change[] {
  const names = Object.keys(donate).filter((name) => name !== "halted");
  return names.map((name) => ({
    what: name,
    from: named(inputs, name),
    exact: at(exact, named(outputs, name)),
    got: named(after, name),
    spread: () => named(spread(), name),
  }));
}

/** The inputs of the device's step, for the interpreter. */
function inputsOf(
  { step, objective, seed }: ComparedRun,
  { before, given, isHalted }: DeviceStep,
): Record<string, NdArray> {
  const zeroStates = step.state.map((name): [string, NdArray] => {
    const shape = objective.stateShapes[name.slice("state/".length)] ?? [];
    return [name, zeros([given.rows, ...shape.map(Number)])];
  });
  return {
    ...before,
    ...(given.isFresh && Object.fromEntries(zeroStates)),
    ...given.inputs,
    halted: scalar(Number(isHalted), "bool"),
    learningRate: scalar(Math.fround(given.learningRate)),
    seed: scalar(seed, "u32"),
  };
}

function comparisonOf({ what, from, exact, got, spread }: Change, tolerance: number): StepComparison {
  const change = difference([exact], [from]);
  const length = norm(change);
  const error = difference([got], [exact]);
  const allowed = tolerance * length + smallestNormal * Math.sqrt(exact.data.length);
  if (norm(error) <= allowed) return {};
  const moved = spread();
  const open = norm(
    change.map((array) => ({ ...array, data: array.data.map((x, k) => Math.min(Math.abs(x), moved.data[k] ?? 0)) })),
  );
  const beyond = norm(error.map((array) => ({ ...array, data: array.data.map((e, k) => outside(e, moved.data[k])) })));
  if (beyond <= allowed)
    return open <= badlyDetermined * length ? {} : { unsuitable: `${what}: determined badly by f32 numbers` };
  if (!isFiniteArray(moved)) return { unsuitable: "not finite in f32" };
  const [changed, off, excused, room, rest] = [length, norm(error), allowed, norm([moved]), beyond].map((x) =>
    x.toExponential(2),
  );
  return {
    wrong: `${what} should change by ${changed} and is off by ${off}; rounding excuses ${excused}, and up to ${room} of some elements, which leaves ${rest}`,
  };
}

const outside = (error: number, moved = 0): number => Math.max(0, Math.abs(error) - moved);

function named<T>(record: Readonly<Record<string, T>>, name: string): T {
  const found = record[name];
  if (found === undefined) throw new Error(`${name} is not among ${Object.keys(record).join(", ")}`);
  return found;
}

/** Caches the result of `make`, which runs at the first call. */
export function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

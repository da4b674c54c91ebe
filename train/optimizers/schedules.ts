/**
 * @file Learning rate schedules: a factor for each update, as a function of the update's number only. It is traced into the
 * training step, so the device computes it and the host sends nothing; the learning rate itself can still be set at any time,
 * and is multiplied by the factor.
 */
import { UserError } from "../../compiler/graph/errors.ts";
import { scalar } from "../../compiler/graph/ndarray.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import { lessEqual } from "../../compiler/ops/composed.ts";
import { add, div, floor, min, mul, sub } from "../../compiler/ops/elementwise.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import { where } from "../../compiler/ops/logic.ts";
import { traceGraph } from "../../compiler/ops/trace.ts";
import { cos, exp } from "../../compiler/ops/transcendental.ts";
import { constant } from "../../compiler/ops/views.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";

type Float = Tensor<"f32">;

/** Maps the number of an update, a scalar that is 1 for the first, to the factor of the learning rate. */
export type Schedule = (update: Float) => Float;

/** A constant factor of 1. */
export const constantRate: Schedule = () => constant(1);

/** Options of `linearDecay` and `cosineDecay`. */
export interface DecayOptions {
  /** Number of updates until the factor is `to`, where it stays. */
  readonly updates: number;
  /** The last factor; 0 by default. */
  readonly to?: number;
}

/** Decays from 1 at the first update to `to`, linearly. */
export function linearDecay(options: DecayOptions): Schedule {
  const { progress, between } = decayOf("linearDecay", options);
  return (update) => between(sub(1, progress(update)));
}

/** Decays from 1 at the first update to `to` along half a cosine: Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5, without restarts. */
export function cosineDecay(options: DecayOptions): Schedule {
  const { progress, between } = decayOf("cosineDecay", options);
  return (update) => between(mul(add(cos(mul(progress(update), Math.PI)), 1), 0.5));
}

/** Options of `stepDecay`. */
export interface StepDecayOptions {
  /** Number of updates between decays. */
  readonly every: number;
  /** Multiplier of each decay; 0.1 by default. */
  readonly factor?: number;
}

/** Multiplies the factor by `factor` every `every` updates: PyTorch's StepLR. */
export function stepDecay(options: StepDecayOptions): Schedule {
  const { every, factor = 0.1 } = checkedOptions("stepDecay", options, { every: "number", factor: "number" });
  checkUpdates("stepDecay", "every", every);
  if (!(factor > 0 && factor < 1))
    throw new UserError(`stepDecay: factor is ${factor}; expected a number above 0 and below 1`);
  // The half keeps the quotient away from whole numbers, since division on a device is not exact.
  return (update) => exp(mul(floor(div(sub(update, 0.5), every)), Math.log(factor)));
}

/** Linear warm-up from 1 / `updates` at the first update to 1, then the schedule `then`, which counts updates from there. */
export function warmUp(updates: number, then: Schedule = constantRate): Schedule {
  checkUpdates("warmUp", "updates", updates);
  return (update) => where(lessEqual(update, updates), div(update, updates), then(sub(update, updates)));
}

/** The factors of the updates 1 to `last`, for plots and tables. */
export function factorsOf(schedule: Schedule, last: number): number[] {
  const graph = traceGraph("schedule", [{ name: "update", dtype: "f32", shape: [] }], ([update]) => [
    schedule(update as Float),
  ]);
  return Array.from({ length: last }, (_, i) => interpret(graph, [scalar(i + 1)])[0]?.data[0] ?? Number.NaN);
}

function decayOf(schedule: string, options: DecayOptions) {
  const { updates, to = 0 } = checkedOptions(schedule, options, { updates: "number", to: "number" });
  checkUpdates(schedule, "updates", updates);
  if (!(to >= 0 && to <= 1)) throw new UserError(`${schedule}: to is ${to}; expected a number from 0 to 1`);
  return {
    /** 0 at the first update, 1 once all are done. */
    progress: (update: Float): Float => min(div(sub(update, 1), updates), 1),
    /** `to` at 0, 1 at 1. */
    between: (share: Float): Float => (to === 0 ? share : add(mul(share, 1 - to), to)),
  };
}

function checkUpdates(schedule: string, option: string, value: number): void {
  if (!Number.isInteger(value) || value < 1)
    throw new UserError(`${schedule}: ${option} is ${value}; expected a whole number above 0`);
}

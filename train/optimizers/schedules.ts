/**
 * @file Schedules of the learning rate: a factor of it for each update, as a function of the number of the update alone.
 * The training step traces it, so the device computes it and the host has nothing to send; the learning rate itself may
 * still be set at any time, and is multiplied by the factor.
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

/** The factor of the learning rate for an update, whose number is a scalar: 1 for the first. */
export type Schedule = (update: Float) => Float;

/** The whole learning rate at every update. */
export const constantRate: Schedule = () => constant(1);

/** A way down from the whole learning rate. */
export interface DecayOptions {
  /** Updates until the factor is `to`; there it stays. */
  readonly updates: number;
  /** The last factor; 0 by default. */
  readonly to?: number;
}

/** From 1 at the first update down to `to`, by the same amount at each. */
export function linearDecay(options: DecayOptions): Schedule {
  const { progress, between } = wayDown("linearDecay", options);
  return (update) => between(sub(1, progress(update)));
}

/** From 1 at the first update down to `to` along half a cosine: Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5, without restarts. */
export function cosineDecay(options: DecayOptions): Schedule {
  const { progress, between } = wayDown("cosineDecay", options);
  return (update) => between(mul(add(cos(mul(progress(update), Math.PI)), 1), 0.5));
}

/** Steps down. */
export interface StepDecayOptions {
  /** Updates with one factor. */
  readonly every: number;
  /** What the factor is multiplied by after those; 0.1 by default. */
  readonly factor?: number;
}

/** 1 for the first updates, then a fixed part of it for as many, and so on: PyTorch's StepLR. */
export function stepDecay(options: StepDecayOptions): Schedule {
  const { every, factor = 0.1 } = checkedOptions("stepDecay", options, { every: "number", factor: "number" });
  checkUpdates("stepDecay", "every", every);
  if (!(factor > 0 && factor < 1))
    throw new UserError(`stepDecay: factor is ${factor}; expected a number above 0 and below 1`);
  // The half keeps the quotient away from whole numbers, which division on a device may miss by a hair.
  return (update) => exp(mul(floor(div(sub(update, 0.5), every)), Math.log(factor)));
}

/** From 1 / `updates` at the first update up to 1 in equal steps, then what follows, which counts its updates from there. */
export function warmUp(updates: number, then: Schedule = constantRate): Schedule {
  checkUpdates("warmUp", "updates", updates);
  return (update) => where(lessEqual(update, updates), div(update, updates), then(sub(update, updates)));
}

/** The factors of the updates from the first to a last one, for plots and tables. */
export function factorsOf(schedule: Schedule, last: number): number[] {
  const graph = traceGraph("schedule", [{ name: "update", dtype: "f32", shape: [] }], ([update]) => [
    schedule(update as Float),
  ]);
  return Array.from({ length: last }, (_, i) => interpret(graph, [scalar(i + 1)])[0]?.data[0] ?? Number.NaN);
}

function wayDown(schedule: string, options: DecayOptions) {
  const { updates, to = 0 } = checkedOptions(schedule, options, { updates: "number", to: "number" });
  checkUpdates(schedule, "updates", updates);
  if (!(to >= 0 && to <= 1)) throw new UserError(`${schedule}: to is ${to}; expected a number from 0 to 1`);
  return {
    /** 0 at the first update, 1 once all are done. */
    progress: (update: Float): Float => min(div(sub(update, 1), updates), 1),
    /** `to` at 0, 1 at 1. */
    between: (height: Float): Float => (to === 0 ? height : add(mul(height, 1 - to), to)),
  };
}

function checkUpdates(schedule: string, option: string, value: number): void {
  if (!Number.isInteger(value) || value < 1)
    throw new UserError(`${schedule}: ${option} is ${value}; expected a whole number above 0`);
}

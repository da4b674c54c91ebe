/**
 * @file What a training step makes of a gradient: it is added up over batches, clipped, and given to the optimizer with the
 * learning rate that the schedule leaves.
 *
 * With `accumulate` k, a step counts batches and every k-th is an update, with the mean of the k gradients. Each counts as
 * much as its loss is a mean over, so k batches give what one of all their positions would. All steps run one and the same
 * graph: those between only move a slot, which the update empties.
 */
import { UserError } from "../../compiler/graph/errors.ts";
import { add, cast, div, less, mul, sub } from "../../compiler/ops/elementwise.ts";
import { equal, where } from "../../compiler/ops/logic.ts";
import { constant } from "../../compiler/ops/views.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import type { Arena } from "../arena.ts";
import { clipByGlobalNorm, clipByValue, globalNorm } from "./clipping.ts";
import type { Optimizer, Slots } from "./optimizer.ts";
import type { Schedule } from "./schedules.ts";

type Float = Tensor<"f32">;

/** What an update is made of. */
export interface UpdateOptions {
  /** The rule of update. */
  readonly optimizer: Optimizer;
  /** Largest global norm of the gradient; without it the norm is not clipped. */
  readonly clipNorm?: number | undefined;
  /** Largest size of each element of the gradient, instead of `clipNorm`. */
  readonly clipValue?: number | undefined;
  /** What the learning rate is multiplied by at each update; 1 by default. */
  readonly rateSchedule?: Schedule | undefined;
  /**
   * How many batches make an update: their gradients are averaged, each weighed by what its loss is a mean over, such as
   * its number of valid steps. 1 by default.
   */
  readonly accumulate?: number | undefined;
}

/** What a step reads; parameters and gradient are flat. */
export interface UpdateInput {
  readonly parameters: Float;
  /** Of this batch alone. */
  readonly gradient: Float;
  /** Scalar: what the batch counts beside others; where gradients are accumulated. */
  readonly weight?: Float | undefined;
  /** By the names of `slotsOf`. */
  readonly slots: Slots;
  /** Scalar: the number of this batch, from 1 on. */
  readonly step: Float;
  readonly learningRate: Float;
  readonly arena: Arena;
}

/** What a step gives. */
export interface Update {
  readonly parameters: Float;
  readonly slots: Slots;
  /** Global norm of the gradient before clipping, of all batches since the last update together. */
  readonly norm: Float;
}

/** The mean of the gradients since the last update, and what the batches counted of which it is one. */
const meanSlot = "accumulated";
const countSlot = "accumulatedWeight";

/** Names of all that is kept from step to step. */
export function slotsOf({ optimizer, accumulate = 1 }: UpdateOptions): readonly string[] {
  return accumulate === 1 ? optimizer.slots : [...optimizer.slots, meanSlot, countSlot];
}

/** Whether what is kept by this name is one number; everything else is laid out as the parameters are. */
export function isCount(slot: string): boolean {
  return slot === countSlot;
}

export const ofUpdate = {
  optimizer: "any",
  clipNorm: "number",
  clipValue: "number",
  rateSchedule: "function",
  accumulate: "number",
} as const;

/** Refuses options that cannot be, or not together. */
export function checkUpdate({ optimizer, clipNorm, clipValue, accumulate = 1 }: UpdateOptions): void {
  if (typeof optimizer?.update !== "function")
    throw new UserError("the optimizer must be a rule of update such as adam(), neither its name nor adam itself");
  for (const [name, limit] of Object.entries({ clipNorm, clipValue })) {
    if (limit !== undefined && !(limit > 0 && limit < Number.POSITIVE_INFINITY))
      throw new UserError(`${name} is ${limit}; expected a number above 0`);
  }
  if (clipNorm !== undefined && clipValue !== undefined)
    throw new UserError("clipNorm and clipValue are both given: gradients are clipped in one way, so leave one out");
  if (!Number.isInteger(accumulate) || accumulate < 1)
    throw new UserError(`accumulate is ${accumulate}; expected a whole number of batches above 0`);
}

/** Traces what becomes of parameters and slots in one step. */
export function update(options: UpdateOptions, input: UpdateInput): Update {
  const { accumulate = 1 } = options;
  if (accumulate === 1) return applied(options, input, input.step);
  const { gradient, parameters, slots, weight = constant(1) } = input;
  const before = slots[meanSlot] as Float;
  const count = add(slots[countSlot] as Float, weight);
  // Of batches in which nothing counts the mean is 0.
  const counts = less(0, count);
  const mean = add(before, mul(sub(gradient, before), where(counts, div(weight, where(counts, count, 1)), 0)));
  // Whole numbers divide exactly on every device.
  const batch = cast(input.step, "i32");
  const number = div(add(batch, accumulate - 1), accumulate);
  const isDue = equal(mul(number, accumulate), batch);
  const due = applied(options, { ...input, gradient: mean }, cast(number, "f32"));
  const chosen = options.optimizer.slots.map((name) => {
    return [name, where(isDue, due.slots[name] as Float, slots[name] as Float)] as const;
  });
  return {
    parameters: where(isDue, due.parameters, parameters),
    slots: {
      ...Object.fromEntries(chosen),
      [meanSlot]: where(isDue, 0, mean),
      [countSlot]: where(isDue, 0, count),
    },
    norm: due.norm,
  };
}

/** The update of this number, counted from 1. */
function applied(options: UpdateOptions, input: UpdateInput, number: Float): Update {
  const { parameters, gradient, learningRate, slots, arena } = input;
  const { optimizer, clipNorm, clipValue, rateSchedule } = options;
  const norm = globalNorm(gradient);
  const byNorm = clipNorm === undefined ? gradient : clipByGlobalNorm(gradient, norm, clipNorm);
  const next = optimizer.update({
    parameter: parameters,
    gradient: clipValue === undefined ? byNorm : clipByValue(gradient, clipValue),
    slots,
    step: number,
    learningRate: rateSchedule === undefined ? learningRate : mul(learningRate, rateSchedule(number)),
    arena,
  });
  return { parameters: next.parameter, slots: next.slots, norm };
}

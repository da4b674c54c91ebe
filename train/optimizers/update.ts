/**
 * @file The update of a training step: the gradient is accumulated over batches, clipped, and passed to the optimizer with
 * the scheduled learning rate.
 *
 * With `accumulate` k, a step counts batches and every k-th is an update, with the mean of the k gradients, weighted by the
 * denominators of their losses, so k batches are equivalent to one with all their positions. All steps run the same graph:
 * those between updates only change a slot, which the update resets.
 */
import { UserError } from "../../compiler/graph/errors.ts";
import { add, cast, div, less, mul, sub } from "../../compiler/ops/elementwise.ts";
import { equal, where } from "../../compiler/ops/logic.ts";
import { constant } from "../../compiler/ops/views.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { ofPrecision, type Precision } from "../../devices/device.ts";
import type { Arena } from "../arena.ts";
import { scaleSlots } from "../loss-scale.ts";
import { clipByGlobalNorm, clipByValue, globalNorm } from "./clipping.ts";
import type { Optimizer, Slots } from "./optimizer.ts";
import type { Schedule } from "./schedules.ts";

type Float = Tensor<"f32">;

/** Options of updates. */
export interface UpdateOptions {
  /** The update rule. */
  readonly optimizer: Optimizer;
  /** Largest global norm of the gradient; without it the norm is not clipped. */
  readonly clipNorm?: number | undefined;
  /** Largest absolute value of each element of the gradient, instead of `clipNorm`. */
  readonly clipValue?: number | undefined;
  /** Factor of the learning rate at each update; 1 by default. */
  readonly rateSchedule?: Schedule | undefined;
  /**
   * Number of batches per update: their gradients are averaged, weighted by the denominators of their losses, such as the
   * numbers of valid steps. 1 by default.
   */
  readonly accumulate?: number | undefined;
  /**
   * "f32" by default. With "mixed", the loss is computed from weights rounded to f16, and loops store what they compute in
   * each step in f16: residuals, outputs and cotangents. Weights, slots and sums stay in f32. The loss is scaled so that
   * small gradients are not lost; a step whose gradient overflows is skipped, with a smaller scale from then on.
   */
  readonly precision?: Precision | undefined;
}

/** The inputs of a step; parameters and gradient are flat. */
export interface UpdateInput {
  readonly parameters: Float;
  /** The gradient of only this batch. */
  readonly gradient: Float;
  /** Scalar: the weight of the batch, if gradients are accumulated. */
  readonly weight?: Float | undefined;
  /** By the names of `slotsOf`. */
  readonly slots: Slots;
  /** Scalar: the number of this batch, from 1 on. */
  readonly step: Float;
  readonly learningRate: Float;
  readonly arena: Arena;
}

/** The result of a step. */
export interface Update {
  readonly parameters: Float;
  readonly slots: Slots;
  /** Global norm of the gradient before clipping, of all batches since the last update together. */
  readonly norm: Float;
}

/** The mean of the gradients since the last update, and the total weight of their batches. */
const meanSlot = "accumulated";
const countSlot = "accumulatedWeight";

/** Names of all arrays that are stored between steps. */
export function slotsOf({ optimizer, accumulate = 1, precision }: UpdateOptions): readonly string[] {
  const mean = accumulate === 1 ? [] : [meanSlot, countSlot];
  return [...optimizer.slots, ...mean, ...(precision === "mixed" ? scaleSlots : [])];
}

/** Whether a slot is a single number; all others have the layout of the parameters. */
export function isCount(slot: string): boolean {
  return slot === countSlot || scaleSlots.some((name) => name === slot);
}

export const ofUpdate = {
  optimizer: "any",
  clipNorm: "number",
  clipValue: "number",
  rateSchedule: "function",
  accumulate: "number",
  precision: ofPrecision,
} as const;

/** Throws for invalid options and combinations. */
export function checkUpdate({ optimizer, clipNorm, clipValue, accumulate = 1 }: UpdateOptions): void {
  if (typeof optimizer?.update !== "function")
    throw new UserError("the optimizer must be an update rule such as adam(), not its name or adam itself");
  for (const [name, limit] of Object.entries({ clipNorm, clipValue })) {
    if (limit !== undefined && !(limit > 0 && limit < Number.POSITIVE_INFINITY))
      throw new UserError(`${name} is ${limit}; expected a number above 0`);
  }
  if (clipNorm !== undefined && clipValue !== undefined)
    throw new UserError("clipNorm and clipValue cannot be combined; leave one out");
  if (!Number.isInteger(accumulate) || accumulate < 1)
    throw new UserError(`accumulate is ${accumulate}; expected a whole number of batches above 0`);
}

/** Traces the update of parameters and slots in one step. */
export function update(options: UpdateOptions, input: UpdateInput): Update {
  const { accumulate = 1 } = options;
  if (accumulate === 1) return applied(options, input, input.step);
  const { gradient, parameters, slots, weight = constant(1) } = input;
  const before = slots[meanSlot] as Float;
  const count = add(slots[countSlot] as Float, weight);
  // Without any counted position the mean is 0.
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

/** The update with this number, counted from 1. */
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

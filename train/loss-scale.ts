/**
 * @file Loss scaling for `precision: "mixed"`, on the device: the loss is multiplied by a power of two before it is
 * differentiated, so that small cotangents are above the smallest numbers of f16, and the gradient is divided by it again.
 * Neither rounds. A scale that is too large makes cotangents infinite: then nothing is updated, and the scale is halved.
 * After 2,000 updates in a row it is doubled (Micikevicius et al. 2018, "Mixed precision training"). Its state is two slots
 * of the step, so that no step waits for the host, and a checkpoint resumes it.
 */
import { add, div, less, max, min, mul } from "../compiler/ops/elementwise.ts";
import { and, equal, where } from "../compiler/ops/logic.ts";
import type { Tensor } from "../compiler/trace/tensor.ts";

type Float = Tensor<"f32">;

/** Names of the slots: the scale, 0 if it is the initial one, and the updates in a row since it last changed. */
export const scaleSlots = ["lossScale", "stepsAtScale"] as const;

/** The scale of a new trainer. */
const initialScale = 2 ** 16;
const largestScale = 2 ** 24;
/** Updates in a row after which the scale is doubled. */
const updatesToGrow = 2000;

/** The scale of this step, from its slot. */
export function scaleOf(slot: Float): Float {
  return where(equal(slot, 0), initialScale, slot);
}

/** A gradient of the scaled loss as one of the loss. */
export function unscaled(gradient: Float, scale: Float): Float {
  return mul(gradient, div(1, scale));
}

/** Whether a smaller scale may help where a gradient is not finite. */
export function canShrink(scale: Float): Tensor<"bool"> {
  return less(1, scale);
}

/** The slots after a step that was applied, one whose gradient overflowed, or one that changes nothing. */
export function nextScale(
  slots: Readonly<Record<string, Float>>,
  isApplied: Tensor<"bool">,
  isTooLarge: Tensor<"bool">,
): Readonly<Record<string, Float>> {
  const [scaleSlot, stepsSlot] = scaleSlots.map((name) => slots[name] as Float) as [Float, Float];
  const scale = scaleOf(scaleSlot);
  const steps = add(stepsSlot, 1);
  const grows = and(isApplied, less(updatesToGrow - 1, steps));
  const larger = where(grows, min(mul(scale, 2), largestScale), scaleSlot);
  return {
    lossScale: where(isTooLarge, max(mul(scale, 0.5), 1), larger),
    stepsAtScale: where(isTooLarge, 0, where(grows, 0, where(isApplied, steps, stepsSlot))),
  };
}

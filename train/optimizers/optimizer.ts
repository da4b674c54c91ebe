/** @file What an optimizer is: a rule of update as an expression on tensors. A rule of your own is an object of this form. */
import type { Tensor } from "../../compiler/trace/tensor.ts";
import type { Arena } from "../arena.ts";

type Float = Tensor<"f32">;
/** Arrays that an optimizer keeps from update to update, by name. */
export type Slots = Readonly<Record<string, Float>>;

/** What an update reads. */
export interface OptimizerInput {
  /** All parameters, flat. */
  readonly parameter: Float;
  /** Gradient of the loss, flat; clipped where clipping is asked for. */
  readonly gradient: Float;
  /** Arrays like the parameter that are kept from update to update; all start at zero. */
  readonly slots: Slots;
  /** Scalar: 1 at the first update. */
  readonly step: Float;
  /** Scalar, with the schedule's factor in it. */
  readonly learningRate: Float;
  /** Which parameter lies where in the flat arrays: see `perParameter`. */
  readonly arena: Arena;
}

/** A rule of update, traced into the training step. */
export interface Optimizer {
  /** For people. */
  readonly name: string;
  /** Names of the slots. */
  readonly slots: readonly string[];
  /** Traced once: the updated parameter, and every slot updated. */
  readonly update: (input: OptimizerInput) => { readonly parameter: Float; readonly slots: Slots };
}

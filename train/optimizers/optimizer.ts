/** @file The interface of optimizers: an update rule as an expression on tensors. A custom rule is an object of this type. */
import type { Tensor } from "../../compiler/trace/tensor.ts";
import type { Arena } from "../arena.ts";

type Float = Tensor<"f32">;
/** Arrays that an optimizer stores between updates, by name. */
export type Slots = Readonly<Record<string, Float>>;

/** The inputs of an update. */
export interface OptimizerInput {
  /** All parameters, flat. */
  readonly parameter: Float;
  /** Gradient of the loss, flat, after clipping. */
  readonly gradient: Float;
  /** Arrays with the shape of the parameter that are stored between updates; all start at zero. */
  readonly slots: Slots;
  /** Scalar: 1 at the first update. */
  readonly step: Float;
  /** Scalar, including the schedule's factor. */
  readonly learningRate: Float;
  /** The layout of the flat arrays: see `perParameter`. */
  readonly arena: Arena;
}

/** An update rule, traced into the training step. */
export interface Optimizer {
  /** Name for display. */
  readonly name: string;
  /** Names of the slots. */
  readonly slots: readonly string[];
  /** Traced once; returns the updated parameter and slots. */
  readonly update: (input: OptimizerInput) => { readonly parameter: Float; readonly slots: Slots };
}

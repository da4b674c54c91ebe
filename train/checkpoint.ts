/** @file Checkpoints: the arrays from which training resumes. */
import { type Shape, sameShape } from "../compiler/graph/dim.ts";
import { UserError } from "../compiler/graph/errors.ts";
import { type NdArray, scalar } from "../compiler/graph/ndarray.ts";
import type { Arena } from "./arena.ts";
import { scaleSlots } from "./loss-scale.ts";
import { isCount } from "./optimizers/update.ts";

/** Weights, optimizer slots, step count and (after the first step) carried state, named like the training step's inputs. */
export type Checkpoint = Readonly<Record<string, NdArray>>;

const slotPrefix = "slots/";

/** Shape of the checkpoint's array with this name, which is not a state. */
export function keptShape(name: string, arena: Arena): readonly number[] {
  const isNumber = name === "step" || (name.startsWith(slotPrefix) && isCount(name.slice(slotPrefix.length)));
  return isNumber ? [] : [arena.size];
}

/**
 * A checkpoint's array. Checkpoints from before batches were weighted have no weight: right after an update it is 0. One of
 * training in f32 has no scale of the loss: 0 stands for the initial one.
 */
export function keptValue(checkpoint: Checkpoint, name: string): NdArray | undefined {
  if (Object.hasOwn(checkpoint, name)) return checkpoint[name];
  if (scaleSlots.some((slot) => name === slotPrefix + slot)) return scalar(0);
  const isNew = name.startsWith(slotPrefix) && isCount(name.slice(slotPrefix.length));
  const sum = checkpoint[`${slotPrefix}accumulated`];
  return isNew && sum?.data?.every((value) => value === 0) ? scalar(0) : undefined;
}

/** The states in a checkpoint, each [rows, …], and the number of rows; there are none before the first step. */
export function carriedState(
  checkpoint: Checkpoint,
  shapes: Readonly<Record<string, Shape>>,
): { readonly rows: number | undefined; readonly states: readonly (readonly [name: string, value: NdArray])[] } {
  const names = Object.keys(shapes);
  const given = names.flatMap((name) => {
    const value = Object.hasOwn(checkpoint, `state/${name}`) ? checkpoint[`state/${name}`] : undefined;
    return value === undefined ? [] : [[`state/${name}`, value] as const];
  });
  if (given.length === 0) return { rows: undefined, states: [] };
  const rows = given[0]?.[1].shape[0];
  const fits = given.every(([name, { dtype, shape }]) => {
    const expected = [rows ?? Number.NaN, ...(shapes[name.slice("state/".length)] ?? [])];
    return dtype === "f32" && sameShape(shape, expected);
  });
  if (given.length === names.length && fits) return { rows, states: given };
  throw new UserError(
    "the checkpoint belongs to another network or optimizer: its state is missing or has another shape",
  );
}

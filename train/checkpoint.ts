/** @file What training goes on from. */
import { type Shape, sameShape } from "../compiler/graph/dim.ts";
import { UserError } from "../compiler/graph/errors.ts";
import { type NdArray, scalar } from "../compiler/graph/ndarray.ts";
import type { Arena } from "./arena.ts";
import { isCount } from "./optimizers/update.ts";

/** Weights, optimizer slots, step count and carried state (once there is one), by the names of the training step's inputs. */
export type Checkpoint = Readonly<Record<string, NdArray>>;

const slotPrefix = "slots/";

/** Shape of what is kept by this name of a training step's inputs, states aside. */
export function keptShape(name: string, arena: Arena): readonly number[] {
  const isNumber = name === "step" || (name.startsWith(slotPrefix) && isCount(name.slice(slotPrefix.length)));
  return isNumber ? [] : [arena.size];
}

/** What a checkpoint holds by this name. One of before batches were weighed has no weight: right after an update it is 0. */
export function keptValue(checkpoint: Checkpoint, name: string): NdArray | undefined {
  if (Object.hasOwn(checkpoint, name)) return checkpoint[name];
  const isNew = name.startsWith(slotPrefix) && isCount(name.slice(slotPrefix.length));
  const sum = checkpoint[`${slotPrefix}accumulated`];
  return isNew && sum?.data?.every((value) => value === 0) ? scalar(0) : undefined;
}

/** The states that a checkpoint carries, each [rows, …], and their rows; none where it is of before the first step. */
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
  throw new UserError("the checkpoint is of another network or optimizer: its state does not fit");
}

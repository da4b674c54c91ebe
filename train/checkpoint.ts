/** @file What training goes on from. */
import { type Shape, sameShape } from "../compiler/graph/dim.ts";
import { UserError } from "../compiler/graph/errors.ts";
import type { NdArray } from "../compiler/graph/ndarray.ts";

/** Weights, optimizer slots, step count and carried state (once there is one), by the names of the training step's inputs. */
export type Checkpoint = Readonly<Record<string, NdArray>>;

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

/**
 * @file What a measured search may choose of a program: sizes of tiles, how far loops are written out, how scans run.
 * What a tuning leaves open stays the pure function of shapes and target that it is without one. A tuning is plain data:
 * the same graph, target and tuning give the same kernels, so reruns stay bit-equal.
 */
import { UserError } from "../graph/errors.ts";
import { type ScanScheduleName, scanScheduleNames } from "./scan/names.ts";

/** What a measured search may choose; what is left open stays the compiler's own choice. */
export interface Tuning {
  /** Rows of a product that one invocation computes at the most. */
  readonly tileRows?: number;
  /** Columns of a product that one invocation computes at the most. */
  readonly tileColumns?: number;
  /** Sums that one invocation holds at the most, however small the product. */
  readonly accumulators?: number;
  /** Rows of the batch that a workgroup of a persistent scan owns, as far as they fit in workgroup memory. */
  readonly persistentRows?: number;
  /** Columns of a product that one invocation of a persistent scan computes at the most. */
  readonly persistentColumns?: number;
  /** Terms that one turn of a product's loop adds to a sum: how far the loop over its depth is unrolled. */
  readonly termsPerTurn?: number;
  /** Whether large products go through workgroup memory, where the target would have it. */
  readonly workgroupTiles?: boolean;
  /** How scans run, where they can run so. */
  readonly schedule?: ScanScheduleName;
}

/** Every value that each field may have: what a search tries, and what is accepted from a file. */
export const tuningGrid: { readonly [K in keyof Tuning]-?: readonly NonNullable<Tuning[K]>[] } = {
  persistentRows: [1, 2, 4, 8, 16],
  persistentColumns: [1, 2, 4, 8, 16],
  tileRows: [1, 2, 4, 8, 16],
  tileColumns: [1, 2, 4, 8, 16],
  accumulators: [4, 16, 32, 64, 128],
  termsPerTurn: [1, 2, 4],
  workgroupTiles: [true, false],
  schedule: scanScheduleNames,
};

/** A tuning that came from somewhere else. Throws a UserError of one line where it is none. */
export function checkedTuning(value: unknown): Tuning {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new UserError("a tuning must be an object such as {tileRows: 8}");
  for (const [field, given] of Object.entries(value)) {
    if (!Object.hasOwn(tuningGrid, field)) {
      const fields = Object.keys(tuningGrid).join(", ");
      throw new UserError(`a tuning has no ${JSON.stringify(field.slice(0, 40))}; its fields are ${fields}`);
    }
    const allowed: readonly unknown[] = tuningGrid[field as keyof Tuning];
    if (!allowed.includes(given)) {
      const got = typeof given === "string" ? JSON.stringify(given.slice(0, 40)) : shortly(given);
      throw new UserError(`${field} of a tuning must be one of ${allowed.join(", ")}, got ${got}`);
    }
  }
  return { ...value };
}

/** A value in a few characters. Objects may have any `toString`, or none. */
function shortly(value: unknown): string {
  return typeof value === "object" ? "an object" : String(value).slice(0, 40);
}

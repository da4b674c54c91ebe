/**
 * @file Choices that a measured search can make: tile sizes, unrolling, schedules of scans. Fields that a tuning leaves
 * out keep their default, a pure function of shapes and target. A tuning is plain data: the same graph, target and
 * tuning give the same kernels, so reruns stay bit-equal.
 */
import { UserError } from "../graph/errors.ts";
import { type ScanScheduleName, scanScheduleNames } from "./scan/names.ts";

/** Choices of a measured search; the compiler decides fields that are left out. */
export interface Tuning {
  /** Maximum number of rows of a product that one invocation computes. */
  readonly tileRows?: number;
  /** Maximum number of columns of a product that one invocation computes. */
  readonly tileColumns?: number;
  /** Maximum number of accumulators that one invocation holds, however small the product. */
  readonly accumulators?: number;
  /** Batch rows that a workgroup of a persistent scan owns, if they fit in workgroup memory. */
  readonly persistentRows?: number;
  /** Maximum number of columns of a product that one invocation of a persistent scan computes. */
  readonly persistentColumns?: number;
  /** Terms that one iteration of a product's loop adds to a sum: how far the loop over its depth is unrolled. */
  readonly termsPerTurn?: number;
  /** Whether large products go through workgroup memory, on targets that do so by default. */
  readonly workgroupTiles?: boolean;
  /**
   * Registers of an invocation for weights that stay for a whole sequence, in place of those of a table by vendor: WebGPU
   * reports no registers, so the table errs low. Too many are slow, since they are kept in memory, but never wrong.
   */
  readonly weightRegisters?: number;
  /** Invocations that share a column of a product whose weights stay, if the device has as many. */
  readonly columnLanes?: number;
  /** Steps of a chunk of a loop that runs in parallel over time. */
  readonly timeChunk?: number;
  /** The schedule of each scan that can run in it. */
  readonly schedule?: ScanScheduleName;
}

/** The values each field can have: those a search tries and a file may contain. */
export const tuningGrid: { readonly [K in keyof Tuning]-?: readonly NonNullable<Tuning[K]>[] } = {
  persistentRows: [1, 2, 4, 8, 16],
  persistentColumns: [1, 2, 4, 8, 16],
  tileRows: [1, 2, 4, 8, 16],
  tileColumns: [1, 2, 4, 8, 16],
  accumulators: [4, 16, 32, 64, 128],
  termsPerTurn: [1, 2, 4],
  workgroupTiles: [true, false],
  weightRegisters: [16, 32, 64, 96, 128, 160, 192, 224],
  columnLanes: [1, 2, 4, 8, 16, 32],
  timeChunk: [8, 16, 32, 64, 128, 256],
  schedule: scanScheduleNames,
};

/** Validates a tuning read from a file or passed by a user. Throws a UserError if it is not valid. */
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

/** A short text for a value. An object's `toString` can throw or be missing, so it is not called. */
function shortly(value: unknown): string {
  return typeof value === "object" ? "an object" : String(value).slice(0, 40);
}

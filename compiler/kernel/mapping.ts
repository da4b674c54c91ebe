/**
 * @file How the positions of a kernel's work are assigned to invocations. A form decides which axes its work has and in
 * which order sums are added up; the mapping decides which invocation does which part. So one form serves a GPU, with
 * one invocation per position, and targets that walk over positions in loops. No result depends on the mapping.
 */
import type { Dim } from "../graph/dim.ts";
import type { KernelBuilder } from "./builder.ts";
import type { Axis, Expr, GridPart } from "./ir.ts";

export interface WorkMapping {
  /** Invocations per workgroup. */
  readonly lanes: number;
  /** Number of neighbouring positions that one invocation does, one after another. */
  readonly run: number;
}

/** One position per invocation. */
export const spread: WorkMapping = { lanes: 64, run: 1 };

/** The grid for `rows` positions, or for tiles of `rowsPer` rows in each of the columns. */
export function gridOf(
  { lanes, run }: WorkMapping,
  rows: Dim,
  { rowsPer = 1, columns = 1 }: { readonly rowsPer?: number; readonly columns?: Dim } = {},
): GridPart {
  return { rows: [rows], rowsPer, columns: [columns], lanes: lanes * run };
}

/** The first position of the invocation, which may be beyond the last. */
export function firstPosition(k: KernelBuilder, { lanes, run }: WorkMapping): Expr {
  return k.mul(k.add(k.mul(k.group, k.u32(lanes)), k.lane), k.u32(run));
}

/** Calls `write` for each of the invocation's positions below `count`; an invocation without positions leaves. */
export function overPositions(
  k: KernelBuilder,
  mapping: WorkMapping,
  { name, role, count, extent }: { name: string; role: Axis["role"]; count: Expr; extent: Dim },
  write: (position: Expr) => void,
): void {
  const first = k.let(mapping.run === 1 ? name : k.fresh("first"), firstPosition(k, mapping));
  if (mapping.run === 1) {
    k.leaveIf(k.lessEqual(count, first));
    write(first);
    return;
  }
  const end = k.let(k.fresh("end"), k.min(k.add(first, k.u32(mapping.run)), count));
  k.for({ axis: { extent, role }, name, first, end, step: k.u32(1) }, write);
}

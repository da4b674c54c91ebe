/**
 * @file How the positions of a kernel's work are given to what runs it. A form says which axes its work has and in which
 * order sums are added up; the mapping says which invocation does which part of it. So one form serves a GPU, where every
 * position has an invocation of its own, and a target that walks over them in loops. No number of a result depends on it.
 */
import type { Dim } from "../graph/dim.ts";
import type { KernelBuilder } from "./builder.ts";
import type { Axis, Expr, GridPart } from "./ir.ts";

export interface WorkMapping {
  /** Invocations of a workgroup, each of which owns positions. */
  readonly lanes: number;
  /** Neighbouring positions that one invocation does, one after the other. */
  readonly run: number;
}

/** A position for every invocation. */
export const spread: WorkMapping = { lanes: 64, run: 1 };

/** The workgroups of `rows` positions, or of tiles of `rowsPer` rows in each of the columns. */
export function gridOf(
  { lanes, run }: WorkMapping,
  rows: Dim,
  { rowsPer = 1, columns = 1 }: { readonly rowsPer?: number; readonly columns?: Dim } = {},
): GridPart {
  return { rows: [rows], rowsPer, columns: [columns], lanes: lanes * run };
}

/** The first position of the invocation, were there enough of them. */
export function firstPosition(k: KernelBuilder, { lanes, run }: WorkMapping): Expr {
  return k.mul(k.add(k.mul(k.group, k.u32(lanes)), k.lane), k.u32(run));
}

/** Writes what is done for each of the invocation's positions among `count`; an invocation that has none leaves. */
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

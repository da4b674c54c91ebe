/**
 * @file How many rows a persistent workgroup has, by what fits in its memory. How its lanes share products and reductions,
 * and so the order of every sum, follows from the rows that it should have, and from the memory that one row needs at most
 * on any device: neither depends on subgroups. How many rows it has then depends on what its lanes exchange in subgroups,
 * and no sum depends on that.
 */
import { type Graph, type NodeId, nodeAt } from "../../graph/graph.ts";
import { storages } from "../../graph/storage.ts";
import type { TeamLayout } from "../emit/lane-teams.ts";
import type { Stage } from "../stages/stages.ts";
import type { Panels } from "./panels.ts";
import type { Residency } from "./residency.ts";
import { type Slots, slotLength } from "./slots.ts";
import { exchangedBytes } from "./teams.ts";

/** How the lanes of a workgroup share its work, whatever number of rows it has. */
export interface Arrangement {
  readonly residency: Residency | undefined;
  readonly panels: Panels | undefined;
  readonly slots: Map<NodeId, Slots>;
  /** The teams of lanes that share reductions. */
  readonly teamsOf: (rows: number, neighbours: number, isShared: boolean) => ReadonlyMap<Stage, TeamLayout>;
}

export interface Fit {
  readonly arrangement: Arrangement;
  /** Rows for which the lanes are arranged, and rows that a workgroup has. */
  readonly arrangedRows: number;
  readonly rows: number;
  readonly teams: ReadonlyMap<Stage, TeamLayout>;
  readonly bytes: number;
  /** Partial sums that the lanes of a column exchange together in workgroup memory. */
  readonly sumsTogether: number;
}

/** Sizes of subgroups. */
const allNeighbours = [1, 2, 4, 8, 16, 32, 64, 128];

/**
 * The first arrangement of which one row fits on every device, with lanes that share reductions if there is one; or the
 * bytes that it would need. Arrangements are for as many rows as fit on some device: of `rows`, a power of two, or fewer.
 */
export function fitRows(
  body: Graph,
  arrangementsFor: (rows: number) => readonly Arrangement[],
  rows: number,
  neighbours: number,
  limit: number,
): Fit | number {
  let least = Number.POSITIVE_INFINITY;
  for (const isShared of [true, false])
    for (const arrangement of arrangementsFor(rows)) {
      const bytesOf = (count: number, near: number, sums = 1) =>
        bytesOfRows(body, arrangement, count, near, sums, isShared);
      const needed = Math.max(...allNeighbours.map((near) => bytesOf(1, near)));
      least = Math.min(least, needed);
      if (needed > limit) continue;
      if (rows > 1 && allNeighbours.every((near) => bytesOf(rows, near) > limit))
        return fitRows(body, arrangementsFor, rows / 2, neighbours, limit);
      let fitting = rows;
      while (fitting > 1 && bytesOf(fitting, neighbours) > limit) fitting /= 2;
      const { mostSums = 1 } = arrangement.residency ?? {};
      let sumsTogether = mostSums;
      while (sumsTogether > 1 && bytesOf(fitting, neighbours, sumsTogether) > limit) sumsTogether -= 1;
      const teams = arrangement.teamsOf(fitting, neighbours, isShared);
      return {
        arrangement,
        arrangedRows: rows,
        rows: fitting,
        teams,
        bytes: bytesOf(fitting, neighbours, sumsTogether),
        sumsTogether,
      };
    }
  return least;
}

function bytesOfRows(
  body: Graph,
  { residency, panels, slots, teamsOf }: Arrangement,
  rows: number,
  neighbours: number,
  sumsTogether: number,
  isShared: boolean,
): number {
  const ofValues = [...slots].reduce((sum, [id, of]) => {
    const { bytes } = storages[nodeAt(body, id).aval.dtype];
    return sum + bytes * slotLength(of, rows, panels) * of.count * of.slices;
  }, 0);
  const ofTeams = exchangedBytes(body, teamsOf(rows, neighbours, isShared));
  return ofValues + ofTeams + exchangeBytes(residency, neighbours, sumsTogether) + sumBytes(panels, neighbours, rows);
}

/** Bytes in which the lanes of a column exchange their partial sums. */
function exchangeBytes(residency: Residency | undefined, neighbours: number, sumsTogether: number): number {
  if (residency === undefined || residency.slices <= Math.max(1, neighbours)) return 0;
  return storages.f32.bytes * residency.lanes * sumsTogether;
}

/** Bytes in which lanes leave the sums of products for those that go on with them. */
function sumBytes(panels: Panels | undefined, neighbours: number, rows: number): number {
  if (panels === undefined) return 0;
  const parts = panels.slices / Math.min(panels.slices, 2 ** Math.floor(Math.log2(Math.max(1, neighbours))));
  return storages.f32.bytes * parts * rows * panels.sums;
}

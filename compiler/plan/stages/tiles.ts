/**
 * @file Register tiles: how many rows and columns of a product one invocation computes. Each operand loaded serves a
 * whole row or column of the tile, so larger tiles load less; smaller ones make more invocations. A pure function of
 * shapes, target and tuning, so that reruns are bit-equal.
 */
import type { Dim } from "../../graph/dim.ts";
import type { WorkMapping } from "../../kernel/mapping.ts";
import type { Tuning } from "../tuning.ts";

/**
 * What the device is good at: a software adapter has few lanes and dear loads, a GPU many lanes. On a CPU a workgroup is a
 * vector of four lanes.
 */
export type Target = "gpu" | "software" | "cpu";

/** Lanes of a workgroup on a CPU. */
export const vectorLanes = 4;

export interface Tile {
  readonly rows: number;
  readonly columns: number;
}

export interface TileOptions {
  readonly target: Target;
  /** Rows per invocation at the most; 1 where the batch is known to be small. */
  readonly maxRows?: number | undefined;
  /** Lanes that exchange values without memory, where the device has a fixed number of them. */
  readonly subgroupSize?: number | undefined;
  /** How positions are given to invocations; one to each by default. */
  readonly mapping?: WorkMapping | undefined;
  /** What a measured search chose instead of what this file would. */
  readonly tuning?: Tuning | undefined;
}

/** Lanes that load a row each and hand it to the others. */
export const sharingLanes = 4;

/**
 * Whether the lanes of a subgroup share what they load of a tile's rows. All of them work on the same rows, so each
 * loads one row in `sharingLanes` and broadcasts it: on a software adapter, where a load costs as much as many
 * multiplications, that is the dearest part of a product. Hardware has caches for it. Neighbouring lanes of a workgroup are
 * taken to be neighbours in their subgroup, which WebGPU does not promise: the comparison with the interpreter would show it if they were not.
 */
export function sharesRows(tile: Tile, columnStride: Dim, { target, subgroupSize }: TileOptions): boolean {
  const isStatic = typeof columnStride === "number" && columnStride % sharingLanes === 0;
  return target === "software" && subgroupSize === sharingLanes && tile.rows % sharingLanes === 0 && isStatic;
}

/** Accumulators that an invocation can hold before they spill. */
const accumulators: Record<Target, number> = { gpu: 16, software: 64, cpu: 8 };
/** On a CPU a column is a vector. */
const preferred: Record<Target, Tile> = {
  gpu: { rows: 4, columns: 4 },
  software: { rows: 8, columns: 8 },
  cpu: { rows: 4, columns: 2 },
};
/** Columns of invocations that should remain, so that neighbours still read neighbouring memory. */
const minimumLanes: Record<Target, number> = { gpu: 8, software: 8, cpu: vectorLanes };

/** Invocations that a product of known size should be spread over before tiles grow: they fill the device. */
const fullDevice: Record<Target, number> = { gpu: 16384, software: 256, cpu: 256 };

/** Elements of one tile up to which a product of known size still fills the device. */
export function spreadOver(positions: Dim, { target }: TileOptions): number {
  return typeof positions === "number" ? Math.max(1, positions / fullDevice[target]) : Number.POSITIVE_INFINITY;
}

/**
 * The tile for `products` products of shape [.., rows, columns] that one invocation computes together; `most` bounds the
 * elements of one tile, unless a tuning knows better.
 */
export function chooseTile(
  rows: Dim,
  columns: Dim,
  products: number,
  options: TileOptions,
  most = Number.POSITIVE_INFINITY,
): Tile {
  const { target, tuning = {} } = options;
  const held = tuning.accumulators ?? Math.min(accumulators[target], most * products);
  const budget = Math.max(1, Math.floor(held / products));
  const rowLimit = Math.min(
    tuning.tileRows ?? preferred[target].rows,
    options.maxRows ?? Number.POSITIVE_INFINITY,
    budget,
  );
  const tileRows = powerBelow(typeof rows === "number" ? Math.min(rowLimit, rows) : rowLimit);
  // Sums of few rows wait for each other on a CPU: more columns make up for it.
  const few = target === "cpu" ? preferred.cpu.rows / tileRows : 1;
  const columnLimit = tuning.tileColumns ?? preferred[target].columns * few;
  let tileColumns = 1;
  while (
    tileColumns * 2 <= columnLimit &&
    tileRows * tileColumns * 2 <= budget &&
    typeof columns === "number" &&
    columns % (tileColumns * 2) === 0 &&
    columns / (tileColumns * 2) >= minimumLanes[target] &&
    (target !== "cpu" || columns % (tileColumns * 2 * vectorLanes) === 0)
  ) {
    tileColumns *= 2;
  }
  return { rows: tileRows, columns: tileColumns };
}

function powerBelow(limit: number): number {
  return 2 ** Math.floor(Math.log2(Math.max(1, limit)));
}

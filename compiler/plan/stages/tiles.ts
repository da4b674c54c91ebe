/**
 * @file Register tiles: how many rows and columns of a product one invocation computes. Each loaded operand serves a
 * whole row or column of the tile, so larger tiles load less; smaller ones give more invocations. A pure function of
 * shapes, target and tuning, so that reruns are bit-equal.
 */
import type { Dim } from "../../graph/dim.ts";
import type { WorkMapping } from "../../kernel/mapping.ts";
import type { Tuning } from "../tuning.ts";

/**
 * The kind of device: a software adapter has few lanes and expensive loads, a GPU many lanes. On a CPU a workgroup is a
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
  /** Maximum number of rows per invocation; 1 if the batch is known to be small. */
  readonly maxRows?: number | undefined;
  /** Lanes that exchange values without memory, if the device has subgroups of one fixed size. */
  readonly subgroupSize?: number | undefined;
  /** How many invocations in a row are neighbours in one subgroup, on a GPU; 1 by default. */
  readonly neighbours?: number | undefined;
  /** How positions are assigned to invocations; one to each by default. */
  readonly mapping?: WorkMapping | undefined;
  /** Choices of a measured search, which override those of this file. */
  readonly tuning?: Tuning | undefined;
  /** Registers of one invocation for the values of its tile; few by default. */
  readonly laneRegisters?: number | undefined;
  /** Set where products run outside of loops over time, which can have several kernels, by size. */
  readonly outside?: OutsideLoops | undefined;
}

/** The sizes for which a kernel outside of all loops is made. */
export interface OutsideLoops {
  /** The dimension that decides between kernels; undefined if there is one kernel for all sizes. */
  readonly dim: Dim | undefined;
  /** The size of that dimension for which tiles are chosen. */
  readonly typical: number;
  /** Its largest size in this kernel; undefined if it has no bound. */
  readonly atMost: number | undefined;
  /** Stages of products that share the device with this one. */
  readonly together: number;
}

/** Number of lanes that each load one row and broadcast it to the others. */
export const sharingLanes = 4;

/**
 * Whether the lanes of a subgroup share their loads of a tile's rows. All of them work on the same rows, so each loads
 * one row in `sharingLanes` and broadcasts it: on a software adapter, where a load costs as much as many
 * multiplications, loads are the most expensive part of a product. Hardware has caches for it. This assumes that
 * neighbouring lanes of a workgroup are neighbours in their subgroup, which WebGPU does not guarantee: the comparison
 * with the interpreter would fail if they were not.
 */
export function sharesRows(tile: Tile, columnStride: Dim, { target, subgroupSize }: TileOptions): boolean {
  const isStatic = typeof columnStride === "number" && columnStride % sharingLanes === 0;
  return target === "software" && subgroupSize === sharingLanes && tile.rows % sharingLanes === 0 && isStatic;
}

/** Number of accumulators that an invocation can hold before they spill. */
const accumulators: Record<Target, number> = { gpu: 16, software: 64, cpu: 8 };
/** On a CPU a column is a vector. */
const preferred: Record<Target, Tile> = {
  gpu: { rows: 4, columns: 4 },
  software: { rows: 8, columns: 8 },
  cpu: { rows: 4, columns: 2 },
};
/** Minimum number of invocations along the columns, so that neighbours still read neighbouring memory. */
const minimumLanes: Record<Target, number> = { gpu: 8, software: 8, cpu: vectorLanes };

/** Number of invocations that fill the device: a product of known size is spread over these before tiles grow. */
const fullDevice: Record<Target, number> = { gpu: 16384, software: 256, cpu: 256 };

/** Maximum number of elements per tile at which a product of known size still fills the device. */
export function spreadOver(positions: Dim, { target }: TileOptions): number {
  return typeof positions === "number" ? Math.max(1, positions / fullDevice[target]) : Number.POSITIVE_INFINITY;
}

/**
 * The tile for `products` products of shape [.., rows, columns] that one invocation computes together; `most` bounds
 * the elements of one tile, unless a tuning overrides it.
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
  // On a CPU, few rows give too few independent sums: more columns make up for it.
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

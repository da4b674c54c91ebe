/**
 * @file How a product is cut into blocks: a model of what a kernel costs chooses the block of a workgroup, how many of
 * its lanes share a tile's depth, and into how many chunks workgroups cut the depth. All of it is a pure function of
 * sizes and of the registers of the target.
 *
 * A workgroup has 64 lanes: `rowLanes` x `columnLanes` tiles, and `slices` lanes to each tile, which take turns along the
 * depth. A lane's tile is always as large as its registers allow, since every number that it reads from workgroup memory
 * serves a whole row or column of it: small blocks have fewer tiles and more slices.
 *
 *   tile     block, with the lanes to a tile
 *   8 x 8    64 x 64 (1)   64 x 32 (2)   32 x 64 (2)   32 x 32 (4)   64 x 16 (4)   16 x 64 (4)
 *   4 x 4    32 x 32 (1)   32 x 16 (2)   16 x 32 (2)   16 x 16 (4)
 */
import { type Dim, sizeOf } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import type { OutsideLoops, TileOptions } from "../stages/tiles.ts";

export interface BlockShape {
  /** Rows and columns of a lane's tile, multiples of 4. */
  readonly rows: number;
  readonly columns: number;
  readonly rowLanes: number;
  readonly columnLanes: number;
  /** Lanes that share a tile's depth, a power of two. */
  readonly slices: number;
  /** Steps along the depth that each slice does between two barriers. */
  readonly steps: number;
}

export interface BlockPlan {
  readonly shape: BlockShape;
  /** Chunks of the depth, whose sums another kernel adds up; undefined if a workgroup goes along the whole depth. */
  readonly chunks: number | undefined;
}

/** Lanes of a workgroup. */
export const blockLanes = 64;

/** Shapes with one name are equal. */
export function shapeName({ rows, columns, rowLanes, columnLanes, slices, steps }: BlockShape): string {
  return `${rows} ${columns} ${rowLanes} ${columnLanes} ${slices} ${steps}`;
}

/** Rows and columns of the block of a workgroup, and the depth between two barriers. */
export const rowsOf = ({ rows, rowLanes }: BlockShape): number => rows * rowLanes;
export const columnsOf = ({ columns, columnLanes }: BlockShape): number => columns * columnLanes;
export const depthOf = ({ slices, steps }: BlockShape): number => slices * steps;

/** Products whose results are used together. */
export interface ProductSizes {
  readonly batch: readonly Dim[];
  readonly m: Dim;
  readonly n: Dim;
  readonly depth: Dim;
  /** Sums of a lane's tile, products that add to them, and left operands, which are gone through one after another. */
  readonly accumulators: number;
  readonly products: number;
  readonly phases: number;
}

/** Registers that a tile of 8 x 8 takes: its sums, two steps of operands, a block on its way. */
const largeTile = 64 + 2 * 16 + 16;

/** Registers of an invocation that any GPU has for values. */
const fewRegisters = 32;

/**
 * Terms that are added up one after another in one register at most; longer sums are added up in parts (long-sums.ts).
 */
export const mostTerms = 512;

/** Bytes of partial sums that one value may have. */
const mostBytes = 32 * 2 ** 20;

/**
 * What the model counts, in cycles of a GPU whose units run 32 lanes at a time. `units` is how many workgroups of 64
 * lanes run side by side: 160 units of 32 lanes have an AMD Navi 21 (40 x 4) and about an NVIDIA AD104 (46 x 4, two to a
 * workgroup); fewer devices have more.
 */
const device = {
  units: 160,
  /** An instruction of 64 lanes. */
  instruction: 2,
  /** From the start of a workgroup to its first product, and from its last to the end: loads and stores that wait. */
  start: 2000,
  /** A load of the kernel that adds up chunks. */
  load: 40,
};

/** What one more dispatch costs. */
export const dispatchCycles = 4500;

/** The sizes for which a product outside of loops is planned if nothing is known of them. */
const unknownSize = 4096;

/** A plan and what the model expects of it. */
export interface Candidate {
  readonly plan: BlockPlan;
  readonly cycles: number;
}

/** The candidate whose cost is least. */
export function cheapest(candidates: readonly Candidate[]): Candidate {
  return candidates.reduce((best, each) => (each.cycles < best.cycles ? each : best));
}

/** The plans that are possible, in a fixed order. */
export function candidatesFor(sizes: ProductSizes, tiles: TileOptions): readonly Candidate[] {
  const { outside } = tiles;
  const size = (dim: Dim): number => {
    if (typeof dim === "number") return dim;
    return dim === outside?.dim ? outside.typical : unknownSize;
  };
  const [rows, columns, depth] = [size(sizes.m), size(sizes.n), size(sizes.depth)];
  const matrices = size(sizeOf(sizes.batch));
  const blocks = (shape: BlockShape) =>
    Math.ceil(rows / rowsOf(shape)) * Math.ceil(columns / columnsOf(shape)) * matrices;
  const cost = (shape: BlockShape, groups: number, steps: number, products: number) => {
    const rounds = Math.max(1, (groups * (outside?.together ?? 1)) / device.units);
    return device.start + cyclesPerStep(shape, products) * steps * rounds;
  };

  const whole = shapesFor(sizes.accumulators, tiles).map((shape): Candidate => {
    const steps = Math.ceil(depth / shape.slices) * sizes.phases;
    const products = sizes.products / sizes.phases;
    return { plan: { shape, chunks: undefined }, cycles: cost(shape, blocks(shape), steps, products) };
  });
  const most = mostChunks(sizes, tiles);
  const counts = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64].filter((chunks) => chunks <= most);
  const cut = shapesFor(1, tiles).flatMap((shape) =>
    counts.map((chunks): Candidate => {
      const steps = Math.ceil(depth / (chunks * shape.slices));
      const groups = blocks(shape) * sizes.products * chunks;
      const sum = dispatchCycles + device.start + device.load * chunks * sizes.products;
      return { plan: { shape, chunks }, cycles: cost(shape, groups, steps, 1) + sum };
    }),
  );
  // The sums of a long depth need registers of their own, unless they wait in memory.
  const isLong = cut.length > 0 && depth > mostTerms;
  return isLong ? cut : [...whole, ...cut];
}

/** Into how many chunks the depth can be cut: none in a loop, nor where the partial sums have no fixed size. */
function mostChunks({ batch, m, n, products }: ProductSizes, { outside }: TileOptions): number {
  const results = sizeOf([...batch, boundOf(m, outside), n]);
  if (outside === undefined || typeof results !== "number") return 0;
  return Math.floor(mostBytes / (4 * Math.max(1, results) * products));
}

/** The most rows that a kernel outside of loops is made for: a number where it is known. */
export function boundOf(dim: Dim, outside: TileOptions["outside"]): Dim {
  return outside?.atMost !== undefined && dim === outside.dim ? outside.atMost : dim;
}

/** Cycles of a lane for a step along the depth of some products of one left operand. */
function cyclesPerStep(shape: BlockShape, products: number): number {
  const multiplied = shape.rows * shape.columns * products;
  const read = (shape.rows + shape.columns * products) / 4;
  const fetched = ((rowsOf(shape) + columnsOf(shape) * products) * shape.slices) / blockLanes;
  return device.instruction * (multiplied + read + fetched + 1);
}

/** The shapes for tiles with some accumulators, largest blocks first. */
export function shapesFor(accumulators: number, { laneRegisters = fewRegisters }: TileOptions): readonly BlockShape[] {
  const isLarge = laneRegisters >= largeTile;
  if (accumulators > 1) {
    const tile = { rows: isLarge && accumulators === 2 ? 8 : 4, columns: 4 };
    return [{ ...tile, rowLanes: 8, columnLanes: 8, slices: 1, steps: 8 }];
  }
  const side = isLarge ? 8 : 4;
  const lanes: readonly (readonly [rowLanes: number, columnLanes: number])[] = [
    [8, 8],
    [8, 4],
    [4, 8],
    [4, 4],
    ...(isLarge
      ? ([
          [8, 2],
          [2, 8],
        ] as const)
      : []),
  ];
  return lanes.map(([rowLanes, columnLanes]) => {
    const slices = blockLanes / (rowLanes * columnLanes);
    // As long as loads take, and no longer than workgroup memory allows.
    const depth = isLarge ? (slices === 4 ? 16 : 8) : 16;
    return { rows: side, columns: side, rowLanes, columnLanes, slices, steps: depth / slices };
  });
}

/** Sizes at which other plans may be best: each kernel is made for sizes up to one of them, the last for all others. */
export const sizeBounds: readonly number[] = [256, 1024, 4096];

/** The sizes for which kernels are made, in ascending order. */
export function sizesOf(dim: Dim): readonly Omit<OutsideLoops, "together">[] {
  const bounded = sizeBounds.map((atMost) => ({ dim, typical: atMost, atMost }));
  return [...bounded, { dim, typical: 4 * at(sizeBounds, sizeBounds.length - 1), atMost: undefined }];
}

/** @file Builds the kernel of one stage and says how many workgroups it takes. */
import { addDims, type Dim, mulDims, sizeOf } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import { type NodeId, nodeAt } from "../../graph/graph.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import type { Expr } from "../../kernel/ir.ts";
import type { Lowering } from "../lowering.ts";
import type { Grid, GridPart, Location, Work } from "../program.ts";
import type { Stage } from "../stages/stages.ts";
import { chooseTile, sharesRows, sharingLanes, spreadOver, type Tile, type TileOptions } from "../stages/tiles.ts";
import { blockGrid, emitBlocks, usesBlocks } from "./blocks.ts";
import { flatPosition, type Position } from "./loops.ts";
import { PlacedBuilder } from "./placed-builder.ts";
import { emitScatterByColumn, emitScatterByElement } from "./scatter.ts";
import { emitPositions, emitTree, type Owned, type StoreRoot, treeLanes } from "./stage.ts";
import { Emitter, type Region } from "./values.ts";

const lanes = 64;

export interface KernelHooks {
  /** Writes what stands before everything else, such as which step of a loop this is. */
  readonly begin: (emitter: Emitter) => void;
  /** Puts a root's value where it belongs, or adds it to what is there. */
  readonly store: (emitter: Emitter, id: NodeId, index: readonly Index[], value: Expr, how: "set" | "add") => void;
  /** Scratch memory of a length, until the kernel has run. */
  readonly scratch: (size: Dim) => Location;
  /** How much the stages have to do. */
  readonly work: Work;
}

/**
 * Builds one kernel for stages that do not depend on each other. Several share a dispatch: each has its range of
 * workgroups and a function of its own.
 */
export function buildKernel(
  lowering: Lowering,
  region: Region,
  stages: readonly Stage[],
  hooks: KernelHooks,
): { kernel: number; grid: Grid } {
  const writer = new PlacedBuilder(lowering.buffers(), lowering.tiles.tuning);
  const tree = stages.some(({ form }) => form === "tree");
  const workgroupSize = tree ? treeLanes : lanes;
  const { tiles } = lowering;
  const grid = stages.map((stage) => gridOf(region, stage, tiles));
  const ids = stages.flatMap((stage) => [...stage.loops, ...stage.roots]);
  for (const [i, part] of grid.entries())
    writer.part(part, () => writeStage(writer, region, at(stages, i), hooks, tiles));
  return { kernel: finishKernel(lowering, writer, region, ids, workgroupSize, hooks.work), grid };
}

/** A value that is written to a place as it is. */
export interface Handover {
  readonly id: NodeId;
  readonly to: Location;
}

/** Builds the kernel that writes values of a region, known before it runs, to other places; `scan` is what it is for. */
export function buildHandover(
  lowering: Lowering,
  region: Region,
  scan: NodeId,
  values: readonly Handover[],
): { kernel: number; grid: Grid } {
  const writer = new PlacedBuilder(lowering.buffers(), lowering.tiles.tuning);
  const avalOf = (id: NodeId) => nodeAt(region.graph, id).aval;
  const grid = values.map(({ id }): GridPart => ({ ...oneByOne, rows: [sizeOf(avalOf(id).shape)] }));
  for (const [i, part] of grid.entries())
    writer.part(part, () => {
      const { id, to } = at(values, i);
      const position = ownedPosition(writer, "position", sizeOf(avalOf(id).shape));
      writer.storeValue(to, position, new Emitter(writer, { region, ids: [] }).valueAt(region, id, position));
    });
  const work = { flops: [], bytes: addDims(values.map(({ id }) => mulDims(8, sizeOf(avalOf(id).shape)))) };
  return { kernel: finishKernel(lowering, writer, region, [scan], lanes, work), grid };
}

/** One invocation to each element. */
const oneByOne = { rowsPer: 1, columns: [1], lanes };

function gridOf(region: Region, stage: Stage, options: TileOptions): GridPart {
  const { form } = stage;
  if (form === "tree") return { ...oneByOne, rows: [stage.size], lanes: 1 };
  if (form === "scatter") return { ...oneByOne, rows: [scatterOwners(region, stage, options)] };
  if (form === "element") return { ...oneByOne, rows: [stage.size] };
  if (usesBlocks(region, stage, options)) return blockGrid(region, stage);
  const { batch, m, n, tile } = tileOf(region, stage, options);
  return { rows: [m], rowsPer: tile.rows, columns: [mulDims(sizeOf(batch), strideOf(n, tile))], lanes };
}

/** The product whose shape a tile stage follows, and the tile. */
function tileOf(region: Region, stage: Stage, options: TileOptions) {
  const products = stage.loops.filter((id) => nodeAt(region.graph, id).op === "dot");
  const { shape } = nodeAt(region.graph, at(products, 0)).aval;
  const [m, n] = [at(shape, shape.length - 2), at(shape, shape.length - 1)];
  return {
    shape,
    batch: shape.slice(0, -2),
    m,
    n,
    tile: chooseTile(m, n, stage.accumulators.length, options, spreadOver(stage.size, options)),
  };
}

/** Distance between the columns of a tile: neighbouring invocations own neighbouring columns. */
function strideOf(columns: Dim, tile: Tile): Dim {
  return typeof columns === "number" ? columns / tile.columns : columns;
}

function writeStage(
  writer: PlacedBuilder,
  region: Region,
  stage: Stage,
  hooks: KernelHooks,
  options: TileOptions,
): void {
  const emitter = new Emitter(writer, { region, ids: stage.roots });
  const { form } = stage;
  hooks.begin(emitter);
  const store: StoreRoot = (id, index, value, how = "set") => hooks.store(emitter, id, index, value, how);
  if (form === "tree") {
    emitTree(emitter, region, stage, flatPosition(emitter, writer.index.of(writer.group, stage.size)), store);
  } else if (usesBlocks(region, stage, options)) {
    emitBlocks(emitter, region, stage, store);
  } else if (form === "tile") {
    emitPositions(emitter, region, stage, ownedTile(emitter, region, stage, options), store);
  } else {
    const position = ownedPosition(
      writer,
      "position",
      form === "scatter" ? scatterOwners(region, stage, options) : stage.size,
    );
    if (form === "scatter") {
      if (scattersByElement(region, stage, options)) emitScatterByElement(emitter, region, stage, position, store);
      else emitScatterByColumn(emitter, region, stage, position, store, hooks.scratch);
    } else emitPositions(emitter, region, stage, { positions: [flatPosition(emitter, position)] }, store);
  }
}

/** The invocation's number among `count` of them; those beyond leave. */
function ownedPosition(writer: PlacedBuilder, name: string, count: Dim): Index {
  const position = writer.let(name, invocation(writer));
  writer.leaveIf(writer.lessEqual(writer.size(count), position));
  return writer.index.of(position, count);
}

/** The invocation's number in its part. */
function invocation(writer: PlacedBuilder): Expr {
  return writer.add(writer.mul(writer.group, writer.u32(lanes)), writer.lane);
}

/** The positions of one register tile: some neighbouring rows, and columns at a stride. */
function ownedTile(emitter: Emitter, region: Region, stage: Stage, options: TileOptions): Owned {
  const { writer } = emitter;
  const { index } = writer;
  const number = (value: number) => writer.u32(value);
  const { shape, batch, m, n, tile } = tileOf(region, stage, options);
  const stride = strideOf(n, tile);
  const rowCount = writer.size(m);
  const lastRow = writer.sub(rowCount, number(1));
  const sharing = sharesRows(tile, stride, options);
  const perRow = writer.size(stride);
  const blockCount = writer.div(writer.add(rowCount, number(tile.rows - 1)), number(tile.rows));
  const blocks = writer.let("blocks", tile.rows === 1 ? rowCount : blockCount);
  const tiles = writer.mul(blocks, writer.size(mulDims(sizeOf(batch), stride)));
  // Lanes that share must all be there: those beyond the last tile do it again and store nothing.
  const isOwned = sharing ? writer.let("isOwned", writer.less(invocation(writer), tiles)) : undefined;
  const own = sharing ? writer.min(invocation(writer), writer.sub(tiles, number(1))) : invocation(writer);
  const number0 = writer.let("tile", own);
  if (!sharing) writer.leaveIf(writer.lessEqual(tiles, number0));
  const column0 = writer.let("column0", writer.rem(number0, perRow));
  const tileRow = writer.let("tileRow", writer.div(number0, perRow));
  const blockRow = batch.length === 0 ? tileRow : writer.rem(tileRow, blocks);
  const row0 = writer.let("row0", writer.mul(blockRow, number(tile.rows)));
  const outer = batch.length === 0 ? [] : emitter.indexAt(index.of(writer.div(tileRow, blocks), sizeOf(batch)), batch);
  const isWhole = typeof m === "number" && m % tile.rows === 0;
  const counted = (count: number) => Array.from({ length: count }, (_, i) => i);
  const rows = counted(tile.rows).map((r) => {
    if (r === 0) return row0;
    const row = writer.add(row0, number(r));
    // Rows beyond the last read the last one again; they are not stored.
    return writer.let(`row${r}`, isWhole ? row : writer.min(row, lastRow));
  });
  const columns = counted(tile.columns).map((c) =>
    c === 0 ? column0 : writer.let(`column${c}`, writer.add(column0, number(c * Number(stride)))),
  );
  const positionOf = (row: Expr, column: Expr) =>
    flatPosition(emitter, emitter.positionOf([...outer, index.of(row, m), index.of(column, n)], shape));
  const loaders = counted(sharing ? tile.rows / sharingLanes : 0).map((i) => {
    const shared = writer.bitAnd(writer.lane, number(sharingLanes - 1));
    const row = writer.add(writer.add(row0, number(i * sharingLanes)), shared);
    return writer.let(`rowLoaded${i}`, writer.min(row, lastRow));
  });
  const positions = rows.flatMap((row, r) =>
    columns.map((column): Position => {
      const loader = loaders[Math.floor(r / sharingLanes)];
      const shared = loader && { loads: positionOf(loader, column), lane: r % sharingLanes, columns };
      return { ...positionOf(row, column), shared };
    }),
  );
  if (positions.length === 1) return { positions };
  const axis = { extent: positions.length, role: "tile" } as const;
  const loop = { axis, name: "p", first: number(0), end: number(positions.length), step: number(1) };
  const walk: Owned["walk"] = (body) => {
    const each = () =>
      writer.for(loop, (p) => {
        const [high, low] = [writer.div(p, number(tile.columns)), writer.rem(p, number(tile.columns))];
        const row = writer.let("row", writer.add(row0, high));
        const column = writer.let("column", writer.add(column0, writer.mul(low, perRow)));
        const inside = () => body(positionOf(row, column), p);
        if (isWhole) inside();
        else writer.if(writer.less(row, rowCount), inside);
      });
    if (isOwned === undefined) each();
    else writer.if(isOwned, each);
  };
  return { positions, walk };
}

/** Rows up to which every element of a scatter's result looks at every index. */
const mostRowsByElement = 1024;

function scattersByElement(region: Region, stage: Stage, { target }: TileOptions): boolean {
  const [rows] = nodeAt(region.graph, at(stage.loops, 0)).aval.shape;
  return target === "gpu" && typeof rows === "number" && rows <= mostRowsByElement;
}

/** Invocations that a scatter takes: one for each element of its result, or one for each column. */
function scatterOwners(region: Region, stage: Stage, options: TileOptions): Dim {
  if (scattersByElement(region, stage, options)) return stage.size;
  return sizeOf(nodeAt(region.graph, at(stage.loops, 0)).aval.shape.slice(1));
}

/** Puts the kernel into the list; gives its position there. */
export function finishKernel(
  lowering: Lowering,
  writer: PlacedBuilder,
  region: Region,
  ids: readonly NodeId[],
  workgroupSize: number,
  work: Work,
): number {
  const ops = ids.map((id) => nodeAt(region.graph, id).op);
  const sites = [...new Set(ids.map((id) => region.graph.sites[id]).filter((site) => site !== undefined))];
  const number = lowering.kernels.length;
  const name = `k${number}_${kernelWord(region, ids)}`;
  const label = `${region.graph.name}: ${[...new Set(ops)].join(", ")}`;
  lowering.kernels.push({ name, label, sites, work, code: writer.finish(workgroupSize) });
  return number;
}

/** A word for the kernel's name: its most telling op. */
function kernelWord(region: Region, ids: readonly NodeId[]): string {
  const ops = ids.map((id) => nodeAt(region.graph, id).op);
  return ops.find((op) => op === "dot" || op === "scatterAdd" || op === "sum" || op === "reduceMax") ?? "map";
}

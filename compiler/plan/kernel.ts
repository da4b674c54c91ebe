/** @file Builds the kernel of one stage and says how many workgroups it takes. */
import { kernelText } from "../../shaders/kernel.ts";
import { addDims, type Dim, mulDims, sizeOf } from "../graph/dim.ts";
import { at } from "../graph/errors.ts";
import { type NodeId, nodeAt } from "../graph/graph.ts";
import { blockGrid, emitBlocks, usesBlocks } from "./emit-blocks.ts";
import { flatPosition, type Position } from "./emit-loops.ts";
import { emitScatterByColumn, emitScatterByElement } from "./emit-scatter.ts";
import { emitPositions, emitTree, type Owned, type StoreRoot, treeLanes } from "./emit-stage.ts";
import { Emitter, type Region } from "./emit-values.ts";
import type { Index } from "./index-expression.ts";
import { KernelWriter } from "./kernel-writer.ts";
import type { Lowering } from "./lower.ts";
import type { BufferSpec, Grid, GridPart, Kernel, Location, Work } from "./program.ts";
import type { Stage } from "./stages.ts";
import { chooseTile, sharesRows, sharingLanes, spreadOver, type Tile, type TileOptions } from "./tiles.ts";

const lanes = 64;

export interface KernelHooks {
  /** Writes what stands before everything else, such as which step of a loop this is. */
  readonly begin: (emitter: Emitter) => void;
  /** Puts a root's value where it belongs, or adds it to what is there. */
  readonly store: (emitter: Emitter, id: NodeId, index: readonly Index[], value: string, how: "=" | "+=") => void;
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
  const writer = new KernelWriter(lowering.buffers(), lowering.tiles.tuning);
  const tree = stages.some(({ form }) => form === "tree");
  const workgroupSize = tree ? treeLanes : lanes;
  const { tiles } = lowering;
  const grid = stages.map((stage) => gridOf(region, stage, tiles));
  const ids = stages.flatMap((stage) => [...stage.loops, ...stage.roots]);
  writeParts(writer, grid, (i) => writeStage(writer, region, at(stages, i), hooks, tiles));
  return { kernel: finishKernel(lowering, writer, region, ids, workgroupSize, hooks.work), grid };
}

/** Writes the parts of a kernel, each with its range of workgroups; one alone is the kernel's body. */
function writeParts(writer: KernelWriter, grid: Grid, write: (part: number) => void): void {
  if (grid.length === 1) {
    write(0);
    return;
  }
  const starts: string[] = ["0u"];
  for (const [i, part] of grid.entries()) {
    writer.function(`fn part${i}(group: u32, lane: u32)`, () => write(i));
    writer.line(`let end${i} = ${at(starts, i)} + ${workgroupsText(writer, part)};`);
    starts.push(`end${i}`);
    const inside = i === 0 ? `group < end0` : `group >= ${at(starts, i)} && group < end${i}`;
    writer.block(`if (${inside})`, () => writer.line(`part${i}(group - ${at(starts, i)}, lane);`));
  }
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
  const writer = new KernelWriter(lowering.buffers(), lowering.tiles.tuning);
  const avalOf = (id: NodeId) => nodeAt(region.graph, id).aval;
  const grid = values.map(({ id }): GridPart => ({ ...oneByOne, rows: [sizeOf(avalOf(id).shape)] }));
  writeParts(writer, grid, (i) => {
    const { id, to } = at(values, i);
    const { dtype, shape } = avalOf(id);
    const emitter = new Emitter(writer, { region, ids: [] });
    const position = ownedPosition(writer, "position", sizeOf(shape));
    writer.store(to, position, dtype, emitter.valueAt(region, id, position).text);
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

/** How many workgroups a part takes, as WGSL. */
function workgroupsText(writer: KernelWriter, { rows, rowsPer, columns, lanes }: GridPart): string {
  const text = (size: readonly Dim[]) => writer.index.dim(at(size, 0)).text;
  const blocks = rowsPer === 1 ? text(rows) : `((${text(rows)} + ${rowsPer - 1}u) / ${rowsPer}u)`;
  return `(${blocks} * ${text(columns)} + ${lanes - 1}u) / ${lanes}u`;
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
  writer: KernelWriter,
  region: Region,
  stage: Stage,
  hooks: KernelHooks,
  options: TileOptions,
): void {
  const emitter = new Emitter(writer, { region, ids: stage.roots });
  const { form } = stage;
  hooks.begin(emitter);
  const store: StoreRoot = (id, index, value, how = "=") => hooks.store(emitter, id, index, value, how);
  if (form === "tree") {
    emitTree(emitter, region, stage, flatPosition(emitter, writer.index.variable("group", 0, stage.size)), store);
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
function ownedPosition(writer: KernelWriter, name: string, count: Dim): Index {
  writer.line(`let ${name} = group * ${lanes}u + lane;`);
  writer.block(`if (${name} >= ${writer.index.dim(count).text})`, () => writer.line("return;"));
  return writer.index.variable(name, 0, count);
}

/** The positions of one register tile: some neighbouring rows, and columns at a stride. */
function ownedTile(emitter: Emitter, region: Region, stage: Stage, options: TileOptions): Owned {
  const { writer } = emitter;
  const { index } = writer;
  const { shape, batch, m, n, tile } = tileOf(region, stage, options);
  const stride = strideOf(n, tile);
  const rowCount = index.dim(m).text;
  const sharing = sharesRows(tile, stride, options);
  const tiles = `blocks * ${index.dim(mulDims(sizeOf(batch), stride)).text}`;
  writer.line(`let blocks = ${tile.rows === 1 ? rowCount : `(${rowCount} + ${tile.rows - 1}u) / ${tile.rows}u`};`);
  if (sharing) {
    // Lanes that share must all be there: those beyond the last tile do it again and store nothing.
    writer.line(`let isOwned = group * ${lanes}u + lane < ${tiles};`);
    writer.line(`let tile = min(group * ${lanes}u + lane, ${tiles} - 1u);`);
  } else {
    writer.line(`let tile = group * ${lanes}u + lane;`);
    writer.block(`if (tile >= ${tiles})`, () => writer.line("return;"));
  }
  writer.line(`let column0 = tile % ${index.dim(stride).text};`);
  writer.line(`let tileRow = tile / ${index.dim(stride).text};`);
  writer.line(`let row0 = ${batch.length === 0 ? "tileRow" : "(tileRow % blocks)"} * ${tile.rows}u;`);
  const outer =
    batch.length === 0 ? [] : emitter.indexAt(index.variable("(tileRow / blocks)", 0, sizeOf(batch)), batch);
  const isWhole = typeof m === "number" && m % tile.rows === 0;
  const counted = (count: number) => Array.from({ length: count }, (_, i) => i);
  const rows = counted(tile.rows).map((r) => {
    // Rows beyond the last read the last one again; they are not stored.
    if (r > 0) writer.line(`let row${r} = ${isWhole ? `row0 + ${r}u` : `min(row0 + ${r}u, ${rowCount} - 1u)`};`);
    return index.variable(`row${r}`, 0, m);
  });
  const columns = counted(tile.columns).map((c) => {
    if (c > 0) writer.line(`let column${c} = column0 + ${c * Number(stride)}u;`);
    return index.variable(`column${c}`, 0, n);
  });
  const positionOf = (row: Index, column: Index) =>
    flatPosition(emitter, emitter.positionOf([...outer, row, column], shape));
  const loaders = counted(sharing ? tile.rows / sharingLanes : 0).map((i) => {
    writer.line(
      `let rowLoaded${i} = min(row0 + ${i * sharingLanes}u + (lane & ${sharingLanes - 1}u), ${rowCount} - 1u);`,
    );
    return index.variable(`rowLoaded${i}`, 0, m);
  });
  const positions = rows.flatMap((row, r) =>
    columns.map((column): Position => {
      const loader = loaders[Math.floor(r / sharingLanes)];
      const shared = loader && { loads: positionOf(loader, column), lane: r % sharingLanes };
      return { ...positionOf(row, column), shared };
    }),
  );
  const walk: Owned["walk"] = (body) => {
    writer.block(`for (var p: u32 = 0u; ${sharing ? "isOwned && " : ""}p < ${positions.length}u; p++)`, () => {
      writer.line(`let row = row0 + p / ${tile.columns}u;`);
      writer.line(`let column = column0 + (p % ${tile.columns}u) * ${index.dim(stride).text};`);
      if (!isWhole) writer.block(`if (row >= ${rowCount})`, () => writer.line("break;"));
      body(positionOf(index.variable("row", writer.depth, m), index.variable("column", writer.depth, n)), "p");
    });
  };
  return positions.length === 1 ? { positions } : { positions, walk };
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

/** Assembles the text and puts the kernel into the list; gives its position there. */
export function finishKernel(
  lowering: Lowering,
  writer: KernelWriter,
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
  const storage = writer.bindings.map(({ buffer, access }) => {
    const spec: BufferSpec = at(lowering.buffers(), buffer);
    return { name: spec.name, element: spec.element, access };
  });
  const kernel: Kernel = {
    name,
    label,
    site: sites[0],
    workgroupSize,
    bindings: writer.bindings,
    uniforms: writer.uniforms,
    loops: writer.loops,
    chunked: writer.isChunked,
    workgroupBytes: writer.workgroupBytes,
    work,
    wgsl: kernelText({
      about: [oneLine(`${name} computes ${label}`), ...sites.slice(0, 4).map((site) => oneLine(`  from ${site}`))],
      workgroupSize,
      uniformNames: writer.uniforms.map((field) => field.name),
      loops: writer.loops,
      chunked: writer.isChunked,
      storage,
      declarations: writer.declarations,
      functions: writer.functions,
      body: writer.body,
    }),
  };
  lowering.kernels.push(kernel);
  return number;
}

/** A word for the kernel's name: its most telling op. */
function kernelWord(region: Region, ids: readonly NodeId[]): string {
  const ops = ids.map((id) => nodeAt(region.graph, id).op);
  return ops.find((op) => op === "dot" || op === "scatterAdd" || op === "sum" || op === "reduceMax") ?? "map";
}

/** Names come from users; in a comment they must not end the line. */
function oneLine(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?").slice(0, 200);
}

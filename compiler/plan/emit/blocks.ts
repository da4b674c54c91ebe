/**
 * @file Products through workgroup memory. The lanes of a workgroup fetch a block of both operands together, as vectors
 * of four elements, and each lane computes its own 4 x 4 tile from them: an element that is fetched once serves 32 rows
 * or columns. Operands are read in place, transposed or not, fused with the elementwise values that produce them; the
 * code after the products is written once and walks over the tile.
 *
 *   block of the result: 32 x 32, computed by 8 x 8 lanes, 4 x 4 each      depth of a block: 16
 *
 * Blocks pay off on devices with many lanes and for products with many rows and a long depth; small products are spread
 * over the device instead (tiles.ts).
 */
import { type Dim, dimFactors, mulDims, sameShape, sizeOf } from "../../graph/dim.ts";
import { at, InternalError } from "../../graph/errors.ts";
import { type Node, type NodeId, nodeAt } from "../../graph/graph.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import type { Expr, LocalArray, Variable } from "../../kernel/ir.ts";
import type { GridPart } from "../program.ts";
import type { Accumulator } from "../stages/accumulators.ts";
import { loopExtentsOf } from "../stages/loops.ts";
import type { Emission, Form, FormContext } from "./form.ts";
import { overBlocks, RunningSums } from "./long-sums.ts";
import { flatPosition } from "./loops.ts";
import type { PlacedBuilder } from "./placed-builder.ts";
import { storeWalking } from "./stage.ts";
import type { Emitter, Region } from "./values.ts";

type DotNode = Extract<Node, { readonly op: "dot" }>;

const tile = 4;
const lanesPerSide = 8;
const side = lanesPerSide * tile;
const blockDepth = 16;
const lanes = lanesPerSide * lanesPerSide;
/** Number of vectors in one block of an operand. */
const cells = (side / tile) * blockDepth;
/**
 * Maximum number of 4 x 4 accumulators of a lane, and of right operands that fit in 16 KB of workgroup memory next to
 * the left one.
 */
const mostProducts = 4;
/** Number of rows from which a product of known size fills enough blocks. */
const manyRows = 64;

export const blocks: Form = { matches: usesBlocks, grid: blockGrid, lanes: () => lanes, emit: emitBlocks };

/** Whether the products of a stage are computed in blocks: a pure function of shapes and target. */
function usesBlocks({ region, stage, tiles: { target, maxRows, tuning } }: FormContext): boolean {
  if (target !== "gpu" || tuning?.workgroupTiles === false) return false;
  const nodes = stage.loops.map((id) => nodeAt(region.graph, id));
  const [first] = nodes;
  if (first === undefined || !nodes.every(({ op, aval }) => op === "dot" && sameShape(aval.shape, first.aval.shape)))
    return false;
  const depths = stage.loops.map((id) => at(loopExtentsOf(region, id), 0));
  const { m, n } = matrixOf(first);
  const isLong = (dim: Dim | undefined, least: number) => typeof dim !== "number" || dim >= least;
  return (
    depths.every((depth) => depth === depths[0]) &&
    isLong(depths[0], 2 * blockDepth) &&
    (typeof m === "number" ? m >= manyRows : dimFactors(m).length > 1 && isLong(maxRows, side)) &&
    typeof n === "number" &&
    n >= side &&
    stage.accumulators.length <= mostProducts
  );
}

/** One workgroup to a block of the result. */
function blockGrid({ region, stage }: FormContext): GridPart {
  const { batch, m, n } = matrixOf(nodeAt(region.graph, at(stage.loops, 0)));
  return { rows: [m], rowsPer: side, columns: [mulDims(sizeOf(batch), columnBlocks(n))], lanes: 1 };
}

function matrixOf({ aval: { shape } }: Node) {
  return { shape, batch: shape.slice(0, -2), m: at(shape, shape.length - 2), n: at(shape, shape.length - 1) };
}

function columnBlocks(n: Dim): number {
  return Math.ceil(Number(n) / side);
}

function emitBlocks({ emitter, region, stage, store }: Emission): void {
  const { writer } = emitter;
  const { index, group, lane } = writer;
  const { shape, batch, m, n } = matrixOf(nodeAt(region.graph, at(stage.loops, 0)));
  const number = (value: number) => writer.u32(value);
  const rowCount = writer.size(m);
  const rowBlocks = writer.let("rowBlocks", writer.div(writer.add(rowCount, number(side - 1)), number(side)));
  const perRow = number(columnBlocks(n));
  const blockCount = writer.mul(writer.mul(perRow, rowBlocks), writer.size(sizeOf(batch)));
  // A large dispatch has workgroups beyond the last.
  writer.leaveIf(writer.lessEqual(blockCount, group));
  const column0 = writer.let("column0", writer.mul(writer.rem(group, perRow), number(side)));
  const row0 = writer.let("row0", writer.mul(writer.rem(writer.div(group, perRow), rowBlocks), number(side)));
  const laneRow = writer.let("laneRow", writer.div(lane, number(lanesPerSide)));
  const laneColumn = writer.let("laneColumn", writer.rem(lane, number(lanesPerSide)));
  const matrix = index.of(writer.div(group, writer.mul(perRow, rowBlocks)), sizeOf(batch));
  const outer = batch.length === 0 ? [] : emitter.indexAt(matrix, batch);
  const sums = stage.accumulators.map((accumulator) => ({
    ...accumulator,
    rows: Array.from({ length: tile }, () => startRow(writer)),
  }));
  const arrays: LocalArray[] = [];
  const arrayAt = (i: number): LocalArray => {
    arrays[i] ??= writer.sharedArray("f32x4", cells);
    return arrays[i];
  };
  const block: Block = { outer, m, n, row0, column0, laneRow, laneColumn, arrayAt };
  for (const phase of phasesOf(region, sums)) writePhase(emitter, region, phase, block);

  const kept = sums.map(({ result, rows }) => ({
    id: result,
    registers: rows.flatMap((row) => Array.from({ length: tile }, (_, i) => writer.component(row, i))),
  }));
  const axis = { extent: tile * tile, role: "tile" } as const;
  const loop = { axis, name: "p", first: number(0), end: number(tile * tile), step: number(1) };
  storeWalking(emitter, region, stage, kept, store, (body) => {
    writer.for(loop, (p) => {
      const within = writer.add(writer.mul(laneRow, number(tile)), writer.div(p, number(tile)));
      const row = writer.let("row", writer.add(row0, within));
      const across = writer.add(writer.mul(laneColumn, number(tile)), writer.rem(p, number(tile)));
      const column = writer.let("column", writer.add(column0, across));
      writer.if(writer.and(writer.less(row, rowCount), writer.less(column, writer.size(n))), () => {
        const place = [...outer, index.of(row, m), index.of(column, n)];
        body(flatPosition(emitter, emitter.positionOf(place, shape)), p);
      });
    });
  });
}

/** A row of a lane's tile. */
function startRow(writer: PlacedBuilder): Variable {
  return writer.var(writer.fresh("sum"), writer.vector([writer.f32(0)]));
}

/** Products that share the block of one left operand, as many as fit in memory next to it. */
interface Phase {
  readonly left: NodeId;
  readonly transposed: boolean;
  readonly products: readonly { readonly id: NodeId; readonly rows: readonly Variable[] }[];
}

function phasesOf(region: Region, sums: readonly (Accumulator & { readonly rows: readonly Variable[] })[]): Phase[] {
  const phases: { left: NodeId; transposed: boolean; products: { id: NodeId; rows: Variable[] }[] }[] = [];
  for (const { loops, rows } of sums) {
    for (const id of loops) {
      const node = dotAt(region, id);
      const left = at(node.operands, 0);
      const transposed = node.attrs.transposeA;
      const open = phases.find(
        (phase) => phase.left === left && phase.transposed === transposed && phase.products.length < mostProducts,
      );
      const phase = open ?? { left, transposed, products: [] };
      if (open === undefined) phases.push(phase);
      phase.products.push({ id, rows: [...rows] });
    }
  }
  return phases;
}

function dotAt(region: Region, id: NodeId): DotNode {
  const node = nodeAt(region.graph, id);
  if (node.op !== "dot") throw new InternalError(`${node.op} %${id} in a block of products`);
  return node;
}

interface Block {
  readonly outer: readonly Index[];
  readonly m: Dim;
  readonly n: Dim;
  /** The first row and column of the workgroup's block of the result. */
  readonly row0: Expr;
  readonly column0: Expr;
  /** The lane's tile in the block. */
  readonly laneRow: Expr;
  readonly laneColumn: Expr;
  /** The workgroup array of the left operand (0) or of the i-th right one. */
  readonly arrayAt: (i: number) => LocalArray;
}

/** Walks over the depth: fetch a block of each operand, wait, multiply, wait. */
function writePhase(emitter: Emitter, region: Region, phase: Phase, block: Block): void {
  const { writer } = emitter;
  const depth = at(loopExtentsOf(region, at(phase.products, 0).id), 0);
  const products = phase.products.map(({ rows }) => ({ registers: rows, startPart: () => startRow(writer) }));
  const running = new RunningSums(writer, products);
  const axis = { extent: depth, role: "depth" } as const;
  overBlocks(writer, { start: writer.u32(0), count: depth, stride: 1 }, running, (first, end) => {
    writer.for({ axis, name: writer.fresh("k"), first, end, step: writer.u32(blockDepth) }, (k0) => {
      fetchBlocks(emitter, region, phase, block, k0, depth);
      multiplyBlocks(writer, phase, block, running);
    });
  });
}

/** The lanes fetch a block of each operand. */
function fetchBlocks(
  emitter: Emitter,
  region: Region,
  phase: Phase,
  { outer, m, n, row0, column0, arrayAt }: Block,
  k0: Expr,
  depth: Dim,
): void {
  const { writer } = emitter;
  const { index } = writer;
  const last = (size: Dim) => index.sub(index.dim(size), index.dim(1));
  const axis = { extent: cells, role: "tile" } as const;
  const loop = { axis, mapping: "lanes", name: writer.fresh("cell"), first: writer.lane } as const;
  writer.for({ ...loop, end: writer.u32(cells), step: writer.u32(lanes) }, (cell) => {
    const fetch = (array: LocalArray, operand: NodeId, depthFirst: boolean, start: Expr, size: Dim) => {
      // Neighbouring lanes fetch neighbouring memory: along the depth, or along rows or columns.
      const perLine = writer.u32(depthFirst ? blockDepth : side / tile);
      const [fast, slow] = [writer.rem(cell, perLine), writer.div(cell, perLine)];
      const [step, vector] = depthFirst ? [fast, slow] : [slow, fast];
      const k = writer.let(writer.fresh("step"), step);
      const first = writer.let(writer.fresh("first"), writer.add(start, writer.mul(vector, writer.u32(tile))));
      // Past the end, the last element is read again and replaced by zero.
      const inDepth = index.below(index.min(index.of(writer.add(k0, k)), last(depth)), depth);
      const values = Array.from({ length: tile }, (_, i) => {
        const along = index.below(index.min(index.of(writer.add(first, writer.u32(i))), last(size)), size);
        return emitter.value(region, operand, [...outer, ...(depthFirst ? [along, inDepth] : [inDepth, along])]);
      });
      const counts = writer.less(writer.add(k0, k), writer.size(depth));
      const fetched = writer.select(counts, writer.vector(values), writer.vector([writer.f32(0)]));
      writer.storeElement(array, writer.add(writer.mul(k, writer.u32(side / tile)), vector), fetched);
    };
    fetch(arrayAt(0), phase.left, !phase.transposed, row0, m);
    for (const [i, { id }] of phase.products.entries()) {
      const node = dotAt(region, id);
      fetch(arrayAt(i + 1), at(node.operands, 1), node.attrs.transposeB, column0, n);
    }
  });
}

/** Each lane computes its tile from the blocks. */
function multiplyBlocks(
  writer: PlacedBuilder,
  phase: Phase,
  { laneRow, laneColumn, arrayAt }: Block,
  running: RunningSums,
): void {
  const axis = { extent: blockDepth, role: "depth" } as const;
  const loop = { axis, name: writer.fresh("step"), first: writer.u32(0), end: writer.u32(blockDepth) };
  writer.for({ ...loop, step: writer.u32(1) }, (step) => {
    const line = writer.mul(step, writer.u32(side / tile));
    const left = writer.let(writer.fresh("left"), writer.load(arrayAt(0), writer.add(line, laneRow)));
    for (const [i, { rows }] of phase.products.entries()) {
      const right = writer.let(writer.fresh("right"), writer.load(arrayAt(i + 1), writer.add(line, laneColumn)));
      for (const r of rows.keys()) {
        const register = running.register(i, r);
        writer.assign(register, writer.add(register, writer.mul(writer.component(left, r), right)));
      }
    }
  });
}

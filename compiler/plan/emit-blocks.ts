/**
 * @file Products through workgroup memory. The lanes of a workgroup fetch a block of both operands together, four
 * elements to a vector, and each lane multiplies its own 4 x 4 tile out of them: an element that is fetched once serves
 * 32 rows or columns. Operands are read where and as they lie, transposed or not, with whatever elementwise values they
 * are; what follows the products is written once and walks over the tile.
 *
 *   block of the result: 32 x 32, by 8 x 8 lanes of 4 x 4      depth of a block: 16
 *
 * Blocks pay where the device has many lanes and rows and depth are long; small products are spread over the device
 * instead (tiles.ts).
 */
import { type Dim, dimFactors, mulDims, sameShape, sizeOf } from "../graph/dim.ts";
import { at, InternalError } from "../graph/errors.ts";
import { type Node, type NodeId, nodeAt } from "../graph/graph.ts";
import type { Accumulator } from "./accumulators.ts";
import { flatPosition } from "./emit-loops.ts";
import { type StoreRoot, storeWalking } from "./emit-stage.ts";
import type { Emitter, Region } from "./emit-values.ts";
import type { Index } from "./index-expression.ts";
import type { KernelWriter } from "./kernel-writer.ts";
import { overBlocks, RunningSums } from "./long-sums.ts";
import { loopExtentsOf } from "./loops.ts";
import type { GridPart } from "./program.ts";
import type { Stage } from "./stages.ts";
import type { TileOptions } from "./tiles.ts";

type DotNode = Extract<Node, { readonly op: "dot" }>;

const tile = 4;
const lanesPerSide = 8;
const side = lanesPerSide * tile;
const blockDepth = 16;
const lanes = lanesPerSide * lanesPerSide;
/** Vectors of one block of an operand. */
const cells = (side / tile) * blockDepth;
/** Accumulators of 4 x 4 that a lane holds, and operands that fit in 16 KB of workgroup memory beside the left one. */
const mostProducts = 4;
/** Rows from which a product of known size fills enough blocks. */
const manyRows = 64;

/** Whether the products of a stage are computed in blocks: a pure function of shapes and target. */
export function usesBlocks(region: Region, stage: Stage, { target, maxRows, tuning }: TileOptions): boolean {
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
export function blockGrid(region: Region, stage: Stage): GridPart {
  const { batch, m, n } = matrixOf(nodeAt(region.graph, at(stage.loops, 0)));
  return { rows: [m], rowsPer: side, columns: [mulDims(sizeOf(batch), columnBlocks(n))], lanes: 1 };
}

function matrixOf({ aval: { shape } }: Node) {
  return { shape, batch: shape.slice(0, -2), m: at(shape, shape.length - 2), n: at(shape, shape.length - 1) };
}

function columnBlocks(n: Dim): number {
  return Math.ceil(Number(n) / side);
}

/** Writes a stage whose products `usesBlocks`. */
export function emitBlocks(emitter: Emitter, region: Region, stage: Stage, store: StoreRoot): void {
  const { writer } = emitter;
  const { index } = writer;
  const { shape, batch, m, n } = matrixOf(nodeAt(region.graph, at(stage.loops, 0)));
  const rowCount = index.dim(m).text;
  writer.line(`let rowBlocks = (${rowCount} + ${side - 1}u) / ${side}u;`);
  writer.line(`let column0 = (group % ${columnBlocks(n)}u) * ${side}u;`);
  writer.line(`let row0 = (group / ${columnBlocks(n)}u % rowBlocks) * ${side}u;`);
  writer.line(`let laneRow = lane / ${lanesPerSide}u;`);
  writer.line(`let laneColumn = lane % ${lanesPerSide}u;`);
  const matrix = index.variable(`(group / (${columnBlocks(n)}u * rowBlocks))`, 0, sizeOf(batch));
  const outer = batch.length === 0 ? [] : emitter.indexAt(matrix, batch);
  const sums = stage.accumulators.map((accumulator) => ({
    ...accumulator,
    rows: Array.from({ length: tile }, () => startRow(writer)),
  }));
  const arrays: string[] = [];
  const arrayAt = (i: number): string => {
    arrays[i] ??= writer.workgroupArray("vec4<f32>", cells);
    return arrays[i];
  };
  for (const phase of phasesOf(region, sums)) writePhase(emitter, region, phase, { outer, m, n, arrayAt });

  const kept = sums.map(({ result, rows }) => ({
    id: result,
    names: rows.flatMap((row) => ["x", "y", "z", "w"].map((component) => `${row}.${component}`)),
  }));
  storeWalking(emitter, region, stage, kept, store, (body) => {
    writer.block(`for (var p: u32 = 0u; p < ${tile * tile}u; p++)`, () => {
      writer.line(`let row = row0 + laneRow * ${tile}u + p / ${tile}u;`);
      writer.line(`let column = column0 + laneColumn * ${tile}u + p % ${tile}u;`);
      writer.block(`if (row < ${rowCount} && column < ${n}u)`, () => {
        const place = [...outer, index.variable("row", writer.depth, m), index.variable("column", writer.depth, n)];
        body(flatPosition(emitter, emitter.positionOf(place, shape)), "p");
      });
    });
  });
}

/** A row of a lane's tile. */
function startRow(writer: KernelWriter): string {
  const name = writer.fresh("sum");
  writer.line(`var ${name} = vec4<f32>(0.0);`);
  return name;
}

/** Products that read one left operand and so share its block, as many as fit beside it. */
interface Phase {
  readonly left: NodeId;
  readonly transposed: boolean;
  readonly products: readonly { readonly id: NodeId; readonly rows: readonly string[] }[];
}

function phasesOf(region: Region, sums: readonly (Accumulator & { readonly rows: readonly string[] })[]): Phase[] {
  const phases: { left: NodeId; transposed: boolean; products: { id: NodeId; rows: string[] }[] }[] = [];
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
  /** The workgroup array of the left operand (0) or of the i-th right one. */
  readonly arrayAt: (i: number) => string;
}

/** Walks over the depth: fetch a block of each operand, wait, multiply, wait. */
function writePhase(emitter: Emitter, region: Region, phase: Phase, { outer, m, n, arrayAt }: Block): void {
  const { writer } = emitter;
  const { index } = writer;
  const depth = at(loopExtentsOf(region, at(phase.products, 0).id), 0);
  const k0 = writer.fresh("k");
  const products = phase.products.map(({ rows }) => ({ names: rows, startPart: () => startRow(writer) }));
  const running = new RunningSums(writer, products);
  const overDepth = (write: () => void) =>
    overBlocks(writer, { start: "0u", count: depth, stride: 1 }, running, (start, end) => {
      writer.block(`for (var ${k0}: u32 = ${start}; ${k0} < ${end}; ${k0} += ${blockDepth}u)`, write);
    });
  overDepth(() => {
    const cell = writer.fresh("cell");
    writer.block(`for (var ${cell}: u32 = lane; ${cell} < ${cells}u; ${cell} += ${lanes}u)`, () => {
      const fetch = (array: string, operand: NodeId, depthFirst: boolean, start: string, size: Dim) => {
        // Neighbouring lanes fetch neighbouring memory: along the depth, or along rows or columns.
        const perLine = depthFirst ? blockDepth : side / tile;
        const [fast, slow] = [`${cell} % ${perLine}u`, `${cell} / ${perLine}u`];
        const [step, vector] = depthFirst ? [fast, slow] : [slow, fast];
        const k = writer.fresh("step");
        const first = writer.fresh("first");
        writer.line(`let ${k} = ${step};`);
        writer.line(`let ${first} = ${start} + (${vector}) * ${tile}u;`);
        // Past the end the last element is read again; zero takes its place.
        const last = index.sub(index.dim(depth), index.dim(1));
        const inDepth = index.below(index.min(index.variable(`(${k0} + ${k})`, writer.depth), last), depth);
        const values = Array.from({ length: tile }, (_, i) => {
          const along = index.below(
            index.min(index.variable(`(${first} + ${i}u)`, writer.depth), index.sub(index.dim(size), index.dim(1))),
            size,
          );
          return emitter.value(region, operand, [...outer, ...(depthFirst ? [along, inDepth] : [inDepth, along])]).text;
        });
        writer.line(
          `${array}[${k} * ${side / tile}u + ${vector}] = select(vec4<f32>(0.0), vec4<f32>(${values.join(", ")}), ${k0} + ${k} < ${index.dim(depth).text});`,
        );
      };
      fetch(arrayAt(0), phase.left, !phase.transposed, "row0", m);
      for (const [i, { id }] of phase.products.entries()) {
        const node = dotAt(region, id);
        fetch(arrayAt(i + 1), at(node.operands, 1), node.attrs.transposeB, "column0", n);
      }
    });
    writer.line("workgroupBarrier();");
    const step = writer.fresh("step");
    writer.block(`for (var ${step}: u32 = 0u; ${step} < ${blockDepth}u; ${step}++)`, () => {
      const left = writer.fresh("left");
      writer.line(`let ${left} = ${arrayAt(0)}[${step} * ${side / tile}u + laneRow];`);
      for (const [i, { rows }] of phase.products.entries()) {
        const right = writer.fresh("right");
        writer.line(`let ${right} = ${arrayAt(i + 1)}[${step} * ${side / tile}u + laneColumn];`);
        for (const r of rows.keys()) writer.line(`${running.name(i, r)} += ${left}[${r}] * ${right};`);
      }
    });
    writer.line("workgroupBarrier();");
  });
}

/**
 * @file Products through workgroup memory: the lanes of a workgroup compute a block of the result (block-products.ts),
 * as large as is best for the sizes (block-shape.ts). Operands are read in place, transposed or not, fused with the
 * elementwise values that produce them; the code after the products is written once and walks over the tile.
 */
import { type Dim, dimFactors, mulDims, sameShape, sizeOf } from "../../graph/dim.ts";
import { at, InternalError } from "../../graph/errors.ts";
import { type Node, type NodeId, nodeAt } from "../../graph/graph.ts";
import type { Expr } from "../../kernel/ir.ts";
import type { GridPart } from "../program.ts";
import type { Accumulator } from "../stages/accumulators.ts";
import { loopExtentsOf } from "../stages/loops.ts";
import type { Fetched } from "./block-fetching.ts";
import { BlockLoop, type BlockPlace, mostProductsOf, type Phase, type PhaseProduct } from "./block-products.ts";
import {
  type BlockShape,
  blockLanes,
  boundOf,
  type Candidate,
  candidatesFor,
  cheapest,
  columnsOf,
  depthOf,
  rowsOf,
  shapeName,
} from "./block-shape.ts";
import { joinSlices, overTile, startTile, startVector } from "./block-tile.ts";
import type { Emission, Form, FormContext, PartForm } from "./form.ts";
import { isLong, overBlocks, RunningSums } from "./long-sums.ts";
import { flatPosition, rememberLoop } from "./loops.ts";
import { storeRootsAt } from "./stage.ts";
import type { Region } from "./values.ts";

type DotNode = Extract<Node, { readonly op: "dot" }>;

/** The most sums of a lane, each with a tile. */
const mostSums = 4;
/** Rows from which products of known size are computed in blocks, inside and outside of loops; columns; depth. */
const leastRows = { inside: 64, outside: 16 };
const leastColumns = { inside: 32, outside: 8 };
const leastDepth = 16;
/** Rows that fill a block, if the batch is known. */
const manyRows = 32;

/** Blocks of the shape that is best for a stage alone. */
export const blocks: Form = {
  matches: usesBlocks,
  grid: (context) => blockGrid(context, shapeOf(context)),
  lanes: () => blockLanes,
  emit: (emission) => blocksOf(emission, shapeOf(emission)).emit(emission),
};

/** Blocks of a given shape, for a stage. */
export function blocksOf({ region, stage, tiles }: FormContext, shape: BlockShape): PartForm {
  // Lanes that share a tile each add up their own part of the depth.
  const depth = at(loopExtentsOf(region, at(stage.loops, 0)), 0);
  const inParts = isLong({ count: boundOf(depth, tiles.outside), stride: shape.slices });
  return {
    name: `blocks ${inParts} ${shapeName(shape)}`,
    grid: (context) => blockGrid(context, shape),
    lanes: () => blockLanes,
    emit: (emission) => emitBlocks(emission, shape, inParts),
  };
}

/** What decides the form of a stage. */
type ShapeContext = Pick<FormContext, "stage" | "tiles"> & { readonly region: Pick<Region, "graph"> };

/** Whether the products of a stage are computed in blocks: a pure function of shapes and target. */
export function usesBlocks({ region, stage, tiles }: ShapeContext): boolean {
  const { target, maxRows, tuning, outside } = tiles;
  if (target !== "gpu" || tuning?.workgroupTiles === false) return false;
  const nodes = stage.loops.map((id) => nodeAt(region.graph, id));
  const [first] = nodes;
  if (first === undefined || !nodes.every(({ op, aval }) => op === "dot" && sameShape(aval.shape, first.aval.shape)))
    return false;
  const depths = stage.loops.map((id) => at(loopExtentsOf(region, id), 0));
  const { m, n } = matrixOf(first);
  const where = outside === undefined ? "inside" : "outside";
  const isLong = (dim: Dim | undefined, least: number) => typeof dim !== "number" || dim >= least;
  return (
    depths.every((depth) => depth === depths[0]) &&
    isLong(depths[0], leastDepth) &&
    (typeof m === "number" ? m >= leastRows[where] : dimFactors(m).length > 1 && isLong(maxRows, manyRows)) &&
    typeof n === "number" &&
    n >= leastColumns[where] &&
    stage.accumulators.length <= mostSums
  );
}

/** The plans for a stage that is computed in blocks. */
export function plansOf({ region, stage, tiles }: ShapeContext): readonly Candidate[] {
  const { batch, m, n } = matrixOf(nodeAt(region.graph, at(stage.loops, 0)));
  const depth = at(loopExtentsOf(region, at(stage.loops, 0)), 0);
  const lefts = new Set(
    stage.loops.map((id) => {
      const { operands, attrs } = dotAt(region, id);
      return `${at(operands, 0)} ${attrs.transposeA}`;
    }),
  );
  const [accumulators, products, phases] = [stage.accumulators.length, stage.loops.length, lefts.size];
  return candidatesFor({ batch, m, n, depth, accumulators, products, phases }, tiles);
}

function shapeOf(context: FormContext): BlockShape {
  return cheapest(plansOf(context)).plan.shape;
}

/** One workgroup to a block of the result, or several that share its depth. */
export function blockGrid({ region, stage }: FormContext, shape: BlockShape, chunks = 1): GridPart {
  const { batch, m, n } = matrixOf(nodeAt(region.graph, at(stage.loops, 0)));
  const columns = mulDims(sizeOf(batch), columnBlocks(n, shape) * chunks);
  return { rows: [m], rowsPer: rowsOf(shape), columns: [columns], lanes: 1 };
}

export function matrixOf({ aval: { shape } }: Node) {
  return { shape, batch: shape.slice(0, -2), m: at(shape, shape.length - 2), n: at(shape, shape.length - 1) };
}

function columnBlocks(n: Dim, shape: BlockShape): number {
  return Math.ceil(Number(n) / columnsOf(shape));
}

/** Where a workgroup and a lane are in the products of a stage, and which chunk of the depth the workgroup has. */
export function placeOf(
  { emitter, region, stage }: Pick<Emission, "emitter" | "region" | "stage">,
  shape: BlockShape,
  chunks: number,
): { readonly place: BlockPlace; readonly chunk: Expr } {
  const { writer } = emitter;
  const { index, group } = writer;
  const { batch, m, n } = matrixOf(nodeAt(region.graph, at(stage.loops, 0)));
  const number = (value: number) => writer.u32(value);
  // In one of several parts, the lane is a parameter, of which a compiler of WGSL knows no bound.
  const lane = writer.let("own", writer.rem(writer.lane, number(blockLanes)));
  const side = rowsOf(shape);
  const rowBlocks = writer.let("rowBlocks", writer.div(writer.add(writer.size(m), number(side - 1)), number(side)));
  const perRow = number(columnBlocks(n, shape));
  const perMatrix = writer.mul(perRow, rowBlocks);
  const groups = writer.mul(writer.mul(perMatrix, writer.size(sizeOf(batch))), number(chunks));
  // A large dispatch has workgroups beyond the last.
  writer.leaveIf(writer.lessEqual(groups, group));
  const chunk = writer.let("chunk", chunks === 1 ? number(0) : writer.rem(group, number(chunks)));
  const block = chunks === 1 ? group : writer.let("block", writer.div(group, number(chunks)));
  const column0 = writer.let("column0", writer.mul(writer.rem(block, perRow), number(columnsOf(shape))));
  const row0 = writer.let("row0", writer.mul(writer.rem(writer.div(block, perRow), rowBlocks), number(side)));
  const outer = batch.length === 0 ? [] : emitter.indexAt(index.of(writer.div(block, perMatrix), sizeOf(batch)), batch);
  const { rowLanes, columnLanes, slices } = shape;
  const perSlice = rowLanes * columnLanes;
  const within = slices === 1 ? lane : writer.let("within", writer.rem(lane, number(perSlice)));
  const slice = slices === 1 ? number(0) : writer.let("slice", writer.div(lane, number(perSlice)));
  const laneRow = writer.let("laneRow", writer.div(within, number(columnLanes)));
  const laneColumn = writer.let("laneColumn", writer.rem(within, number(columnLanes)));
  return { place: { outer, m, n, row0, column0, laneRow, laneColumn, slice, lane }, chunk };
}

/** `inParts` says whether sums are so long that parts of them are added up first (long-sums.ts). */
function emitBlocks({ emitter, region, stage, store }: Emission, shape: BlockShape, inParts: boolean): void {
  const { writer } = emitter;
  const { place } = placeOf({ emitter, region, stage }, shape, 1);
  const sums = stage.accumulators.map(() => startTile(writer, shape));
  const loop = new BlockLoop(emitter, region, shape, place);
  const depth = at(loopExtentsOf(region, at(stage.loops, 0)), 0);
  const isWhole = typeof depth === "number" && depth % depthOf(shape) === 0;
  const phases = phasesOf(region, stage.accumulators, shape);
  const whole = { depth, first: writer.u32(0), end: writer.size(depth), isWhole };
  let ahead: Fetched | undefined;
  for (const [i, { phase, added }] of phases.entries()) {
    const running = new RunningSums(
      writer,
      added.map((sum) => ({ registers: at(sums, sum), startPart: () => startVector(writer) })),
    );
    if (inParts)
      overBlocks(writer, { start: whole.first, count: depth, stride: shape.slices }, running, (first, end) => {
        loop.write(phase, { ...whole, first, end }, running);
      });
    else ahead = loop.write(phase, whole, running, { ahead, after: phases[i + 1]?.phase });
  }
  const arrays = stage.accumulators.map(({ result }, i) => {
    const tile = joinSlices(writer, shape, place, at(sums, i), loop.memory);
    return { result, array: writer.registers(writer.fresh("sums"), "f32x4", tile) };
  });
  const { shape: extents } = matrixOf(nodeAt(region.graph, at(stage.loops, 0)));
  overTile(writer, shape, place, (p, row, columns) => {
    const vectors = arrays.map(({ result, array }) => {
      return { result, vector: writer.let(writer.fresh("sum"), writer.load(array, p)) };
    });
    const positions = columns.map(({ column, component }) => {
      const position = flatPosition(emitter, emitter.positionOf([...place.outer, row, column], extents));
      for (const { result, vector } of vectors)
        rememberLoop(emitter, region, result, position, writer.component(vector, component));
      return position;
    });
    storeRootsAt(emitter, region, stage, positions, store);
  });
}

/** The products of a stage by left operand, as many as fit in memory, and the sums that each phase adds to. */
export function phasesOf(
  region: Region,
  accumulators: readonly Pick<Accumulator, "loops">[],
  shape: BlockShape,
): { readonly phase: Phase; readonly added: readonly number[] }[] {
  const most = mostProductsOf(shape);
  const phases: { left: NodeId; transposed: boolean; products: PhaseProduct[]; added: number[] }[] = [];
  for (const [sum, { loops }] of accumulators.entries()) {
    for (const id of loops) {
      const { operands, attrs } = dotAt(region, id);
      const [left, right] = [at(operands, 0), at(operands, 1)];
      const open = phases.find(
        (phase) => phase.left === left && phase.transposed === attrs.transposeA && phase.products.length < most,
      );
      const phase = open ?? { left, transposed: attrs.transposeA, products: [], added: [] };
      if (open === undefined) phases.push(phase);
      if (!phase.added.includes(sum)) phase.added.push(sum);
      phase.products.push({ right, transposed: attrs.transposeB, sum: phase.added.indexOf(sum) });
    }
  }
  return phases.map(({ added, ...phase }) => ({ phase, added }));
}

function dotAt(region: Pick<Region, "graph">, id: NodeId): DotNode {
  const node = nodeAt(region.graph, id);
  if (node.op !== "dot") throw new InternalError(`${node.op} %${id} in a block of products`);
  return node;
}

/**
 * @file An operand of a block of products in workgroup memory: which elements a lane fetches as vectors of four, where
 * they go, and how a lane reads those of its tile.
 *
 * An operand whose memory runs along the rows or columns of the result (`side`) has vectors of four neighbours there, one
 * for each step. One whose memory runs along the depth has vectors of four steps of one row or column, where the steps of
 * a lane are one such vector. So both are fetched as they lie in memory, in whole vectors, and stored as they come.
 *
 *   along the side    place = step * width + slice * stride + group
 *   along the depth   place = slice * stride + (row % 4) * groups + group        group = four neighbouring rows
 *
 * A lane owns every `lanes`-th group, so neighbouring lanes read neighbouring vectors. All places are constants added to
 * one that is constant through the loop: a compiler of WGSL need not clamp them, and puts the constants into instructions.
 */
import type { Dim } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import type { NodeId } from "../../graph/graph.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import type { Expr, LocalArray } from "../../kernel/ir.ts";
import { type BlockShape, blockLanes, depthOf } from "./block-shape.ts";
import type { PlacedBuilder } from "./placed-builder.ts";

/** Rows of the left operand, or columns of a right one. */
export interface Side {
  readonly size: Dim;
  /** The first of the workgroup's block. */
  readonly start: Expr;
  /** Lanes along it, the lane's own number among them, and rows or columns of its tile. */
  readonly lanes: number;
  readonly lane: Expr;
  readonly tile: number;
}

/** A vector that a lane fetches: its elements, and its place in workgroup memory. */
interface FetchedVector {
  readonly elements: readonly { readonly own: Index; readonly step: Index }[];
  readonly place: Expr;
}

export interface Panel {
  readonly operand: NodeId;
  /** Whether the depth is its last axis, along which memory is contiguous. */
  readonly depthFirst: boolean;
  readonly alongDepth: boolean;
  /** Two slots: while the lanes multiply from one, the next block goes to the other. Where the panel begins in a slot. */
  readonly array: LocalArray;
  readonly start: number;
  readonly fetched: readonly FetchedVector[];
  /** The place of the lane's first vector. */
  readonly base: Expr;
  readonly side: Side;
}

/** The numbers of a lane's tile in one step. */
export interface StepNumbers {
  /** What was read, for the steps of the same vectors. */
  readonly vectors: readonly Expr[];
  /** Of a row or column of the tile. */
  readonly number: (i: number) => Expr;
  /** Of four neighbouring columns. */
  readonly four: (group: number) => Expr;
}

/** Vectors of workgroup memory for one block of an operand. */
export function panelVectors({ slices, steps }: BlockShape, { lanes, tile }: Pick<Side, "lanes" | "tile">): number {
  const groups = (lanes * tile) / 4;
  return steps * ((slices - 1) * strideOf(slices, groups, lanes) + groups);
}

/** Vectors between two slices: lanes of two slices read side by side, and should not meet in one bank. */
function strideOf(slices: number, vectors: number, lanes: number): number {
  return slices === 4 && vectors % 8 === 0 && lanes === 4 ? vectors + 4 : vectors;
}

/** Steps in a vector along the depth. */
const vectorSteps = 4;

/** Vectors of a slot with the left operand and one right one, and those that lanes of one tile exchange at the end. */
function slotVectors(shape: BlockShape): number {
  const { rows, columns, rowLanes, columnLanes } = shape;
  const left = panelVectors(shape, { lanes: rowLanes, tile: rows });
  const right = panelVectors(shape, { lanes: columnLanes, tile: columns });
  return Math.max(left + right, exchangedVectors(shape));
}

/** Vectors that lanes which share a tile exchange at a time: `slices` rows of each. */
export function exchangedVectors({ slices }: BlockShape): number {
  return slices === 1 ? 0 : slices * blockLanes;
}

/** Bytes of workgroup memory for products of a left operand and some right ones. */
export function panelBytes(shape: BlockShape, rights: number): number {
  const right = panelVectors(shape, { lanes: shape.columnLanes, tile: shape.columns });
  return 2 * 16 * (slotVectors(shape) + (rights - 1) * right);
}

/** Makes the panels of a workgroup. */
export class Panels {
  readonly #writer: PlacedBuilder;
  readonly #shape: BlockShape;
  readonly #slice: Expr;
  readonly #lane: Expr;
  /** The left operand and the first right one. */
  readonly array: LocalArray;
  /** Other right operands, which all phases use. */
  readonly #others = new Map<number, LocalArray>();

  /** `lane` is known to be below `blockLanes`. */
  constructor(writer: PlacedBuilder, shape: BlockShape, slice: Expr, lane: Expr) {
    this.#writer = writer;
    this.#shape = shape;
    this.#slice = slice;
    this.#lane = lane;
    this.array = writer.sharedArray("f32x4", slotVectors(shape), 2);
  }

  /** The panel of the left operand (0) or of the i-th right one (i + 1). */
  panel(number: number, operand: NodeId, depthFirst: boolean, side: Side): Panel {
    const w = this.#writer;
    const { rows, rowLanes } = this.#shape;
    const alongDepth = depthFirst && this.#shape.steps === vectorSteps;
    const { sliceStride } = this.#layout(side, alongDepth);
    return {
      ...{ operand, depthFirst, alongDepth, side },
      array: number < 2 ? this.array : this.#other(number, side),
      start: number === 1 ? panelVectors(this.#shape, { lanes: rowLanes, tile: rows }) : 0,
      fetched: alongDepth ? this.#alongDepth(side) : this.#alongSide(side, depthFirst),
      base: this.#once(w.add(w.mul(this.#slice, w.u32(sliceStride)), side.lane)),
    };
  }

  #other(number: number, side: Side): LocalArray {
    const known = this.#others.get(number);
    const array = known ?? this.#writer.sharedArray("f32x4", panelVectors(this.#shape, side), 2);
    this.#others.set(number, array);
    return array;
  }

  #layout({ lanes, tile }: Side, alongDepth: boolean) {
    const { slices } = this.#shape;
    const groups = (lanes * tile) / 4;
    const padded = strideOf(slices, groups, lanes);
    const sliceStride = alongDepth ? 4 * groups + padded - groups : padded;
    return { groups, sliceStride, stepStride: (slices - 1) * padded + groups };
  }

  /** Vectors of four neighbouring rows or columns in one step. */
  #alongSide(side: Side, depthFirst: boolean): FetchedVector[] {
    const w = this.#writer;
    const { index } = w;
    const number = (value: number) => w.u32(value);
    const depth = depthOf(this.#shape);
    const { groups, sliceStride, stepStride } = this.#layout(side, false);
    const count = (groups * depth) / blockLanes;
    const perLine = number(depthFirst ? depth / count : groups);
    const [fast, slow] = [w.rem(this.#lane, perLine), w.div(this.#lane, perLine)];
    const group = depthFirst ? slow : fast;
    const first = this.#once(w.add(side.start, w.mul(group, number(4))));
    return Array.from({ length: count }, (_, i) => {
      const start = this.#once(depthFirst ? w.mul(fast, number(count)) : slow);
      const step = index.add(index.of(start), index.dim(depthFirst ? i : (i * depth) / count));
      const k = this.#once(step.expr);
      const { steps } = this.#shape;
      const inSlice = w.mul(w.rem(k, number(steps)), number(stepStride));
      const place = w.add(inSlice, w.add(w.mul(w.div(k, number(steps)), number(sliceStride)), group));
      const elements = [0, 1, 2, 3].map((e) => ({ own: this.#within(side, first, e), step }));
      return { elements, place: this.#once(place) };
    });
  }

  /** Vectors of four steps of one row or column. Lanes that store together do so to different banks. */
  #alongDepth(side: Side): FetchedVector[] {
    const w = this.#writer;
    const { index } = w;
    const number = (value: number) => w.u32(value);
    const { slices } = this.#shape;
    const { groups, sliceStride } = this.#layout(side, true);
    const group = w.rem(this.#lane, number(groups));
    const slice = w.rem(w.div(this.#lane, number(groups)), number(slices));
    const perPass = blockLanes / (groups * slices);
    const inGroup = w.div(this.#lane, number(groups * slices));
    const first = this.#once(w.add(w.add(side.start, w.mul(group, number(4))), inGroup));
    const place = this.#once(w.add(w.mul(slice, number(sliceStride)), w.add(w.mul(inGroup, number(groups)), group)));
    const start = this.#once(w.mul(slice, number(vectorSteps)));
    return Array.from({ length: 4 / perPass }, (_, pass) => {
      const own = this.#within(side, first, pass * perPass);
      const elements = [0, 1, 2, 3].map((e) => ({ own, step: index.add(index.of(start), index.dim(e)) }));
      return { elements, place: w.add(place, number(pass * perPass * groups)) };
    });
  }

  /** A row or column; past the end, the last one is read again, and not stored. */
  #within({ size, lanes, tile }: Side, first: Expr, more: number): Index {
    const { index } = this.#writer;
    const own = index.add(index.of(first), index.dim(more));
    const isExact = typeof size === "number" && size % (lanes * tile) === 0;
    return index.below(isExact ? own : index.min(own, index.sub(index.dim(size), index.dim(1))), size);
  }

  /** Reads the numbers of a step from one of the arrays; `before` are those of the step before. */
  read(panel: Panel, buffer: 0 | 1, step: number | Expr, before?: StepNumbers): StepNumbers {
    const w = this.#writer;
    const { lanes, tile } = panel.side;
    const { groups, stepStride } = this.#layout(panel.side, panel.alongDepth);
    const load = (offset: Expr, more: number) => {
      const place = w.add(w.add(panel.base, offset), w.u32(panel.start + more));
      return w.let(w.fresh("operand"), w.load(panel.array, place, w.u32(buffer)));
    };
    if (!panel.alongDepth) {
      const [steps, more] =
        typeof step === "number" ? [w.u32(0), step * stepStride] : [w.mul(step, w.u32(stepStride)), 0];
      const vectors = Array.from({ length: tile / 4 }, (_, i) => load(steps, more + i * lanes));
      return {
        vectors,
        number: (i) => w.component(at(vectors, Math.floor(i / 4)), i % 4),
        four: (group) => at(vectors, group),
      };
    }
    const vectors =
      before?.vectors ??
      Array.from({ length: tile }, (_, i) => load(w.u32(0), (i % 4) * groups + Math.floor(i / 4) * lanes));
    const number = (i: number) => w.component(at(vectors, i), Number(step));
    return {
      vectors,
      number,
      four: (group) => w.let(w.fresh("columns"), w.vector([0, 1, 2, 3].map((e) => number(4 * group + e)))),
    };
  }

  /** Stores a fetched vector. */
  store({ array, start }: Panel, buffer: 0 | 1, place: Expr, vector: Expr): void {
    const w = this.#writer;
    w.storeInSlot(array, w.u32(buffer), w.add(place, w.u32(start)), vector);
  }

  /** Binds a value of the lane before all loops. */
  #once(value: Expr): Expr {
    return this.#writer.bind(`of the lane ${value.id}`, value, 0);
  }
}

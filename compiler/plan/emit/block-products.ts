/**
 * @file The loop of products that go through workgroup memory. The lanes of a workgroup fetch a block of both operands
 * together, as vectors of four elements along rows and columns, and each lane multiplies its own tile from them.
 *
 * While a block is multiplied, the next one is on its way to registers, and then moves to the other of two arrays, so the
 * loop body has two turns. All indices are constants or constant through the loop: a compiler of WGSL need not clamp
 * them.
 */
import type { Dim } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import type { NodeId } from "../../graph/graph.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import type { Expr, LocalArray, Variable } from "../../kernel/ir.ts";
import { type BlockShape, blockLanes, columnsOf, depthOf, rowsOf } from "./block-shape.ts";
import type { RunningSums } from "./long-sums.ts";
import type { PlacedBuilder } from "./placed-builder.ts";
import type { Emitter, Region } from "./values.ts";

/** Where a workgroup and a lane are in the products of a stage. */
export interface BlockPlace {
  readonly outer: readonly Index[];
  readonly m: Dim;
  readonly n: Dim;
  /** The first row and column of the workgroup's block. */
  readonly row0: Expr;
  readonly column0: Expr;
  /** The lane's tile in the block, and which of the lanes of that tile it is. */
  readonly laneRow: Expr;
  readonly laneColumn: Expr;
  readonly slice: Expr;
}

/** A right operand, and the sum that its product adds to. */
export interface PhaseProduct {
  readonly right: NodeId;
  readonly transposed: boolean;
  readonly sum: number;
}

/** Products of one left operand, which fit in workgroup memory next to it. */
export interface Phase {
  readonly left: NodeId;
  readonly transposed: boolean;
  readonly products: readonly PhaseProduct[];
}

/** The steps along the depth from `first` up to, but not including, `end`. */
export interface DepthRange {
  readonly depth: Dim;
  readonly first: Expr;
  readonly end: Expr;
  /** Whether their number is known to be a multiple of a block's depth. */
  readonly isWhole: boolean;
}

/** Bytes of workgroup memory that WebGPU guarantees. */
const workgroupBytes = 16384;

/** How many right operands fit in workgroup memory next to a left one. */
export function mostProductsOf(shape: BlockShape): number {
  const one = bytesOf(shape);
  return Math.min(4, 1 + Math.floor((workgroupBytes - one) / rightBytes(shape)));
}

/** Bytes of workgroup memory for products of one left and one right operand. */
export function bytesOf(shape: BlockShape): number {
  const exchanged = shape.slices === 1 ? 0 : shape.slices * blockLanes * 16;
  return exchanged + panelBytes(shape, rowsOf(shape) / 4, shape.rowLanes) + rightBytes(shape);
}

function rightBytes(shape: BlockShape): number {
  return panelBytes(shape, columnsOf(shape) / 4, shape.columnLanes);
}

function panelBytes(shape: BlockShape, vectors: number, lanes: number): number {
  return 2 * 16 * shape.steps * widthOf(shape, vectors, lanes);
}

/** Vectors between two slices: lanes of two slices read side by side, and should not meet in one bank. */
function strideOf(slices: number, vectors: number, lanes: number): number {
  return slices === 4 && vectors % 8 === 0 && lanes === 4 ? vectors + 4 : vectors;
}

function widthOf({ slices }: BlockShape, vectors: number, lanes: number): number {
  return (slices - 1) * strideOf(slices, vectors, lanes) + vectors;
}

/** An operand in workgroup memory: a slot for each step of a slice, and in it the vectors of all slices. */
interface Panel {
  readonly operand: NodeId;
  /** Whether the depth is its last axis, along which memory is contiguous. */
  readonly depthFirst: boolean;
  readonly size: Dim;
  readonly arrays: readonly [LocalArray, LocalArray];
  /** For each vector that this lane fetches: its four rows or columns, its step from the start, and where it goes. */
  readonly fetched: readonly {
    readonly along: readonly Index[];
    readonly step: Index;
    readonly slot: Expr;
    readonly index: Expr;
  }[];
  /** Where this lane's vectors are in a slot. */
  readonly own: readonly Expr[];
}

/** Vectors on their way from memory, one for each that the lane fetches. */
type Fetched = readonly (readonly Expr[])[];

/** Writes the loop over a range of the depth. */
export class BlockLoop {
  readonly #emitter: Emitter;
  readonly #writer: PlacedBuilder;
  readonly #region: Region;
  readonly #place: BlockPlace;
  readonly #shape: BlockShape;
  /** Arrays of the left operand (0) and of the i-th right one (i + 1), which all phases use. */
  readonly #arrays = new Map<number, readonly [LocalArray, LocalArray]>();

  constructor(emitter: Emitter, region: Region, shape: BlockShape, place: BlockPlace) {
    this.#emitter = emitter;
    this.#writer = emitter.writer;
    this.#region = region;
    this.#place = place;
    this.#shape = shape;
  }

  /** Adds the products of a phase to the registers of `running`, whose sums have a vector for each row and four columns. */
  write(phase: Phase, { depth, first, end, isWhole }: DepthRange, running: RunningSums): void {
    const w = this.#writer;
    const [left, ...rights] = this.#panels(phase);
    if (left === undefined) return;
    const panels = [left, ...rights];
    const length = w.u32(depthOf(this.#shape));
    const number = (value: number) => w.u32(value);
    const turns = w.let(w.fresh("turns"), w.div(w.sub(end, first), length));
    const known = countOf(w.div(w.sub(end, first), length));
    const multiply = (buffer: 0 | 1) => this.#multiply(phase, left, rights, buffer, running);
    const startOf = (turn: Expr) => w.add(first, w.mul(turn, length));

    const main = () => {
      this.#store(panels, 0, this.#fetch(panels, first, depth));
      const pairs =
        known === undefined ? w.let(w.fresh("pairs"), w.div(w.add(turns, number(1)), number(2))) : undefined;
      const axis = { extent: depth, role: "depth" } as const;
      const end = pairs ?? number(Math.ceil((known ?? 0) / 2));
      w.for({ axis, name: w.fresh("pair"), first: number(0), end, step: number(1) }, (pair) => {
        const one = w.let(w.fresh("next"), w.add(w.mul(pair, number(2)), number(1)));
        const two = w.let(w.fresh("next"), w.add(w.mul(pair, number(2)), number(2)));
        // Past the last block, the first is fetched again and not used.
        const start = (turn: Expr) => w.let(w.fresh("start"), w.select(w.less(turn, turns), startOf(turn), first));
        const next = this.#fetch(panels, start(one), depth);
        multiply(0);
        this.#store(panels, 1, next);
        const second = () => {
          const later = this.#fetch(panels, start(two), depth);
          multiply(1);
          this.#store(panels, 0, later);
        };
        if (known !== undefined && known % 2 === 0) second();
        else w.if(w.less(one, turns), second);
      });
    };
    if (known === undefined) w.if(w.less(number(0), turns), main);
    else if (known > 0) main();
    if (isWhole) return;

    const rest = w.let(w.fresh("rest"), startOf(turns));
    const last = () => {
      this.#store(panels, 0, this.#fetchBelow(panels, rest, end, depth));
      const { steps } = this.#shape;
      const axis = { extent: steps, role: "depth" } as const;
      w.for({ axis, name: w.fresh("step"), first: number(0), end: number(steps), step: number(1) }, (step) => {
        this.#addProducts(phase, this.#operands(left, rights, 0, step), running);
      });
    };
    w.if(w.less(rest, end), last);
  }

  #panels({ left, transposed, products }: Phase): Panel[] {
    const { m, n, row0, column0, laneRow, laneColumn } = this.#place;
    const shape = this.#shape;
    const w = this.#writer;
    const panel = (
      number: number,
      operand: NodeId,
      depthFirst: boolean,
      { size, start, lanes, lane, tile }: { size: Dim; start: Expr; lanes: number; lane: Expr; tile: number },
    ): Panel => {
      const vectors = (lanes * tile) / 4;
      const stride = strideOf(shape.slices, vectors, lanes);
      const array = () => w.sharedArray("f32x4", widthOf(shape, vectors, lanes), shape.steps);
      const arrays = this.#arrays.get(number) ?? ([array(), array()] as const);
      this.#arrays.set(number, arrays);
      const base = w.add(w.mul(this.#place.slice, w.u32(stride)), lane);
      const own = Array.from({ length: tile / 4 }, (_, i) => this.#once(w.add(base, w.u32(i * lanes))));
      return {
        operand,
        depthFirst,
        size,
        arrays,
        fetched: this.#vectorsOf(vectors, stride, depthFirst, start, size, lanes * tile),
        own,
      };
    };
    const rows = { size: m, start: row0, lanes: shape.rowLanes, lane: laneRow, tile: shape.rows };
    const columns = { size: n, start: column0, lanes: shape.columnLanes, lane: laneColumn, tile: shape.columns };
    return [
      panel(0, left, !transposed, rows),
      ...products.map(({ right, transposed: depthFirst }, i) => panel(i + 1, right, depthFirst, columns)),
    ];
  }

  /** Binds a value of the lane before all loops. */
  #once(value: Expr): Expr {
    return this.#writer.bind(`of the lane ${value.id}`, value, 0);
  }

  /** The vectors that a lane fetches: neighbouring lanes read neighbouring memory. */
  #vectorsOf(
    vectors: number,
    stride: number,
    depthFirst: boolean,
    start: Expr,
    size: Dim,
    side: number,
  ): Panel["fetched"] {
    const w = this.#writer;
    const { index, lane } = w;
    const number = (value: number) => w.u32(value);
    const depth = depthOf(this.#shape);
    const count = (vectors * depth) / blockLanes;
    const perLine = number(depthFirst ? depth / count : vectors);
    const [fast, slow] = [w.rem(lane, perLine), w.div(lane, perLine)];
    const vector = depthFirst ? slow : fast;
    const first = this.#once(w.add(start, w.mul(vector, number(4))));
    const last = index.sub(index.dim(size), index.dim(1));
    const isExact = typeof size === "number" && size % side === 0;
    const along = Array.from({ length: 4 }, (_, i) => {
      const own = index.add(index.of(first), index.dim(i));
      // Past the end, the last row or column is read again, and not stored.
      return index.below(isExact ? own : index.min(own, last), size);
    });
    return Array.from({ length: count }, (_, i) => {
      const start = this.#once(depthFirst ? w.mul(fast, number(count)) : slow);
      const step = index.add(index.of(start), index.dim(depthFirst ? i : (i * depth) / count));
      const k = this.#once(step.expr);
      const { steps } = this.#shape;
      const place = w.add(w.mul(w.div(k, number(steps)), number(stride)), vector);
      return { along, step, slot: this.#once(w.rem(k, number(steps))), index: this.#once(place) };
    });
  }

  /** The block at a start along the depth that is a whole block before the end. */
  #fetch(panels: readonly Panel[], start: Expr, depth: Dim): Fetched {
    const { index } = this.#writer;
    return this.#fetchWith(panels, (step) => index.below(index.add(index.of(start), step), depth));
  }

  /** The block at the end, with zeros past it. */
  #fetchBelow(panels: readonly Panel[], start: Expr, end: Expr, depth: Dim): Fetched {
    const w = this.#writer;
    const { index } = w;
    const last = index.sub(index.of(end), index.dim(1));
    return this.#fetchWith(
      panels,
      (step) => index.below(index.min(index.add(index.of(start), step), last), depth),
      ({ expr }, vector) => w.select(w.less(w.add(start, expr), end), vector, w.vector([w.f32(0)])),
    );
  }

  #fetchWith(
    panels: readonly Panel[],
    indexOf: (step: Index) => Index,
    change: (step: Index, vector: Expr) => Expr = (_, vector) => vector,
  ): Fetched {
    const w = this.#writer;
    const { outer } = this.#place;
    const read = ({ operand, depthFirst, fetched }: Panel) =>
      fetched.map(({ along, step }) => {
        const k = indexOf(step);
        const values = along.map((own) =>
          this.#emitter.value(this.#region, operand, [...outer, ...(depthFirst ? [own, k] : [k, own])]),
        );
        return w.let(w.fresh("fetched"), change(step, w.vector(values)));
      });
    return w.withConstantsLast(() => panels.map(read));
  }

  /** Every vector goes to another place, so no barrier is needed between them. */
  #store(panels: readonly Panel[], buffer: 0 | 1, fetched: Fetched): void {
    this.#writer.stage(() => {
      for (const [p, panel] of panels.entries())
        for (const [i, { slot, index }] of panel.fetched.entries())
          this.#writer.storeInSlot(panel.arrays[buffer], slot, index, at(at(fetched, p), i));
    });
  }

  /** Multiplies all steps of a block; the operands of a step are read during the step before. */
  #multiply(phase: Phase, left: Panel, rights: readonly Panel[], buffer: 0 | 1, running: RunningSums): void {
    const { steps } = this.#shape;
    const operandsAt = (step: number) => this.#operands(left, rights, buffer, this.#writer.u32(step));
    let operands = operandsAt(0);
    for (let step = 0; step < steps; step++) {
      const next = step + 1 < steps ? operandsAt(step + 1) : undefined;
      this.#addProducts(phase, operands, running);
      operands = next ?? operands;
    }
  }

  #operands(left: Panel, rights: readonly Panel[], buffer: 0 | 1, step: Expr) {
    const w = this.#writer;
    const read = ({ arrays, own }: Panel) =>
      own.map((place) => w.let(w.fresh("operand"), w.load(arrays[buffer], place, step)));
    return { left: read(left), rights: rights.map(read) };
  }

  /** What was read last is used first, so that a lane waits once. */
  #addProducts(
    { products }: Phase,
    { left, rights }: { readonly left: readonly Expr[]; readonly rights: readonly (readonly Expr[])[] },
    running: RunningSums,
  ): void {
    const w = this.#writer;
    const { rows, columns } = this.#shape;
    const across = columns / 4;
    for (const [p, { sum }] of [...products.entries()].reverse())
      for (let row = 0; row < rows; row++)
        for (let c = across - 1; c >= 0; c--) {
          const register: Variable = running.register(sum, row * across + c);
          const a = w.component(at(left, Math.floor(row / 4)), row % 4);
          w.assign(register, w.add(register, w.mul(a, at(at(rights, p), c))));
        }
  }
}

function countOf(expr: Expr): number | undefined {
  return expr.kind === "literal" ? expr.value : undefined;
}

/**
 * @file The loop of products that go through workgroup memory. The lanes of a workgroup fetch a block of both operands
 * together (block-fetching.ts), as vectors of four elements (block-panels.ts), and each lane multiplies its own tile from
 * them.
 *
 * While a block is multiplied, the next one is on its way to registers, and then moves to the other of two slots, so the
 * loop body has two turns. What a lane multiplies next is read from workgroup memory during the step before.
 */
import type { Dim } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import type { NodeId } from "../../graph/graph.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import type { Expr, LocalArray, Variable } from "../../kernel/ir.ts";
import { type Fetched, Fetching } from "./block-fetching.ts";
import { type Panel, Panels, panelBytes, type StepNumbers } from "./block-panels.ts";
import { type BlockShape, depthOf } from "./block-shape.ts";
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
  /** The number of the lane, known to be below `blockLanes`. */
  readonly lane: Expr;
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

/** Whether a loop is known to be short: over one or two pairs of blocks. */
const isShort = (turns: number | undefined): boolean => turns !== undefined && turns >= 2 && turns <= 5;

/** How many right operands fit in workgroup memory next to a left one. */
export function mostProductsOf(shape: BlockShape): number {
  return [4, 3, 2].find((rights) => panelBytes(shape, rights) <= workgroupBytes) ?? 1;
}

/** Bytes of workgroup memory for products of one left and one right operand. */
export const bytesOf = (shape: BlockShape): number => panelBytes(shape, 1);

/** The numbers of a step: of the left operand, and of the right ones. */
type StepOperands = readonly StepNumbers[];

/** What a block has to do with the one before it, which has read its first step, and the one after. */
interface BlockTurn {
  readonly operands?: StepOperands | undefined;
  readonly beforeLast?: () => void;
}

/** Writes the loop over a range of the depth. */
export class BlockLoop {
  readonly #writer: PlacedBuilder;
  readonly #place: BlockPlace;
  readonly #shape: BlockShape;
  readonly #panels: Panels;
  readonly #fetching: Fetching;

  constructor(emitter: Emitter, region: Region, shape: BlockShape, place: BlockPlace) {
    this.#writer = emitter.writer;
    this.#place = place;
    this.#shape = shape;
    this.#panels = new Panels(emitter.writer, shape, place.slice, place.lane);
    this.#fetching = new Fetching(emitter, region, this.#panels, place.outer);
  }

  /** Workgroup memory that is free after the loop. */
  get memory(): LocalArray {
    return this.#panels.array;
  }

  /**
   * Adds the products of a phase to the registers of `running`, whose sums have a vector for each row and four columns.
   * `ahead` is the first block, if it is on its way. Where the loop is short, the result is the first block of the phase
   * `after` it, fetched meanwhile.
   */
  write(
    phase: Phase,
    { depth, first, end, isWhole }: DepthRange,
    running: RunningSums,
    { ahead, after }: { readonly ahead?: Fetched | undefined; readonly after?: Phase | undefined } = {},
  ): Fetched | undefined {
    const w = this.#writer;
    const panels = this.#panelsOf(phase);
    const length = w.u32(depthOf(this.#shape));
    const count = w.div(w.sub(end, first), length);
    const known = count.kind === "literal" ? count.value : undefined;
    const turns = w.let(w.fresh("turns"), count);
    const startOf = (turn: Expr) => w.add(first, w.mul(turn, length));
    const fetch = (start: Expr) => this.#fetching.block(panels, start, depth);
    const multiply = (buffer: 0 | 1, turn?: BlockTurn) => this.#multiply(phase, panels, buffer, running, turn);
    const next = after !== undefined && isShort(known) ? this.#fetchLater(after) : undefined;

    const main = () => {
      this.#fetching.store(panels, 0, ahead ?? fetch(first));
      const two = w.u32(2);
      const pairs = this.#pairs(turns, known);
      const isOnce = known === 2 || known === 3;
      const last = known === undefined ? w.let(w.fresh("last"), w.sub(turns, w.u32(1))) : w.u32(known - 1);
      // Past the last block, that one is fetched again and not used.
      const fetchTurn = (turn: Expr) => fetch(w.let(w.fresh("start"), startOf(w.min(turn, last))));
      const axis = { extent: depth, role: "depth" } as const;
      w.for({ axis, name: w.fresh("pair"), first: w.u32(0), end: pairs, step: w.u32(1) }, (pair) => {
        next?.in(pair, (after) => this.#fetching.block(after, first, depth));
        const turn = w.let(w.fresh("turn"), w.mul(pair, two));
        const one = fetchTurn(w.add(turn, w.u32(1)));
        const beforeLast = () => this.#fetching.store(panels, 1, one);
        const operands = multiply(0, { beforeLast });
        const later = isOnce ? undefined : fetchTurn(w.add(turn, two));
        multiply(1, { operands });
        if (later !== undefined) this.#fetching.store(panels, 0, later);
      });
      if (known === undefined) w.if(w.equal(w.rem(turns, two), w.u32(1)), () => multiply(0));
      else if (known % 2 === 1) {
        if (isOnce) this.#fetching.store(panels, 0, fetch(startOf(last)));
        multiply(0);
      }
    };
    if (known === undefined) w.if(w.less(w.u32(0), turns), main);
    else if (known > 0) main();

    const rest = () => {
      const start = w.let(w.fresh("rest"), startOf(turns));
      w.if(w.less(start, end), () => {
        this.#fetching.store(panels, 0, this.#fetching.blockBelow(panels, start, end, depth));
        if (panels.some(({ alongDepth }) => alongDepth)) multiply(0);
        else this.#multiplyInLoop(phase, panels, running);
      });
    };
    if (!isWhole) rest();
    return next?.fetched;
  }

  /**
   * Registers for the first block of a phase, which the first turn of the loop before it fetches: a driver moves loads past
   * a loop, to where they are used, but not out of it.
   */
  #fetchLater(phase: Phase) {
    const w = this.#writer;
    const panels = this.#panelsOf(phase);
    const zeros = w.vector([w.f32(0)]);
    const registers = panels.map(({ fetched }) => fetched.map(() => w.var(w.fresh("ahead"), zeros)));
    return {
      fetched: registers,
      in: (turn: Expr, fetch: (panels: readonly Panel[]) => Fetched): void =>
        w.if(w.equal(turn, w.u32(0)), () => {
          for (const [p, vectors] of fetch(panels).entries())
            for (const [i, vector] of vectors.entries()) w.assign(at(at(registers, p), i), vector);
        }),
    };
  }

  /**
   * How often the loop over pairs of blocks turns. In a short one that is read from a uniform: a driver that knew it would
   * write its turns out, with twice the code and all loads at its start, for which registers are too few.
   */
  #pairs(turns: Expr, known: number | undefined): Expr {
    const w = this.#writer;
    if (known === undefined) return w.let(w.fresh("pairs"), w.div(turns, w.u32(2)));
    if (!isShort(known)) return w.u32(Math.floor(known / 2));
    return w.bind(`pairs of ${known}`, w.div(w.uniform([known]), w.u32(2)), 0);
  }

  #panelsOf({ left, transposed, products }: Phase): Panel[] {
    const { m, n, row0, column0, laneRow, laneColumn } = this.#place;
    const { rows, columns, rowLanes, columnLanes } = this.#shape;
    const ofRows = { size: m, start: row0, lanes: rowLanes, lane: laneRow, tile: rows };
    const ofColumns = { size: n, start: column0, lanes: columnLanes, lane: laneColumn, tile: columns };
    return [
      this.#panels.panel(0, left, !transposed, ofRows),
      ...products.map(({ right, transposed: depthFirst }, i) =>
        this.#panels.panel(i + 1, right, depthFirst, ofColumns),
      ),
    ];
  }

  /**
   * Multiplies all steps of a block; the operands of a step are read during the step before. `beforeLast` stores the block
   * after it, in the other slot: the result is what its first step reads.
   */
  #multiply(
    phase: Phase,
    panels: readonly Panel[],
    buffer: 0 | 1,
    running: RunningSums,
    { operands: first, beforeLast }: BlockTurn = {},
  ): StepOperands | undefined {
    const { steps } = this.#shape;
    let operands = first ?? this.#operands(panels, buffer, 0);
    let ofNext: StepOperands | undefined;
    for (let step = 0; step < steps; step++) {
      const next = step + 1 < steps ? this.#operands(panels, buffer, step + 1, operands) : undefined;
      if (next === undefined && beforeLast !== undefined) {
        beforeLast();
        ofNext = this.#operands(panels, buffer === 0 ? 1 : 0, 0);
      }
      this.#addProducts(phase, operands, running);
      operands = next ?? operands;
    }
    return ofNext;
  }

  /** The same in a loop, for a block that there is once. */
  #multiplyInLoop(phase: Phase, panels: readonly Panel[], running: RunningSums): void {
    const w = this.#writer;
    const { steps } = this.#shape;
    const head = { name: w.fresh("step"), first: w.u32(0), end: w.u32(steps), step: w.u32(1) };
    w.for({ axis: { extent: steps, role: "depth" }, ...head }, (step) => {
      this.#addProducts(phase, this.#operands(panels, 0, step), running);
    });
  }

  /** The numbers of a step, of all panels; `before` are those of the step before. */
  #operands(panels: readonly Panel[], buffer: 0 | 1, step: number | Expr, before?: StepOperands): StepOperands {
    return panels.map((panel, i) => this.#panels.read(panel, buffer, step, before?.[i]));
  }

  /** What was read last is used first, so that a lane waits once. */
  #addProducts({ products }: Phase, operands: StepOperands, running: RunningSums): void {
    const w = this.#writer;
    const left = at(operands, 0);
    const { rows, columns } = this.#shape;
    const across = columns / 4;
    for (const [p, { sum }] of [...products.entries()].reverse()) {
      const fours = Array.from({ length: across }, (_, c) => at(operands, p + 1).four(c));
      for (let row = 0; row < rows; row++)
        for (let c = across - 1; c >= 0; c--) {
          const register: Variable = running.register(sum, row * across + c);
          w.assign(register, w.add(register, w.mul(left.number(row), at(fours, c))));
        }
    }
  }
}

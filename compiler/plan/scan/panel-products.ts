/**
 * @file Products whose weights pass by (panels.ts): each lane loads vectors of four weights, multiplies them for all rows
 * of the workgroup, and adds up over its slice of the depth; the sums of all slices end up in workgroup memory.
 *
 * Loops count to constants, and the index of a value in its slot is made of constants and their variables, which a
 * compiler of WGSL can prove to be in bounds. The first turn stands before the loop: what all turns need, such as the
 * descriptor of the buffer, is then loaded once.
 */
import { at } from "../../graph/errors.ts";
import { type NodeId, nodeAt } from "../../graph/graph.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import type { Expr, GlobalArray, LocalArray, Variable } from "../../kernel/ir.ts";
import { operandIndices, type Position, rememberLoop } from "../emit/loops.ts";
import type { PlacedBuilder } from "../emit/placed-builder.ts";
import { Emitter, type Region } from "../emit/values.ts";
import type { Location } from "../program.ts";
import type { Stage } from "../stages/stages.ts";
import { fewTerms, four, type PanelGroup, type Panels, readTogether, rowInSlot } from "./panels.ts";
import type { WorkgroupRows } from "./workgroup-rows.ts";

/** No buffer has more vectors. With this mask a compiler can prove that small constants can be added without overflow. */
const everyVector = 2 ** 28 - 1;

export class PanelLanes {
  readonly panels: Panels;
  readonly #writer: PlacedBuilder;
  /** Where the weights of each group are. */
  readonly #places: readonly Location[];
  /** The number of the lane's slice of the depth, and of its vector of columns in a pass. */
  readonly slice: Expr;
  readonly unit: Expr;
  /** Where an index along the depth is in a sliced row. */
  readonly #within = new Map<Expr, Expr>();
  readonly #sums: LocalArray;
  readonly #rows: number;
  /** While products are written, whose operands lie along the depth. */
  isMultiplying = false;

  constructor(writer: PlacedBuilder, panels: Panels, places: readonly Location[], rows: number) {
    this.panels = panels;
    this.#writer = writer;
    this.#places = places;
    this.#rows = rows;
    const { slices, neighbours, sums } = panels;
    this.slice = slices === 1 ? writer.u32(0) : writer.let("slice", writer.rem(writer.lane, writer.u32(slices)));
    this.unit = slices === 1 ? writer.lane : writer.let("quad", writer.div(writer.lane, writer.u32(slices)));
    this.#sums = writer.sharedArray("f32", (slices / neighbours) * rows * sums);
  }

  /** Where an element of a row of `width` elements is in its array: the slot, and the index in it. */
  place(width: number, index: Index, row: Index): { readonly slot: Expr; readonly index: Expr } {
    const w = this.#writer;
    const { slices } = this.panels;
    const before = w.index.mul(row, w.index.dim(rowInSlot(width, slices)));
    const known = this.#within.get(index.expr);
    if (known !== undefined) return { slot: this.slice, index: w.bound(w.index.add(before, w.index.of(known))) };
    const quad = w.index.div(index, w.index.dim(four));
    const turn = w.index.div(quad, w.index.dim(slices));
    const inTurn = w.index.add(w.index.mul(turn, w.index.dim(four)), w.index.mod(index, w.index.dim(four)));
    return {
      slot: w.bound(w.index.mod(quad, w.index.dim(slices))),
      index: w.bound(w.index.add(before, inTurn)),
    };
  }

  /** A step of the lane's slice of a depth: of a turn, which is known or a variable of a loop. */
  depthIndex(depth: number, turn: Expr, step: number): Index {
    const w = this.#writer;
    const { slices } = this.panels;
    // A number, if it is one: which part of a concatenation it is in is known then, and no other part is read.
    if (slices === 1 && turn.kind === "literal") return w.index.below(w.index.dim(turn.value * four + step), depth);
    const group = w.add(w.mul(turn, w.u32(slices)), this.slice);
    const index = w.index.of(w.add(w.mul(group, w.u32(four)), w.u32(step)), depth);
    if (slices > 1) this.#within.set(index.expr, w.add(w.mul(turn, w.u32(four)), w.u32(step)));
    return index;
  }

  /** The vectors of a group that the lane reads: the array, and the number of the first of a pass. */
  vectorsOf(group: PanelGroup, pass: Expr): { readonly array: GlobalArray; readonly first: Expr } {
    const w = this.#writer;
    const { array, first } = w.vectorsOf(at(this.#places, group.number));
    const wave = w.div(w.lane, w.u32(readTogether));
    const ofWave = w.mul(w.add(w.mul(wave, w.u32(group.passes)), pass), w.u32(stepsOf(group) * readTogether));
    const inWave = w.rem(w.lane, w.u32(readTogether));
    return { array, first: w.add(w.add(first, inWave), ofWave) };
  }

  /** Adds the sums of the lanes of a column that are neighbours, in pairs. */
  addUp(sums: readonly Variable[]): readonly Expr[] {
    const w = this.#writer;
    let all: readonly Expr[] = sums;
    for (let apart = 1; apart < this.panels.neighbours; apart *= 2)
      all = all.map((sum) => w.let(w.fresh("sum"), w.add(sum, w.fromLaneXor(sum, apart))));
    return all;
  }

  /** Stores the sums of a vector of columns, one for each row. */
  storeSums(group: PanelGroup, quad: Expr, sums: readonly Expr[]): void {
    const w = this.#writer;
    const { slices, neighbours } = this.panels;
    const part = neighbours === slices ? w.u32(0) : w.div(this.slice, w.u32(neighbours));
    const column = w.add(w.mul(quad, w.u32(four)), w.u32(group.firstSum));
    for (const [r, sum] of sums.entries()) {
      const row = w.add(w.mul(part, w.u32(this.#rows)), w.u32(r));
      const first = w.let(w.fresh("first"), w.add(w.mul(row, w.u32(this.panels.sums)), column));
      for (let i = 0; i < four; i++) w.storeElement(this.#sums, w.add(first, w.u32(i)), w.component(sum, i));
    }
  }

  /** The sum of the `number`-th accumulator of a group at a column of a row. */
  loadSum(group: PanelGroup, number: number, row: Index, column: Index): Expr {
    const w = this.#writer;
    const { slices, neighbours, sums } = this.panels;
    const before = w.index.dim(group.firstSum + number * group.quadsOfOne * four);
    const inRow = w.index.add(column, before);
    const parts = Array.from({ length: slices / neighbours }, (_, part) => {
      const line = w.index.add(row, w.index.dim(part * this.#rows));
      const place = w.bound(w.index.add(w.index.mul(line, w.index.dim(sums)), inRow));
      return w.let(w.fresh("part"), w.load(this.#sums, place));
    });
    return w.let(w.fresh("sum"), pairwise(w, parts));
  }
}

/** Vectors that a lane reads in a pass. */
export function stepsOf({ turns, loops }: PanelGroup): number {
  return turns * loops * four;
}

/** The sum in the order in which lanes exchange: neighbours first. */
function pairwise(w: PlacedBuilder, terms: readonly Expr[]): Expr {
  if (terms.length === 1) return at(terms, 0);
  const pairs = terms.filter((_, i) => i % 2 === 0).map((term, i) => w.add(term, at(terms, 2 * i + 1)));
  return pairwise(w, pairs);
}

/** Writes the products of a stage, whose sums are then in workgroup memory. */
export function writePanelProducts(
  writer: PlacedBuilder,
  region: Region,
  stage: Stage,
  groups: readonly PanelGroup[],
  lanes: PanelLanes,
  rows: WorkgroupRows,
): void {
  lanes.isMultiplying = true;
  for (const group of groups) {
    const pass = (number: Expr) => new PanelPass(writer, region, stage, group, lanes, rows, number).write();
    const axis = { extent: group.passes, role: "columns" } as const;
    const loop = { axis, name: writer.fresh("pass"), first: writer.u32(0), step: writer.u32(1) };
    if (group.passes === 1) pass(writer.u32(0));
    else writer.for({ ...loop, end: writer.u32(group.passes) }, pass);
  }
  lanes.isMultiplying = false;
}

/** Makes the sums of a stage known at a position, for the code that goes on with them. */
export function rememberSums(
  emitter: Emitter,
  region: Region,
  groups: readonly PanelGroup[],
  lanes: PanelLanes,
  rows: WorkgroupRows,
  position: Position,
): void {
  for (const group of groups)
    for (const [i, { result, loops }] of group.accumulators.entries()) {
      const [row, column] = position.indexIn(nodeAt(region.graph, at(loops, 0)).aval.shape);
      if (row === undefined || column === undefined) continue;
      rememberLoop(emitter, region, result, position, lanes.loadSum(group, i, rows.rowAt([row]).local, column));
    }
}

/** A turn of a loop over the depth, and which vectors belong to it. */
interface Turn {
  readonly number: Expr;
  /** Whether some of its steps are beyond the depth, in some slices. */
  readonly isLast: boolean;
}

/** What the lanes multiply between two beginnings: one vector of columns for each lane. */
class PanelPass {
  readonly #w: PlacedBuilder;
  readonly #region: Region;
  readonly #group: PanelGroup;
  readonly #lanes: PanelLanes;
  readonly #rows: WorkgroupRows;
  readonly #emitter: Emitter;
  readonly #pass: Expr;
  readonly #loops: readonly NodeId[];
  #positions: readonly Position[] = [];
  readonly #first: Expr;
  readonly #array: GlobalArray;

  constructor(
    writer: PlacedBuilder,
    region: Region,
    stage: Stage,
    group: PanelGroup,
    lanes: PanelLanes,
    rows: WorkgroupRows,
    pass: Expr,
  ) {
    this.#w = writer;
    this.#region = region;
    this.#group = group;
    this.#lanes = lanes;
    this.#rows = rows;
    this.#pass = pass;
    this.#emitter = new Emitter(writer, { region, ids: stage.roots });
    this.#loops = at(group.accumulators, 0).loops;
    const { array, first } = lanes.vectorsOf(group, pass);
    this.#array = array;
    this.#first = writer.bind(`vectors ${first.id}`, first);
  }

  write(): void {
    const w = this.#w;
    const { quads, lanes, passes, columns } = this.#group;
    const { panels, unit, slice } = this.#lanes;
    this.#rows.enterBlock();
    this.#positions = this.#rows.tile(w.u32(0), 1, columns, false, undefined).positions;
    const sums = this.#positions.map(() => this.#startSum());
    if (lanes === panels.lanes) this.#addUp(sums);
    else w.if(w.less(w.lane, w.u32(lanes)), () => this.#addUp(sums));
    const added = this.#lanes.addUp(sums);
    const perPass = panels.lanes / panels.slices;
    const quad = w.add(w.mul(this.#pass, w.u32(perPass)), unit);
    const isFirst = panels.neighbours === 1 ? undefined : w.equal(w.rem(slice, w.u32(panels.neighbours)), w.u32(0));
    const exists = quads === passes * perPass ? undefined : w.less(quad, w.u32(quads));
    const store = () => this.#lanes.storeSums(this.#group, quad, added);
    const condition = isFirst === undefined ? exists : exists === undefined ? isFirst : w.and(isFirst, exists);
    if (condition === undefined) store();
    else w.if(condition, store);
  }

  #startSum(): Variable {
    return this.#w.var(this.#w.fresh("sum"), this.#w.vector([this.#w.f32(0)]));
  }

  /** Adds all products of the lane's slice. */
  #addUp(sums: readonly Variable[]): void {
    const w = this.#w;
    const { depth, loops, turns } = this.#group;
    const { slices, together } = this.#lanes.panels;
    this.#rows.enterBlock();
    const whole = Math.floor(depth / (four * slices));
    const perTurn = Math.max(1, Math.floor(together / loops));
    const turnsFrom = (first: Expr, count: number): Turn[] =>
      Array.from({ length: count }, (_, i) => ({ number: w.add(first, w.u32(i)), isLast: false }));
    const before = Math.min(perTurn, whole);
    this.#add(turnsFrom(w.u32(0), before), sums);
    const rounds = Math.floor((whole - before) / perTurn);
    const perPart = Math.max(1, Math.floor(fewTerms / (four * loops * perTurn)));
    const loop = (first: Expr, count: number, into: readonly Variable[]) => {
      if (count === 0) return;
      const axis = { extent: depth, role: "depth" } as const;
      const head = { axis, name: w.fresh("turn"), first: w.u32(0), end: w.u32(count), step: w.u32(1) };
      w.for(head, (turn) => {
        this.#rows.enterBlock();
        this.#add(turnsFrom(w.add(w.mul(turn, w.u32(perTurn)), first), perTurn), into);
      });
      this.#rows.enterBlock();
    };
    const inPart = (first: Expr, count: number) => {
      const parts = sums.map(() => this.#startSum());
      loop(first, count, parts);
      for (const [i, sum] of sums.entries()) w.assign(sum, w.add(sum, at(parts, i)));
    };
    if (rounds <= perPart) loop(w.u32(before), rounds, sums);
    else {
      const parts = Math.floor(rounds / perPart);
      const axis = { extent: depth, role: "block" } as const;
      const head = { axis, name: w.fresh("part"), first: w.u32(0), end: w.u32(parts), step: w.u32(1) };
      w.for(head, (part) => inPart(w.add(w.mul(part, w.u32(perPart * perTurn)), w.u32(before)), perPart));
      if (rounds % perPart > 0) inPart(w.u32(before + parts * perPart * perTurn), rounds % perPart);
    }
    const rest = before + rounds * perTurn;
    this.#add(turnsFrom(w.u32(rest), whole - rest), sums);
    if (turns > whole) this.#add([{ number: w.u32(whole), isLast: true }], sums);
  }

  /** Adds the products of some turns: first loads the weights, some products together, then multiplies them. */
  #add(turns: readonly Turn[], sums: readonly Variable[]): void {
    const w = this.#w;
    const { together } = this.#lanes.panels;
    const { depth, loops } = this.#group;
    const [firstTurn] = turns;
    if (firstTurn === undefined) return;
    const perTurn = loops * four * readTogether;
    const base = w.add(this.#first, w.mul(firstTurn.number, w.u32(perTurn)));
    const address = w.let(w.fresh("at"), w.bitAnd(base, w.u32(everyVector)));
    const units = turns.flatMap((turn, t) => this.#loops.map((id, j) => ({ turn, id, number: t * loops + j })));
    for (let i = 0; i < units.length; i += together) {
      const some = units.slice(i, i + together).map((unit) => ({
        ...unit,
        weights: Array.from({ length: four }, (_, c) => {
          const ahead = (unit.number * four + c) * readTogether;
          return w.let(w.fresh("w"), w.load(this.#array, w.add(address, w.u32(ahead))));
        }),
      }));
      for (const [r, sum] of sums.entries()) {
        const total = some.reduce<Expr>(
          (all, { turn, id, weights }) =>
            weights.reduce((part, weight, c) => {
              const value = this.#left(id, at(this.#positions, r), turn, c, depth);
              return value === undefined ? part : w.add(part, w.mul(weight, value));
            }, all),
          sum,
        );
        w.assign(sum, total);
      }
    }
  }

  /** The left operand of a product at a step of a turn; undefined if no slice has that step. */
  #left(id: NodeId, position: Position, { number, isLast }: Turn, step: number, depth: number): Expr | undefined {
    const w = this.#w;
    const k = this.#lanes.depthIndex(depth, number, step);
    if (k.expr.kind === "literal" && k.expr.value >= depth) return undefined;
    const left = at(nodeAt(this.#region.graph, id).operands, 0);
    const index = at(operandIndices(this.#region, id, position, [k]), 0);
    const value = () => this.#emitter.value(this.#region, left, index);
    if (!isLast || k.expr.kind === "literal") return value();
    const read = w.conditionally(value);
    return w.bind(
      `within ${depth} ${read.id} ${k.expr.id}`,
      w.select(w.less(k.expr, w.u32(depth)), read, w.f32(0)),
      w.depth,
    );
  }
}

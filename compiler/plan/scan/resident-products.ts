/**
 * @file Products whose weights stay in registers: each lane multiplies its slice of the depth, and the lanes of a column
 * add their partial sums in pairs, 1 apart, 2 apart, 4 apart, and so on. Every lane of a column has the sum afterwards.
 *
 * Nothing says that weights are loaded before the loop over time: a load is bound in the outermost block in which its
 * index is known, and the index of a weight depends on the lane only.
 */
import { at } from "../../graph/errors.ts";
import { type NodeId, nodeAt } from "../../graph/graph.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import type { Expr, LocalArray } from "../../kernel/ir.ts";
import {
  accumulated,
  loopGroups,
  operandIndices,
  type Position,
  type ReducedStep,
  rememberLoop,
  startLoop,
} from "../emit/loops.ts";
import type { PlacedBuilder } from "../emit/placed-builder.ts";
import { type Emitter, type Region, valueKey } from "../emit/values.ts";
import { loopExtentsOf } from "../stages/loops.ts";
import type { Stage } from "../stages/stages.ts";
import type { Residency } from "./residency.ts";

/** How the lanes of a workgroup share columns and depth. */
export class LaneSlices {
  readonly #writer: PlacedBuilder;
  readonly #residency: Residency;
  /** The number of the lane's column, and of its slice of the depth. */
  readonly #column: Expr;
  readonly #slice: Expr;
  /** Where an index along the depth is in a sliced row: keyed by the index. */
  readonly #positions = new Map<Expr, { readonly depth: number; readonly within: Expr }>();
  #exchange: LocalArray | undefined;

  constructor(writer: PlacedBuilder, residency: Residency) {
    this.#writer = writer;
    this.#residency = residency;
    const { slices } = residency;
    this.#column = slices === 1 ? writer.lane : writer.let("ownColumn", writer.div(writer.lane, writer.u32(slices)));
    this.#slice = slices === 1 ? writer.u32(0) : writer.let("slice", writer.rem(writer.lane, writer.u32(slices)));
  }

  /** Lanes of a column. */
  get slices(): number {
    return this.#residency.slices;
  }

  /** Values whose elements are all numbers of f16. */
  get inHalf(): ReadonlySet<NodeId> {
    return this.#residency.inHalf;
  }

  /** The lane's column of `width`; lanes beyond the last column have that one, too. */
  columnOf(width: number): Index {
    const w = this.#writer;
    const { lanes, slices } = this.#residency;
    const isExact = width * slices === lanes;
    const column = isExact ? this.#column : w.min(this.#column, w.u32(width - 1));
    return w.index.of(w.bind(`column of ${width}`, column, 0), width);
  }

  /** Whether four lanes in a row, which exchange values without memory, are of one column. */
  get formQuads(): boolean {
    return this.#residency.inSubgroup && this.#residency.slices >= 4;
  }

  /** One of some values: each lane of a column has another one, lanes beyond the last value have the first. */
  choose(values: readonly Expr[]): Expr {
    return this.#choice(values, (i) => this.#isSlice(i));
  }

  /** One of two to four values: each of four neighbours has another one, lanes beyond the last value have the first. */
  chooseInQuad(values: readonly Expr[]): Expr {
    const w = this.#writer;
    const inQuad = this.slices === 4 ? this.#slice : w.bind("lane of four", w.bitAnd(w.lane, w.u32(3)), 0);
    return this.#choice(values, (i) => w.bind(`is lane ${i} of four`, w.equal(inQuad, w.u32(i)), 0));
  }

  /** The value that most lanes need is the one that needs no condition. */
  #choice(values: readonly Expr[], has: (i: number) => Expr): Expr {
    const countOf = (value: Expr) => values.filter((other) => other === value).length;
    const most = values.reduce((best, value) => (countOf(value) > countOf(best) ? value : best));
    return values.reduce(
      (chosen, value, i) => (value === most ? chosen : this.#writer.select(has(i), value, chosen)),
      most,
    );
  }

  #isSlice(number: number): Expr {
    const w = this.#writer;
    return w.bind(`is slice ${number}`, w.equal(this.#slice, w.u32(number)), 0);
  }

  /** Whether the lane is one of the first `count` of a column of `width`; undefined if all lanes are. */
  ownsAmong(width: number, count: number): Expr | undefined {
    const w = this.#writer;
    const { lanes, slices } = this.#residency;
    const isAmong = count === 1 ? this.#isSlice(0) : w.less(this.#slice, w.u32(count));
    const exists = w.less(this.#column, w.u32(width));
    if (width * slices === lanes) return count === slices ? undefined : w.bind(`among ${count}`, isAmong, 0);
    return w.bind(`among ${count} of ${width}`, count === slices ? exists : w.and(isAmong, exists), 0);
  }

  /** Whether the lane is the one that stores its column of `width` in workgroup memory. */
  ownsColumn(width: number): Expr {
    return this.ownsAmong(width, 1) ?? this.#writer.bool(true);
  }

  /** The `step`-th index of the lane's slice of a depth. */
  depthIndex(depth: number, step: number): Index {
    const { index } = this.#writer;
    const { slices } = this.#residency;
    // With one slice it is a number: which part of a concatenation it is in is known, and no other part is read.
    const start = slices === 1 ? index.dim(0) : index.mul(index.of(this.#slice), index.dim(depth / slices));
    const found = index.below(index.add(start, index.dim(step)), depth);
    this.#positions.set(found.expr, { depth, within: this.#writer.u32(step) });
    return found;
  }

  /** Whether an index runs along a lane's slice of the depth. */
  isAlongDepth(index: Index): boolean {
    return this.#positions.has(index.expr);
  }

  /** Where an index of a sliced row of `width` elements is. */
  place(width: number, index: Index): { readonly slice: Expr; readonly within: Expr } {
    const known = this.#positions.get(index.expr);
    // An index along a shorter depth, such as that of half a state, is in another slice of the whole row.
    if (known?.depth === width) return { slice: this.#slice, within: known.within };
    const w = this.#writer;
    const length = w.index.dim(width / this.#residency.slices);
    return { slice: w.bound(w.index.div(index, length)), within: w.bound(w.index.mod(index, length)) };
  }

  /** Adds partial sums over the lanes of a column; the sums of one stage together. */
  addUp(partials: readonly Expr[]): Expr[] {
    const { slices, inSubgroup, lanes, mostSums } = this.#residency;
    const w = this.#writer;
    if (slices === 1) return [...partials];
    if (inSubgroup) {
      let sums: readonly Expr[] = partials;
      for (let apart = 1; apart < slices; apart *= 2)
        sums = sums.map((sum) => w.let(w.fresh("sum"), w.add(sum, w.fromLaneXor(sum, apart))));
      return [...sums];
    }
    if (partials.length > mostSums)
      return [...this.addUp(partials.slice(0, mostSums)), ...this.addUp(partials.slice(mostSums))];
    this.#exchange ??= w.sharedArray("f32", lanes, mostSums);
    const { slots } = this.#exchange;
    const array = this.#exchange;
    const slot = (i: number) => (slots === 1 ? undefined : w.u32(i));
    for (const [i, partial] of partials.entries()) {
      const number = slot(i);
      if (number === undefined) w.storeElement(array, w.lane, partial);
      else w.storeInSlot(array, number, w.lane, partial);
    }
    const first = w.bind("first lane of the column", w.sub(w.lane, this.#slice), 0);
    return partials.map((_, i) => {
      const all = Array.from({ length: slices }, (_, s) =>
        w.let(w.fresh("part"), w.load(array, w.bind(`lane ${s} of the column`, w.add(first, w.u32(s)), 0), slot(i))),
      );
      return w.let(w.fresh("sum"), pairwise(w, all));
    });
  }
}

/** The sum in the order in which lanes exchange: neighbours first. */
function pairwise(w: PlacedBuilder, terms: readonly Expr[]): Expr {
  if (terms.length === 1) return at(terms, 0);
  const pairs = terms
    .filter((_, i) => i % 2 === 0)
    .map((term, i) => (2 * i + 1 < terms.length ? w.add(term, at(terms, 2 * i + 1)) : term));
  return pairwise(w, pairs);
}

/** Runs all products of a stage at the lane's column, and makes their sums known to the emitter. */
export function runResidentProducts(
  emitter: Emitter,
  region: Region,
  stage: Stage,
  position: Position,
  lanes: LaneSlices,
  hasSteps: Expr,
): void {
  const { writer } = emitter;
  for (const group of loopGroups(region, stage.accumulators)) {
    const depth = Number(at(loopExtentsOf(region, at(at(group, 0).loops, 0)), 0));
    const length = depth / lanes.slices;
    const chains = length < 2 * fewestChains ? 1 : Math.ceil(fewestChains / group.length);
    const sums = group.map(({ loops }) =>
      Array.from({ length: chains }, () => startLoop(writer, region, at(loops, 0))),
    );
    const lefts = new Set(group.flatMap(({ loops }) => loops.map((id) => at(nodeAt(region.graph, id).operands, 0))));
    const together = Math.max(4, Math.floor(readTogether / lefts.size));
    for (let start = 0; start < length; start += together) {
      const turns = Array.from({ length: Math.min(together, length - start) }, (_, i): Turn => {
        return { index: [lanes.depthIndex(depth, start + i)], number: start + i };
      });
      for (const turn of turns)
        for (const { loops } of group)
          for (const id of loops) {
            readLeft(emitter, region, id, position, turn);
            const held = lanes.inHalf.has(at(nodeAt(region.graph, id).operands, 1)) ? holdTwo : holdWeight;
            held({ emitter, region, id, position, lanes, depth, hasSteps }, turn);
          }
      const terms = turns.flatMap((turn) => group.flatMap(({ loops }, i) => loops.map((id) => ({ turn, id, i }))));
      for (const { turn, id, i } of terms.reverse()) {
        const chain = at(sums, i);
        const sum = at(chain, 0);
        writer.assign(sum, accumulated(emitter, region, [id], sum, position, [turn]));
        chain.push(...chain.splice(0, 1));
      }
    }
    const partials = sums.map((chain) =>
      chain.length === 1 ? at(chain, 0) : writer.let(writer.fresh("chains"), pairwise(writer, chain)),
    );
    for (const [i, sum] of lanes.addUp(partials).entries())
      rememberLoop(emitter, region, at(group, i).result, position, sum);
  }
}

/** Running sums of a lane that do not wait for each other, at least: an addition takes as long as several issues. */
const fewestChains = 3;

/**
 * Values along the depth that a lane reads before it multiplies any. They return in order, and the last one is
 * multiplied first: one wait serves them all.
 */
const readTogether = 16;

/** Reads the left operand of a product in a step. */
function readLeft(emitter: Emitter, region: Region, id: NodeId, position: Position, step: ReducedStep): void {
  const left = at(nodeAt(region.graph, id).operands, 0);
  emitter.value(region, left, at(operandIndices(region, id, position, step.index), 0));
}

/** A product at a position, whose weights a lane holds. */
interface HeldProduct {
  readonly emitter: Emitter;
  readonly region: Region;
  readonly id: NodeId;
  readonly position: Position;
  readonly lanes: LaneSlices;
  readonly depth: number;
  /** Whether the kernel runs any step. */
  readonly hasSteps: Expr;
}

/** A weight of a product, and the key under which the product finds it. */
function weightAt({ emitter, region, id, position }: HeldProduct, step: ReducedStep) {
  const right = at(nodeAt(region.graph, id).operands, 1);
  const index = at(operandIndices(region, id, position, step.index), 1);
  return { key: valueKey(region, right, index), read: () => emitter.value(region, right, index) };
}

/**
 * Makes the weight of a step known, as a value that is loaded before the loop over time. The other choice of the select
 * is never taken: it makes a GPU's compiler wait for the loads there, and not at every use in the loop.
 */
function holdWeight(product: HeldProduct, step: Turn): void {
  const { writer } = product.emitter;
  const { key, read } = weightAt(product, step);
  const weight = read();
  const held = writer.bind(`held ${weight.id}`, writer.select(product.hasSteps, weight, writer.f32(0)), 0);
  writer.remember(key, held);
}

/** The same for numbers of f16: two neighbours along the depth share a register, and each is unpacked where it is used. */
function holdTwo(product: HeldProduct, step: Turn): void {
  const { emitter, lanes, depth, hasSteps } = product;
  const { writer } = emitter;
  const first = step.number - (step.number % 2);
  const both = [first, Math.min(first + 1, depth / lanes.slices - 1)].map((number) =>
    weightAt(product, { index: [lanes.depthIndex(depth, number)] }),
  );
  const name = `held ${both.map(({ key }) => key).join()}`;
  const word = writer.known(name) ?? packed();
  writer.remember(weightAt(product, step).key, writer.unpackHalf(word, step.number % 2 === 0 ? 0 : 1));

  function packed(): Expr {
    const [low, high] = both.map(({ read }) => read()) as [Expr, Expr];
    return writer.bind(name, writer.select(hasSteps, writer.packHalf(low, high), writer.u32(0)), 0);
  }
}

/** A term of a product: an index along the depth, and its number in the lane's slice. */
interface Turn extends ReducedStep {
  readonly number: number;
}

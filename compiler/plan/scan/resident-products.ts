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
import type { Expr, LocalArray, Variable } from "../../kernel/ir.ts";
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

  /** The lane's column of `width`; lanes beyond the last column have that one, too. */
  columnOf(width: number): Index {
    const w = this.#writer;
    const { lanes, slices } = this.#residency;
    const isExact = width * slices === lanes;
    const column = isExact ? this.#column : w.min(this.#column, w.u32(width - 1));
    return w.index.of(w.bind(`column of ${width}`, column, 0), width);
  }

  /** Whether the lane is the one that stores its column of `width`. */
  ownsColumn(width: number): Expr {
    const w = this.#writer;
    const { lanes, slices } = this.#residency;
    const isFirst = w.equal(this.#slice, w.u32(0));
    const exists = w.less(this.#column, w.u32(width));
    return w.bind(`owns column of ${width}`, width * slices === lanes ? isFirst : w.and(isFirst, exists), 0);
  }

  /** The `step`-th index of the lane's slice of a depth. */
  depthIndex(depth: number, step: number): Index {
    const { index } = this.#writer;
    const length = depth / this.#residency.slices;
    const found = index.below(index.add(index.mul(index.of(this.#slice), index.dim(length)), index.dim(step)), depth);
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
  addUp(partials: readonly Variable[]): Expr[] {
    const { slices, inSubgroup, lanes, mostSums } = this.#residency;
    const w = this.#writer;
    if (slices === 1) return [...partials];
    if (inSubgroup) {
      let sums: readonly Expr[] = partials;
      for (let apart = 1; apart < slices; apart *= 2)
        sums = sums.map((sum) => w.let(w.fresh("sum"), w.add(sum, w.fromLaneXor(sum, apart))));
      return [...sums];
    }
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
  const pairs = terms.filter((_, i) => i % 2 === 0).map((term, i) => w.add(term, at(terms, 2 * i + 1)));
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
    const sums = group.map(({ loops }) => startLoop(writer, region, at(loops, 0)));
    for (let step = 0; step < depth / lanes.slices; step++) {
      const turn = [{ index: [lanes.depthIndex(depth, step)] }];
      for (const { loops } of group)
        for (const id of loops) holdWeight(emitter, region, id, position, at(turn, 0), hasSteps);
      for (const [i, { loops }] of group.entries()) {
        const sum = at(sums, i);
        writer.assign(sum, accumulated(emitter, region, loops, sum, position, turn));
      }
    }
    for (const [i, sum] of lanes.addUp(sums).entries())
      rememberLoop(emitter, region, at(group, i).result, position, sum);
  }
}

/**
 * Makes the weight that a product multiplies in a step known, as a value that is loaded before the loop over time. The
 * other choice is never taken: it makes a GPU's compiler wait for the loads there, and not at every use in the loop.
 */
function holdWeight(
  emitter: Emitter,
  region: Region,
  id: NodeId,
  position: Position,
  step: ReducedStep,
  hasSteps: Expr,
): void {
  const { writer } = emitter;
  const right = at(nodeAt(region.graph, id).operands, 1);
  const index = at(operandIndices(region, id, position, step.index), 1);
  const weight = emitter.value(region, right, index);
  const held = writer.bind(`held ${weight.id}`, writer.select(hasSteps, weight, writer.f32(0)), 0);
  writer.remember(valueKey(region, right, index), held);
}

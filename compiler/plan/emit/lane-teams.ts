/**
 * @file Teams: lanes of a workgroup that reduce one position together. Each has its own part; the lanes of a team
 * combine these in pairs, 1 apart, then 2 apart, 4 apart, and so on, and every lane has the result afterwards. That order
 * is the same whether neighbours exchange values in their subgroup or through workgroup memory, so no bit depends on the
 * size of a subgroup.
 *
 * In a subgroup an exchange costs one instruction. Through memory, a lane reads several parts at once, and combines them
 * in the same order, so that fewer barriers are needed.
 */
import { at } from "../../graph/errors.ts";
import type { KernelBuilder } from "../../kernel/builder.ts";
import type { Expr, LocalArray } from "../../kernel/ir.ts";

export interface TeamLayout {
  /** Lanes of a team, a power of two. */
  readonly size: number;
  /** Number of teams. */
  readonly count: number;
  /** Whether the lanes of a team are neighbours; otherwise lanes of different teams are. */
  readonly inARow: boolean;
  /** How many lanes in a row, from a multiple of that number on, are neighbours in a subgroup. */
  readonly neighbours: number;
  /** Lanes of the workgroup, if some are in no team: those work for the last one again, and their parts do not count. */
  readonly lanes?: number;
}

/** A lane's part, and how two are combined, in either order. */
export interface Part {
  readonly value: Expr;
  readonly join: (a: Expr, b: Expr) => Expr;
}

/** Parts that a lane reads and combines at once. */
const partsAtOnce = 8;

/** Elements of workgroup memory that one exchange fills, at most; two alternate. */
const mostElements = 1024;

/** Lanes of a team that exchange in their subgroup: as many as a whole number of times make up the workgroup. */
function nearOf({ size, count, inARow, neighbours, lanes = size * count }: TeamLayout): number {
  let near = inARow ? Math.min(neighbours, size) : 1;
  while (lanes % near !== 0) near /= 2;
  return near;
}

/** Values whose parts are exchanged at once. */
function atOnce(layout: TeamLayout): number {
  return Math.max(1, Math.floor(mostElements / ((layout.count * layout.size) / nearOf(layout))));
}

/** Elements of workgroup memory in which teams exchange the parts of `values` values, at most. */
export function exchangedElements(layout: TeamLayout, values: number): number {
  const near = nearOf(layout);
  let [elements, exchanges] = [0, 0];
  for (let left = layout.size / near; left > 1; left = left <= near ? 1 : left / Math.min(left, partsAtOnce)) {
    elements += layout.count * left;
    exchanges += 1;
  }
  // Arrays alternate between exchanges: after an even number of them, the next values meet the same arrays.
  return (exchanges % 2 === 0 ? 1 : 2) * Math.min(values, atOnce(layout)) * elements;
}

export class LaneTeams {
  readonly layout: TeamLayout;
  /** The number of the lane's team, and of the lane in it. */
  readonly team: Expr;
  readonly member: Expr;
  /** Whether the lane is the first of a team. */
  readonly isFirst: Expr;
  readonly #writer: KernelBuilder;
  /** Whether the lane is in a team; undefined if every lane is. */
  readonly #counts: Expr | undefined;
  readonly #near: number;
  /** Two exchanges in a row use different arrays, so that no barrier is needed after the first. */
  readonly #arrays = new Map<string, LocalArray>();
  #exchanges = 0;

  constructor(writer: KernelBuilder, layout: TeamLayout) {
    const { size, count, inARow, lanes = size * count } = layout;
    this.#writer = writer;
    this.layout = layout;
    this.#near = nearOf(layout);
    const [high, low] = [
      (by: number) => writer.bind(`lane / ${by}`, writer.div(writer.lane, writer.u32(by)), 0),
      (by: number) => writer.bind(`lane % ${by}`, writer.rem(writer.lane, writer.u32(by)), 0),
    ];
    const own = inARow ? high(size) : low(count);
    const isExact = lanes === size * count;
    this.#counts = isExact
      ? undefined
      : writer.bind(`is in ${count} of ${size}`, writer.less(own, writer.u32(count)), 0);
    const last = writer.u32(count - 1);
    this.team = count === 1 ? writer.u32(0) : isExact ? own : writer.bind(`team of ${count}`, writer.min(own, last), 0);
    this.member = inARow ? low(size) : high(count);
    const isFirst = writer.equal(this.member, writer.u32(0));
    this.isFirst = this.#counts === undefined ? isFirst : writer.and(isFirst, this.#counts);
  }

  /** Combines the parts of each team: those of several values at once, as far as workgroup memory is there for them. */
  combine(parts: readonly Part[]): Expr[] {
    const together = atOnce(this.layout);
    if (parts.length > together)
      return [...this.combine(parts.slice(0, together)), ...this.combine(parts.slice(together))];
    return this.#combineTogether(parts);
  }

  #combineTogether(parts: readonly Part[]): Expr[] {
    const { size } = this.layout;
    const near = this.#near;
    let values = this.#inSubgroup(
      parts,
      parts.map(({ value }) => value),
      near,
    );
    for (let left = size / near; left > 1; ) {
      const [arrays, together] = [this.#share(parts, values, left), left <= near];
      if (together) {
        const place = this.#place(this.#writer.rem(this.member, this.#writer.u32(left)), left);
        values = this.#inSubgroup(
          parts,
          arrays.map((array) => this.#writer.load(array, place)),
          left,
        );
        left = 1;
      } else {
        const read = Math.min(left, partsAtOnce);
        values = parts.map(({ join }, i) => this.#readParts(at(arrays, i), join, left, read));
        left /= read;
      }
    }
    return values;
  }

  #inSubgroup(parts: readonly Part[], values: readonly Expr[], lanes: number): Expr[] {
    const w = this.#writer;
    let joined = values.map((value) => w.let(w.fresh("part"), value));
    for (let apart = 1; apart < lanes; apart *= 2)
      joined = parts.map(({ join }, i) => {
        const own = at(joined, i);
        return w.let(w.fresh("part"), join(own, w.fromLaneXor(own, apart)));
      });
    return joined;
  }

  /** Stores the parts that are left of each team, `left` of them, in workgroup memory. */
  #share(parts: readonly Part[], values: readonly Expr[], left: number): LocalArray[] {
    const w = this.#writer;
    const { size, count } = this.layout;
    this.#exchanges += 1;
    const arrays = parts.map(({ value }, i) => {
      const key = `${value.type} ${count * left} ${i} ${this.#exchanges % 2}`;
      const array = this.#arrays.get(key) ?? w.sharedArray(value.type, count * left);
      this.#arrays.set(key, array);
      return array;
    });
    const each = w.u32(size / left);
    const place = this.#place(w.div(this.member, each), left);
    const store = () => {
      for (const [i, array] of arrays.entries()) w.storeElement(array, place, at(values, i));
    };
    const isFirst = left === size ? undefined : w.equal(w.rem(this.member, each), w.u32(0));
    const stores = [isFirst, this.#counts].filter((condition) => condition !== undefined);
    if (stores.length === 0) store();
    else w.if(stores.reduce(w.and), store);
    return arrays;
  }

  #readParts(array: LocalArray, join: Part["join"], left: number, read: number): Expr {
    const w = this.#writer;
    const first = w.mul(w.div(this.member, w.u32((this.layout.size / left) * read)), w.u32(read));
    const all = Array.from({ length: read }, (_, i) =>
      w.let(w.fresh("part"), w.load(array, this.#place(w.add(first, w.u32(i)), left))),
    );
    return w.let(w.fresh("part"), inPairs(all, join));
  }

  /** Where the `number`-th of the parts that are left of the lane's team is. */
  #place(number: Expr, left: number): Expr {
    const w = this.#writer;
    const { count, inARow } = this.layout;
    const place = inARow ? w.add(w.mul(this.team, w.u32(left)), number) : w.add(w.mul(number, w.u32(count)), this.team);
    return w.bind(`part at ${place.id}`, place, 0);
  }
}

/** Combines neighbours first: ((a, b), (c, d)), …; an odd one at the end is left for the next turn. */
export function inPairs(terms: readonly Expr[], join: (a: Expr, b: Expr) => Expr): Expr {
  if (terms.length === 1) return at(terms, 0);
  const pairs: Expr[] = [];
  for (let i = 0; i < terms.length; i += 2) {
    const [a, b] = [at(terms, i), terms[i + 1]];
    pairs.push(b === undefined ? a : join(a, b));
  }
  return inPairs(pairs, join);
}

/**
 * @file A chunk of steps of a matrix memory as products of matrices (Hua et al. 2022, arXiv:2202.10447; Yang et al. 2023,
 * arXiv:2312.06635, section 4). With the products of decays between the start of the chunk, its steps and its end:
 *
 *   scores(Q, W)[t, s] = q_t · (decays after step s and before step t) · w_s          for s before t, else 0
 *   found              = (Q · decays since the start) S + scores(Q, W) U + what the step itself has written
 *   S'                 = (decays of the chunk) S + U^T (W · decays until the end)
 *
 * The delta rule corrects what a read has found, u = c r + g, so r depends on the reads before it: a triangular system
 * (I - scores diag(c)) r = found from S and g (the UT transform: Yang et al. 2024, arXiv:2406.06484, section 3).
 *
 * Products of decays are found by doubling: two halves of a block have those since its start, until its end, and over all
 * of it; a score from the first half to the second takes the decays until the end of one and since the start of the other.
 * Nothing is divided and no logarithm is taken, so decays may be 0, negative, or so small that products underflow.
 */
import type { Shape } from "../graph/dim.ts";
import { at } from "../graph/errors.ts";
import { dot } from "../ops/contractions.ts";
import { add, less, mul } from "../ops/elementwise.ts";
import { and, equal, where } from "../ops/logic.ts";
import { slice } from "../ops/pieces.ts";
import { iota } from "../ops/sources.ts";
import { broadcast, fill, reshape, sum, transpose } from "../ops/views.ts";
import type { Tensor } from "../trace/tensor.ts";
import type { KeyAxis, MemoryStep, Read, Written } from "./memory-step.ts";

type Float = Tensor<"f32">;

/** The steps of a chunk: every value is [..stack, steps, keys or values or 1]. */
export interface ChunkSteps extends MemoryStep {
  /** Whether the last step comes first. */
  readonly reverse: boolean;
}

/** The memory after a chunk, and what each read has found in each step, [..stack, steps, values]. */
export interface ChunkResult {
  readonly memory: Float;
  readonly found: readonly Float[];
}

/** Adds a chunk of `steps` steps, a power of two, to the current trace; `memory` is [..stack, n, m]. */
export function memoryChunk(memory: Float, steps: number, chunk: ChunkSteps): ChunkResult {
  const { keyAxis, written, reads, corrected } = chunk;
  const stack = memory.shape.slice(0, -2);
  const decays = chunk.decay && new Decays(chunk.decay, steps, chunk.reverse);
  const scores = (queries: Float, keys: Float): Float => {
    if (decays !== undefined) return decays.scores(queries, keys);
    const all = dot(queries, keys, { transposeB: true });
    return where(broadcast(isBefore(steps, chunk.reverse), all.shape), all, 0);
  };
  /** The query for what was there before the step. */
  const ofEarlier = ({ query, faded }: Read) => (faded === undefined ? query : scaled(query, faded));
  const ofStart = (read: Read) => {
    const queries = ofEarlier(read);
    const faded = decays === undefined ? queries : scaled(queries, decays.sinceStart);
    return dot(faded, memory, { transposeB: keyAxis === "columns" });
  };
  const total = (terms: readonly Float[]) => terms.reduce((a, b) => add(a, b));

  let correction: Float | undefined;
  const valuesOf = ({ value, factor }: Written): Float | undefined => {
    const corrections = factor && correction && scaled(correction, factor);
    return corrections === undefined ? value : value === undefined ? corrections : add(corrections, value);
  };
  const ofOwn = (read: Read) =>
    read.outers.flatMap((outer) => {
      const value = valuesOf(outer);
      return value === undefined ? [] : [scaled(value, sum(mul(outer.key, read.query), -1, { keepAxes: true }))];
    });
  const foundBy = (read: Read) =>
    total([
      ofStart(read),
      ...written.flatMap((outer) => {
        const value = valuesOf(outer);
        return value === undefined ? [] : [dot(scores(ofEarlier(read), outer.key), value)];
      }),
      ...ofOwn(read),
    ]);
  if (corrected !== undefined) {
    const read = at(reads, corrected);
    const parts = written.flatMap(({ factor, key }) =>
      factor === undefined ? [] : [scaled(scores(ofEarlier(read), key), reshape(factor, [...stack, 1, steps]))],
    );
    correction = dot(inverseOfRest(total(parts), steps, chunk.reverse), foundBy(read));
  }
  const found = reads.map((read, i) => (i === corrected && correction !== undefined ? correction : foundBy(read)));

  const kept = decays === undefined ? memory : scaled(memory, asFactor(decays.total, keyAxis));
  const ends = written.flatMap((outer) => {
    const value = valuesOf(outer);
    if (value === undefined) return [];
    const keys = decays === undefined ? outer.key : scaled(outer.key, decays.untilEnd);
    const [rows, columns] = keyAxis === "columns" ? [value, keys] : [keys, value];
    return [dot(rows, columns, { transposeA: true })];
  });
  return { memory: total([kept, ...ends]), found };
}

/** A product with a factor that repeats along some axes. */
function scaled(x: Float, factor: Float): Float {
  return mul(x, broadcast(factor, x.shape));
}

/** Decays [.., 1, keys or 1] as a factor of the memory. */
function asFactor(decays: Float, keyAxis: KeyAxis): Float {
  const rank = decays.shape.length;
  return keyAxis === "columns"
    ? decays
    : reshape(decays, [...decays.shape.slice(0, -2), at(decays.shape, rank - 1), 1]);
}

/** Whether step s comes before step t, [t, s]. */
function isBefore(steps: number, reverse: boolean): Tensor<"bool"> {
  const [t, s] = [iota([steps, steps], 0, "i32"), iota([steps, steps], 1, "i32")];
  return reverse ? less(t, s) : less(s, t);
}

/** Whether the index along an axis is `index`; only that axis is computed. */
function isAt(shape: Shape, axis: number, index: number): Tensor<"bool"> {
  const only = shape.map((dim, i) => (i === axis ? dim : 1));
  return broadcast(equal(iota(only, axis, "i32"), fill(only, index, "i32")), shape);
}

/** Whether the indices along two axes are equal. */
function isDiagonal(shape: Shape, a: number, b: number): Tensor<"bool"> {
  const only = shape.map((dim, i) => (i === a || i === b ? dim : 1));
  return broadcast(equal(iota(only, a, "i32"), iota(only, b, "i32")), shape);
}

/** Products of the decays of a chunk, [..stack, steps, width], where width is 1 or that of the keys. */
class Decays {
  /** Of the steps before each step. */
  readonly sinceStart: Float;
  /** Of the steps after each step. */
  readonly untilEnd: Float;
  /** Of all steps, [..stack, 1, width]. */
  readonly total: Float;
  readonly #levels: readonly Level[];
  readonly #steps: number;
  readonly #reverse: boolean;
  readonly #stack: Shape;
  readonly #width: number;

  constructor(decay: Float, steps: number, reverse: boolean) {
    const rank = decay.shape.length;
    this.#steps = steps;
    this.#reverse = reverse;
    this.#stack = decay.shape.slice(0, -2);
    this.#width = Number(at(decay.shape, rank - 1));
    const levels: Level[] = [];
    let [since, until, all] = [fill(decay.shape, 1), fill(decay.shape, 1), decay];
    for (let half = 1; half < steps; half *= 2) {
      levels.push({ half, since, until });
      const halves = [...this.#stack, steps / (2 * half), 2, half, this.#width];
      const totals = reshape(all, [...halves.slice(0, -2), 1, this.#width]);
      const [first, second] = [0, 1].map((i) => {
        return broadcast(slice(totals, rank - 1, reverse ? 1 - i : i, 1), halves);
      }) as [Float, Float];
      const isSecond = isAt(halves, rank - 1, reverse ? 0 : 1);
      const join = (x: Float) => reshape(x, decay.shape);
      const [a, b] = [reshape(since, halves), reshape(until, halves)];
      since = join(where(isSecond, mul(first, a), a));
      until = join(where(isSecond, b, mul(b, second)));
      const pair = slice(mul(first, second), rank - 1, 0, 1);
      all = reshape(slice(pair, rank, 0, 1), [...this.#stack, steps / (2 * half), this.#width]);
    }
    this.sinceStart = since;
    this.untilEnd = until;
    this.total = reshape(all, [...this.#stack, 1, this.#width]);
    this.#levels = levels;
  }

  /** [..stack, t, s]. */
  scores(queries: Float, keys: Float): Float {
    const square = [...this.#stack, this.#steps, this.#steps];
    if (this.#width === 1) {
      const row = (x: Float) => broadcast(transpose(x, lastTwoSwapped(x.shape.length)), square);
      const factors = this.#levels.reduce(
        (found, level) =>
          where(this.#crosses(level, square), mul(broadcast(level.since, square), row(level.until)), found),
        fill(square, 0),
      );
      return mul(dot(queries, keys, { transposeB: true }), factors);
    }
    return this.#levels.reduce(
      (found, level) => where(this.#crosses(level, square), this.#blocks(queries, keys, level), found),
      fill(square, 0),
    );
  }

  /** The scores from the first to the second half of every block, at their places in [..stack, t, s]. */
  #blocks(queries: Float, keys: Float, { half, since, until }: Level): Float {
    const count = this.#steps / (2 * half);
    const axis = this.#stack.length + 1;
    const halfOf = (x: Float, isSecond: boolean) => {
      const halves = reshape(x, [...this.#stack, count, 2, half, this.#width]);
      const part = slice(halves, axis, isSecond !== this.#reverse ? 1 : 0, 1);
      return reshape(part, [...this.#stack, count, half, this.#width]);
    };
    const [later, earlier] = [halfOf(mul(queries, since), true), halfOf(mul(keys, until), false)];
    const blocks = dot(later, earlier, { transposeB: true });
    const apart = reshape(blocks, [...this.#stack, count, 1, half, 1, 1, half]);
    const everywhere = broadcast(apart, [...this.#stack, count, 2, half, count, 2, half]);
    return reshape(everywhere, [...this.#stack, this.#steps, this.#steps]);
  }

  /** Whether s is in the first half and t in the second half of one block. */
  #crosses({ half }: Level, square: Shape): Tensor<"bool"> {
    const shape = [this.#steps / (2 * half), 2, half, this.#steps / (2 * half), 2, half];
    const [first, second] = this.#reverse ? [1, 0] : [0, 1];
    const isPair = and(isDiagonal(shape, 0, 3), and(isAt(shape, 1, second), isAt(shape, 4, first)));
    return broadcast(reshape(isPair, [this.#steps, this.#steps]), square);
  }
}

/** Products of decays within blocks of `half` steps. */
interface Level {
  readonly half: number;
  readonly since: Float;
  readonly until: Float;
}

function lastTwoSwapped(rank: number): number[] {
  return Array.from({ length: rank }, (_, axis) => (axis < rank - 2 ? axis : 2 * rank - 3 - axis));
}

/**
 * The inverse of I - x for x [.., steps, steps] that is 0 but for s before t. By doubling: the inverse of two halves of a
 * block, and between them the product of one inverse, x and the other. Entries stay as small as those of the inverse,
 * where powers of x could grow beyond f32.
 */
function inverseOfRest(x: Float, steps: number, reverse: boolean): Float {
  const stack = x.shape.slice(0, -2);
  const axis = stack.length;
  let inverse = fill([...stack, steps, 1, 1], 1);
  for (let half = 1; half < steps; half *= 2) {
    const count = steps / (2 * half);
    const pairs = reshape(inverse, [...stack, count, 2, half, half]);
    const of = (i: number) => reshape(slice(pairs, axis + 1, i, 1), [...stack, count, half, half]);
    const [first, second] = reverse ? [of(1), of(0)] : [of(0), of(1)];
    const between = dot(dot(second, diagonalBlocks(x, half, reverse)), first);
    const shape = [...stack, count, 2, half, 2, half];
    const [row, column] = [axis + 1, axis + 3];
    const spread = (block: Float) => broadcast(reshape(block, [...stack, count, 1, half, 1, half]), shape);
    const [early, late] = reverse ? [1, 0] : [0, 1];
    const isBlock = (i: number, j: number) => and(isAt(shape, row, i), isAt(shape, column, j));
    const rest = where(isBlock(late, early), spread(between), 0);
    inverse = reshape(where(isBlock(early, early), spread(first), where(isBlock(late, late), spread(second), rest)), [
      ...stack,
      count,
      2 * half,
      2 * half,
    ]);
  }
  return reshape(inverse, [...stack, steps, steps]);
}

/** The blocks of x from the first to the second half of every block on its diagonal, [.., count, half, half]. */
function diagonalBlocks(x: Float, half: number, reverse: boolean): Float {
  const stack = x.shape.slice(0, -2);
  const steps = Number(at(x.shape, x.shape.length - 1));
  const count = steps / (2 * half);
  const axis = stack.length;
  const cut = reshape(x, [...stack, count, 2, half, count, 2, half]);
  const later = slice(cut, axis + 1, reverse ? 0 : 1, 1);
  const between = reshape(slice(later, axis + 4, reverse ? 1 : 0, 1), [...stack, count, half, count, half]);
  if (count === 1) return reshape(between, [...stack, 1, half, half]);
  const shape = [...stack, count, half, count, half];
  const isOwn = isDiagonal(shape, axis, axis + 2);
  return sum(where(isOwn, between, 0), axis + 2);
}

/**
 * @file Long sums are added up in blocks. A running sum rounds once per term, and similar terms round the same way: a
 * sum of 50,000 equal terms is off by 2e-4. Here blocks of about √n terms, at least 256, are added to a partial sum,
 * and the partial sum to the total, so no number is rounded more than 512 or 3 √n times. The cost is one accumulator,
 * and one addition per block. Compensated summation does not work: WGSL allows a compiler to reassociate, which would
 * cancel the correction.
 */
import type { Dim } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import type { KernelBuilder } from "../../kernel/builder.ts";
import type { Expr, Variable } from "../../kernel/ir.ts";

/** Sums of up to this many terms are not cut, and no block is shorter. */
const fewTerms = 256;

/** The terms of a sum: `start`, `start + stride`, … below `count`. */
export interface Terms {
  readonly start: Expr;
  readonly count: Dim;
  readonly stride: number;
  /** Maximum number of blocks, if each block needs memory. */
  readonly mostBlocks?: number;
}

/** How partial sums are written. */
export interface Parts {
  /** Whether adding terms rounds. */
  readonly round: boolean;
  /** Writes the code that adds up one partial sum and the code that uses it. */
  inPart(write: () => void): void;
}

/** Accumulators of one loop, one per position; `startPart` declares one for a partial sum, if adding terms rounds. */
export interface RunningSum {
  readonly registers: readonly Variable[];
  readonly startPart?: () => Variable;
}

/**
 * The accumulators that terms are added to: within a block those of its partial sum, which is then added to the outer
 * ones.
 */
export class RunningSums implements Parts {
  readonly #k: KernelBuilder;
  #sums: readonly RunningSum[];

  constructor(k: KernelBuilder, sums: readonly RunningSum[]) {
    this.#k = k;
    this.#sums = sums;
  }

  /** The register of the k-th sum at the i-th position, at this point of the kernel. */
  register(k: number, i: number): Variable {
    return at(at(this.#sums, k).registers, i);
  }

  get round(): boolean {
    return this.#sums.some(({ startPart }) => startPart !== undefined);
  }

  inPart(write: () => void): void {
    const around = this.#sums;
    this.#sums = around.map((sum) => {
      const { registers, startPart } = sum;
      return startPart === undefined ? sum : { registers: registers.map(startPart), startPart };
    });
    write();
    for (const [k, sum] of around.entries()) {
      const part = at(this.#sums, k);
      if (part === sum) continue;
      for (const [i, register] of sum.registers.entries())
        this.#k.assign(register, this.#k.add(register, at(part.registers, i)));
    }
    this.#sums = around;
  }
}

/**
 * Calls `write` for the terms from `first` up to, but not including, `end`: one block inside a loop over all blocks, or
 * all terms at once if they are few or adding them does not round. `length` is how many there are, if that is known.
 */
export function overBlocks(
  k: KernelBuilder,
  terms: Terms,
  parts: Parts,
  write: (first: Expr, end: Expr, length?: number) => void,
): void {
  const { start, count } = terms;
  const limit = k.size(count);
  if (!parts.round || !isLong(terms)) {
    write(start, limit);
    return;
  }
  const even = k.isProvable ? evenBlock(terms) : undefined;
  const block = even === undefined ? blockLength(k, terms) : k.u32(even);
  const axis = { extent: count, role: "block" } as const;
  k.for({ axis, name: k.fresh("block"), first: start, end: limit, step: block }, (first) => {
    const end = k.let(k.fresh("end"), even === undefined ? k.min(k.add(first, block), limit) : k.add(first, block));
    parts.inPart(() => write(first, end, even));
  });
}

/**
 * The length of equal blocks, of a multiple of 32 terms each, so that all loops have a known number of turns; undefined
 * where there are none.
 */
function evenBlock({ start, count, stride }: Terms): number | undefined {
  if (typeof count !== "number" || start.kind !== "literal" || start.value !== 0) return undefined;
  const fewest = Math.ceil(count / (stride * longestBlock(count / stride)));
  for (let blocks = fewest; blocks <= 2 * fewest; blocks++)
    if (count % (blocks * stride * 32) === 0) return count / blocks;
  return undefined;
}

/** Whether a sum is cut into blocks: not if it is known to have few terms. */
export function isLong({ count, stride }: Pick<Terms, "count" | "stride">): boolean {
  return typeof count !== "number" || count > fewTerms * stride;
}

/**
 * Length of a block: per lane, the power of two next above the square root of its number of terms. If the count is
 * symbolic, the length is bound once per kernel.
 */
export function blockLength(k: KernelBuilder, { count, stride, mostBlocks }: Terms): Expr {
  if (typeof count === "number") {
    const least = mostBlocks === undefined ? 1 : Math.ceil(count / mostBlocks);
    return k.u32(stride * Math.max(least, longestBlock(count / stride)));
  }
  const limit = k.size(count);
  const own = stride === 1 ? limit : k.div(limit, k.u32(stride));
  const half = k.div(k.sub(k.u32(33), k.countLeadingZeros(own)), k.u32(2));
  const root = k.max(k.u32(fewTerms), k.shiftLeft(k.u32(1), half));
  const length =
    mostBlocks === undefined ? root : k.max(root, k.div(k.add(limit, k.u32(mostBlocks - 1)), k.u32(mostBlocks)));
  return k.bind(`block of ${own.id} ${mostBlocks}`, stride === 1 ? length : k.mul(k.u32(stride), length), 0);
}

function longestBlock(terms: number): number {
  return Math.max(fewTerms, 1 << ((33 - Math.clz32(terms)) >> 1));
}

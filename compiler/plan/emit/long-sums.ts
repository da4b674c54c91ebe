/**
 * @file Long sums are added up in blocks. A running sum rounds once for each term, and terms that are alike round the same
 * way: 50,000 equal ones are off by 2e-4. Here some √n terms, and no fewer than 256, are added to a part, and the part to
 * the sum, so that no number rounds more than 512 or 3 √n times; it costs an accumulator, and an addition for each block.
 * Not by compensation: WGSL allows a compiler to reassociate, which would cancel the correction.
 */
import type { Dim } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import type { KernelBuilder } from "../../kernel/builder.ts";
import type { Expr, Variable } from "../../kernel/ir.ts";

/** The most terms that are added up in one block. */
const fewTerms = 256;

/** What is added up: of `start`, `start + stride`, … those below `count`. */
export interface Terms {
  readonly start: Expr;
  readonly count: Dim;
  readonly stride: number;
  /** Blocks there may be at the most, where each takes memory. */
  readonly mostBlocks?: number;
}

/** What is done about the parts of sums. */
export interface Parts {
  /** Whether adding terms rounds. */
  readonly round: boolean;
  /** Writes what adds one part up, and what becomes of the part. */
  inPart(write: () => void): void;
}

/** Accumulators of one loop, one for each position; `startPart` declares another one, where adding terms rounds. */
export interface RunningSum {
  readonly registers: readonly Variable[];
  readonly startPart?: () => Variable;
}

/** The accumulators that terms are added to: within a block those of its part, which is then added to those around it. */
export class RunningSums implements Parts {
  readonly #k: KernelBuilder;
  #sums: readonly RunningSum[];

  constructor(k: KernelBuilder, sums: readonly RunningSum[]) {
    this.#k = k;
    this.#sums = sums;
  }

  /** The register of the k-th sum at the i-th position, at this place of the kernel. */
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
 * Calls `write` for the terms from `first` on, to before `end`: those of one block in a loop over all blocks, or all of
 * them at once where they are few or adding them does not round.
 */
export function overBlocks(
  k: KernelBuilder,
  terms: Terms,
  parts: Parts,
  write: (first: Expr, end: Expr) => void,
): void {
  const { start, count } = terms;
  const limit = k.size(count);
  if (!parts.round || !isLong(terms)) {
    write(start, limit);
    return;
  }
  const block = blockLength(k, terms);
  const axis = { extent: count, role: "block" } as const;
  k.for({ axis, name: k.fresh("block"), first: start, end: limit, step: block }, (first) => {
    const end = k.let(k.fresh("end"), k.min(k.add(first, block), limit));
    parts.inPart(() => write(first, end));
  });
}

/** Whether a sum is cut: not where it is known to have few terms. */
export function isLong({ count, stride }: Pick<Terms, "count" | "stride">): boolean {
  return typeof count !== "number" || count > fewTerms * stride;
}

/**
 * Length of a block: for each lane the power of two that is next above the root of the number of its terms. What depends
 * on a size that is not known is bound once.
 */
export function blockLength(k: KernelBuilder, { count, stride, mostBlocks }: Terms): Expr {
  if (typeof count === "number") {
    const least = mostBlocks === undefined ? 1 : Math.ceil(count / mostBlocks);
    return k.u32(stride * Math.max(least, fewTerms, 1 << ((33 - Math.clz32(count / stride)) >> 1)));
  }
  const limit = k.size(count);
  const own = stride === 1 ? limit : k.div(limit, k.u32(stride));
  const half = k.div(k.sub(k.u32(33), k.countLeadingZeros(own)), k.u32(2));
  const root = k.max(k.u32(fewTerms), k.shiftLeft(k.u32(1), half));
  const length =
    mostBlocks === undefined ? root : k.max(root, k.div(k.add(limit, k.u32(mostBlocks - 1)), k.u32(mostBlocks)));
  return k.bind(`block of ${own.id} ${mostBlocks}`, stride === 1 ? length : k.mul(k.u32(stride), length), 0);
}

/**
 * @file Long sums are added up in blocks. A running sum rounds once for each term, and terms that are alike round the same
 * way: 50,000 equal ones are off by 2e-4. Here some √n terms, and no fewer than 256, are added to a part, and the part to
 * the sum, so that no number rounds more than 512 or 3 √n times; it costs an accumulator, and an addition for each block.
 * Not by compensation: WGSL allows a compiler to reassociate, which would cancel the correction.
 */
import type { Dim } from "../graph/dim.ts";
import { at } from "../graph/errors.ts";
import type { KernelWriter } from "./kernel-writer.ts";

/** The most terms that are added up in one block. */
const fewTerms = 256;

/** What is added up: of `start`, `start + stride`, … those below `count`. */
export interface Terms {
  readonly start: string;
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

/** Accumulators of one loop, a name for each position; `startPart` declares another one, where adding terms rounds. */
export interface RunningSum {
  readonly names: readonly string[];
  readonly startPart?: () => string;
}

/** The accumulators that terms are added to: within a block those of its part, which is then added to those around it. */
export class RunningSums implements Parts {
  readonly #writer: KernelWriter;
  #sums: readonly RunningSum[];

  constructor(writer: KernelWriter, sums: readonly RunningSum[]) {
    this.#writer = writer;
    this.#sums = sums;
  }

  /** The name of the k-th sum at the i-th position, where the writer is. */
  name(k: number, i: number): string {
    return at(at(this.#sums, k).names, i);
  }

  get round(): boolean {
    return this.#sums.some(({ startPart }) => startPart !== undefined);
  }

  inPart(write: () => void): void {
    const around = this.#sums;
    this.#sums = around.map((sum) => {
      const { names, startPart } = sum;
      return startPart === undefined ? sum : { names: names.map(startPart), startPart };
    });
    write();
    for (const [k, sum] of around.entries()) {
      const part = at(this.#sums, k);
      if (part !== sum)
        for (const [i, name] of sum.names.entries()) this.#writer.line(`${name} += ${at(part.names, i)};`);
    }
    this.#sums = around;
  }
}

/**
 * Calls `write` for the terms from `first` on, to before `end`: those of one block in a loop over all blocks, or all of
 * them at once where they are few or adding them does not round.
 */
export function overBlocks(
  writer: KernelWriter,
  terms: Terms,
  parts: Parts,
  write: (first: string, end: string) => void,
): void {
  const { start, count } = terms;
  const limit = writer.index.dim(count).text;
  if (!parts.round || !isLong(terms)) {
    write(start, limit);
    return;
  }
  const [first, end, block] = [writer.fresh("block"), writer.fresh("end"), blockLength(writer, terms)];
  writer.block(`for (var ${first}: u32 = ${start}; ${first} < ${limit}; ${first} += ${block})`, () => {
    writer.line(`let ${end} = min(${first} + ${block}, ${limit});`);
    parts.inPart(() => write(first, end));
  });
}

/** Whether a sum is cut: not where it is known to have few terms. */
export function isLong({ count, stride }: Terms): boolean {
  return typeof count !== "number" || count > fewTerms * stride;
}

/**
 * Length of a block, as text: for each lane the power of two that is next above the root of the number of its terms. What
 * depends on a size that is not known is bound once.
 */
export function blockLength(writer: KernelWriter, { count, stride, mostBlocks }: Terms): string {
  if (typeof count === "number") {
    const least = mostBlocks === undefined ? 1 : Math.ceil(count / mostBlocks);
    return `${stride * Math.max(least, fewTerms, 1 << ((33 - Math.clz32(count / stride)) >> 1))}u`;
  }
  const limit = writer.index.dim(count).text;
  const [own, times] = stride === 1 ? [limit, ""] : [`(${limit} / ${stride}u)`, `${stride}u * `];
  const root = `max(${fewTerms}u, 1u << ((33u - countLeadingZeros(${own})) / 2u))`;
  const text = mostBlocks === undefined ? root : `max(${root}, (${limit} + ${mostBlocks - 1}u) / ${mostBlocks}u)`;
  return writer.bind(`block of ${own} ${mostBlocks}`, "u32", `${times}${text}`, 0).text;
}

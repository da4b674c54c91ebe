/** @file The allocator of a linear memory. It runs on the host and only manages addresses; the engine owns the memory. */
import { margins } from "../../compiler/graph/margins.ts";

/** A block of memory; address and size are in bytes. */
export interface Block {
  readonly address: number;
  readonly size: number;
}

/** A cache line, so that two blocks never share one (false sharing); it also aligns vectors. */
const alignment = 64;

export class Heap {
  /** Most bytes of memory. */
  limit: number;
  /** Free blocks below `#top`, sorted by address; no two are adjacent. */
  #free: Block[] = [];
  #top: number = margins.before;
  #bytes = 0;
  #count = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Bytes and number of blocks in use. */
  get allocated(): { readonly bytes: number; readonly buffers: number } {
    return { bytes: this.#bytes, buffers: this.#count };
  }

  /** Allocates the smallest free block that fits, or new memory; returns undefined beyond the limit. */
  take(bytes: number): Block | undefined {
    const size = Math.max(alignment, Math.ceil(bytes / alignment) * alignment);
    let best: number | undefined;
    for (const [i, free] of this.#free.entries())
      if (free.size >= size && free.size < (best === undefined ? Infinity : (this.#free[best]?.size ?? 0))) best = i;
    const free = best === undefined ? undefined : this.#free[best];
    const address = free?.address ?? this.#top;
    if (address + size + margins.behind > this.limit) return undefined;
    if (best === undefined || free === undefined) this.#top += size;
    else {
      const rest = { address: address + size, size: free.size - size };
      this.#free.splice(best, 1, ...(rest.size > 0 ? [rest] : []));
    }
    this.#bytes += size;
    this.#count += 1;
    return { address, size };
  }

  free({ address, size }: Block): void {
    this.#bytes -= size;
    this.#count -= 1;
    const found = this.#free.findIndex((free) => free.address > address);
    const index = found < 0 ? this.#free.length : found;
    const [before, after] = [this.#free[index - 1], this.#free[index]];
    const joinsBefore = before !== undefined && before.address + before.size === address;
    const joinsAfter = after !== undefined && address + size === after.address;
    const joined = {
      address: joinsBefore ? before.address : address,
      size: size + (joinsBefore ? before.size : 0) + (joinsAfter ? after.size : 0),
    };
    this.#free.splice(index - (joinsBefore ? 1 : 0), (joinsBefore ? 1 : 0) + (joinsAfter ? 1 : 0), joined);
    if (joined.address + joined.size !== this.#top) return;
    this.#free.pop();
    this.#top = joined.address;
  }
}

/** Bytes of memory needed to access these blocks, including the margin that kernels can read past their end. */
export function endOf(blocks: Iterable<Block | undefined>): number {
  let end = 0;
  for (const block of blocks) if (block !== undefined) end = Math.max(end, block.address + block.size + margins.behind);
  return end;
}

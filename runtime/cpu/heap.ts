/** @file Which parts of a linear memory are in use. The host keeps the books; only the engine touches the memory. */
import { margins } from "../../compiler/graph/margins.ts";

/** A part of the memory. `size` is in bytes, as is the address. */
export interface Block {
  readonly address: number;
  readonly size: number;
}

/** A line of the CPU's cache, so that threads do not write to one line of two blocks; it also aligns vectors. */
const alignment = 64;

export class Heap {
  /** Bytes of memory that there may be. */
  limit: number;
  /** What is free below `#top`, by address; no two touch. */
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

  /** The smallest free part that is large enough, or new memory; undefined beyond the limit. */
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

/** What the memory must have for blocks to be read and written, with what may be read beside them, in bytes. */
export function endOf(blocks: Iterable<Block | undefined>): number {
  let end = 0;
  for (const block of blocks) if (block !== undefined) end = Math.max(end, block.address + block.size + margins.behind);
  return end;
}

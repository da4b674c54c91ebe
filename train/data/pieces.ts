/**
 * @file Batches of a recording that is read in chunks, such as a file larger than memory. They equal the batches that
 * `batches.ts` cuts from the same recording in memory, and iteration can start at any of them.
 */
import { at } from "../../compiler/graph/errors.ts";
import { sizeOfNumbers } from "../../compiler/graph/ndarray.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import {
  type Batch,
  type BatchSizes,
  batchOfRows,
  ofBatches,
  type RecordingEntries,
  windowAt,
  windowsOf,
} from "./batches.ts";

/** A recording in chunks. */
export interface PiecedRecording extends RecordingEntries {
  /** Number of entries of each chunk. */
  readonly pieces: readonly number[];
  /** Reads the entries of a chunk, in order. */
  readonly read: (piece: number) => Promise<ArrayLike<number>>;
}

/** Batches in order, from any of them on. */
export interface BatchStream {
  /** Number of batches. */
  readonly count: number;
  /** The batches from number `first` on; 0 for all. Batch 0 is fresh. */
  readonly from: (first: number) => AsyncIterable<Batch>;
}

/** Batches for training and for validation; see `Batches`. */
export interface StreamedBatches {
  /** One pass over the training part. */
  readonly training: BatchStream;
  /** The held-out part. */
  readonly validation: BatchStream;
}

/** Number of entries of all chunks. */
export function lengthOf({ pieces }: Pick<PiecedRecording, "pieces">): number {
  return pieces.reduce((total, count) => total + count, 0);
}

/** Batches of a recording in chunks; at most two chunks for each row of a batch are in memory. */
export function streamedBatches(recording: PiecedRecording, sizes: BatchSizes): StreamedBatches {
  checkedOptions("streamedBatches", sizes, ofBatches);
  const width = sizeOfNumbers(recording.shape);
  const plan = windowsOf(recording, lengthOf(recording), sizes);
  const streamOf = (windows: (typeof plan)["training"]): BatchStream => ({
    count: windows.count,
    async *from(first) {
      // A row that crosses the boundary of two chunks needs both.
      const reader = new PieceReader(recording, width, 2 * windows.rows);
      for (let window = first; window < windows.count; window++) {
        const { steps, firsts } = windowAt(windows, window);
        const rows: Float64Array[] = [];
        for (const entry of firsts) rows.push(await reader.read(entry, steps + (recording.ahead ?? 1)));
        yield batchOfRows(recording, rows, steps, window === 0);
      }
    },
  });
  return { training: streamOf(plan.training), validation: streamOf(plan.validation) };
}

/** Reads any entries of a recording, with a cache of the chunks that were used last. */
class PieceReader {
  readonly #recording: PiecedRecording;
  readonly #width: number;
  readonly #most: number;
  /** First entry of each chunk. */
  readonly #firsts: readonly number[];
  /** In the order of their last use. */
  readonly #held = new Map<number, ArrayLike<number>>();

  constructor(recording: PiecedRecording, width: number, most: number) {
    this.#recording = recording;
    this.#width = width;
    this.#most = most;
    let next = 0;
    this.#firsts = recording.pieces.map((count) => {
      next += count;
      return next - count;
    });
  }

  async read(first: number, count: number): Promise<Float64Array> {
    const width = this.#width;
    const entries = new Float64Array(count * width);
    let done = 0;
    for (let piece = this.#pieceOf(first); done < count; piece++) {
      const offset = first + done - at(this.#firsts, piece);
      const numbers = this.#held.get(piece) ?? (await this.#recording.read(piece));
      this.#keep(piece, numbers);
      const taken = Math.min(count - done, at(this.#recording.pieces, piece) - offset);
      for (let i = 0; i < taken * width; i++) entries[done * width + i] = numbers[offset * width + i] ?? Number.NaN;
      done += taken;
    }
    return entries;
  }

  #keep(piece: number, numbers: ArrayLike<number>): void {
    this.#held.delete(piece);
    this.#held.set(piece, numbers);
    const [oldest] = this.#held.keys();
    if (this.#held.size > this.#most && oldest !== undefined) this.#held.delete(oldest);
  }

  /** The chunk that contains an entry: the last one that starts at or before it and is not empty. */
  #pieceOf(entry: number): number {
    let [low, high] = [0, this.#firsts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (at(this.#firsts, middle) <= entry) low = middle;
      else high = middle;
    }
    return low;
  }
}

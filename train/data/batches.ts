/**
 * @file Cuts one long recording into batches whose state can be carried over: the recording is split into B rows of equal
 * length, and batch n holds the n-th window of every row, so that each row continues where it stopped.
 */
import { UserError } from "../../compiler/graph/errors.ts";
import type { DType } from "../../compiler/graph/graph.ts";
import { type NdArray, sizeOfNumbers } from "../../compiler/graph/ndarray.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";

/** Input and targets of one training step, time first. */
export interface Batch {
  /** [T, B, …]. */
  readonly x: NdArray;
  /** [T, B, …]: the entry that follows each entry of x. */
  readonly targets: NdArray;
  /** The state starts at zero instead of continuing from the previous batch. */
  readonly fresh?: boolean;
}

/** How a recording is cut into batches. */
export interface BatchSizes {
  /** Rows side by side. */
  readonly batch: number;
  /** Steps of a batch. */
  readonly time: number;
  /** Fraction of the recording, at its end, that is held out for validation; 0.1 by default. */
  readonly heldOut?: number;
}

export const ofBatches = { batch: "number", time: "number", heldOut: "number" } as const;

/** Batches for training and for validation. */
export interface Batches {
  /** One pass over the training part; can be iterated any number of times. Its first batch is fresh. */
  readonly training: Iterable<Batch>;
  /** The held-out part, except the remainder of its division into rows; empty when nothing is held out. */
  readonly validation: Iterable<Batch>;
  /** Number of batches of one pass over the training part. */
  readonly stepsPerEpoch: number;
}

/** The entries of a recording. */
export interface RecordingEntries {
  /** Name of the recording in messages, such as "the text". */
  readonly name: string;
  /** Name of its entries in messages, such as "characters". */
  readonly entries: string;
  /** Dtype of the entries. */
  readonly dtype: DType;
  /** Shape of one entry. */
  readonly shape: readonly number[];
  /** Horizon: the target of an entry is this many entries later. 1 by default. */
  readonly ahead?: number;
}

/** One long sequence in memory. */
export interface Recording extends RecordingEntries {
  /** The entries one after the other. */
  readonly data: ArrayLike<number>;
}

/** Number of entries of the training part; the others are held out. */
export function trainingLength(length: number, { batch, time, heldOut = 0.1 }: BatchSizes): number {
  for (const [name, value] of Object.entries({ batch, time })) {
    if (!Number.isInteger(value) || value < 1)
      throw new UserError(`${name} must be a whole number above 0, got ${value}`);
  }
  if (!(heldOut >= 0 && heldOut < 1))
    throw new UserError(`heldOut is ${heldOut}; expected a part of the whole, 0 or more and below 1`);
  return length - Math.floor(length * heldOut);
}

/** Batches of any recording, without normalization; each target is the next entry, or the one at the horizon. */
export function batchesOf(recording: Recording, sizes: BatchSizes): Batches {
  checkedOptions("batchesOf", sizes, ofBatches);
  const length = recording.data.length / sizeOfNumbers(recording.shape);
  const { training, validation } = windowsOf(recording, length, sizes);
  return {
    training: walked(recording, training),
    validation: walked(recording, validation),
    stepsPerEpoch: training.count,
  };
}

/** Location of the batches of a part of a recording. */
export interface Windows {
  /** First entry of the part. */
  readonly start: number;
  readonly rows: number;
  readonly rowLength: number;
  readonly time: number;
  /** Number of batches. */
  readonly count: number;
}

/** Cuts a recording of `length` entries into windows for training and for validation. */
export function windowsOf(
  { name, entries, ahead = 1 }: RecordingEntries,
  length: number,
  sizes: BatchSizes,
): { readonly training: Windows; readonly validation: Windows } {
  const { batch, time } = sizes;
  const trained = trainingLength(length, sizes);
  // The last row needs more entries than it has steps, for its last targets.
  const rowLength = Math.floor((trained - ahead) / batch);
  const count = Math.floor(rowLength / time);
  if (count < 1) {
    throw new UserError(
      `${name} has ${trained} ${entries} to train on, too few for batch ${batch} x time ${time}: this needs ${batch * time + ahead}; make batch or time smaller`,
    );
  }
  const heldOut = length - trained;
  // No held-out target was trained on: the last entries of the training part are x only.
  const rows = Math.max(1, Math.min(batch, Math.floor(heldOut / time)));
  const heldOutRow = Math.floor(heldOut / rows);
  return {
    training: { start: 0, rows: batch, rowLength, time, count },
    validation: { start: trained - ahead, rows, rowLength: heldOutRow, time, count: Math.ceil(heldOutRow / time) },
  };
}

/** The first entry of each row of a window, and the number of steps of the window. */
export function windowAt(
  { start, rows, rowLength, time }: Windows,
  window: number,
): { readonly steps: number; readonly firsts: readonly number[] } {
  const first = window * time;
  return {
    steps: Math.min(time, rowLength - first),
    firsts: Array.from({ length: rows }, (_, row) => start + row * rowLength + first),
  };
}

/** Makes a batch of rows of entries; each row has `ahead` entries more than the batch has steps. */
export function batchOfRows(
  { dtype, shape, ahead = 1 }: RecordingEntries,
  rows: readonly ArrayLike<number>[],
  steps: number,
  fresh: boolean,
): Batch {
  const width = sizeOfNumbers(shape);
  const shifted = (shift: number): NdArray => {
    const numbers = new Float64Array(steps * rows.length * width);
    for (const [row, entries] of rows.entries()) {
      for (let t = 0; t < steps; t++) {
        for (let k = 0; k < width; k++)
          numbers[(t * rows.length + row) * width + k] = entries[(t + shift) * width + k] ?? Number.NaN;
      }
    }
    return { dtype, shape: [steps, rows.length, ...shape], data: numbers };
  };
  return { x: shifted(0), targets: shifted(ahead), fresh };
}

function walked(recording: Recording, windows: Windows): Iterable<Batch> {
  const width = sizeOfNumbers(recording.shape);
  const { data, ahead = 1 } = recording;
  return {
    *[Symbol.iterator]() {
      for (let window = 0; window < windows.count; window++) {
        const { steps, firsts } = windowAt(windows, window);
        const rows = firsts.map((first) =>
          Float64Array.from({ length: (steps + ahead) * width }, (_, i) => data[first * width + i] ?? Number.NaN),
        );
        yield batchOfRows(recording, rows, steps, window === 0);
      }
    },
  };
}

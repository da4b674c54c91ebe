/**
 * @file Cutting one long recording into batches whose state can be carried on: the recording is split into B rows of
 * equal length, and batch n holds the n-th window of every row, so that each row goes on where it stopped.
 */
import { UserError } from "../../compiler/graph/errors.ts";
import type { DType } from "../../compiler/graph/graph.ts";
import { type NdArray, sizeOfNumbers } from "../../compiler/graph/ndarray.ts";

/** Input and targets of one training step, time first. */
export interface Batch {
  /** [T, B, …]. */
  readonly x: NdArray;
  /** [T, B, …]: what follows each entry of x. */
  readonly targets: NdArray;
  /** The state starts at zero instead of going on from the batch before. */
  readonly fresh?: boolean;
}

/** How a recording is cut into batches. */
export interface BatchSizes {
  /** Rows side by side. */
  readonly batch: number;
  /** Steps of a batch. */
  readonly time: number;
  /** Part of the recording, at its end, that is kept for validation; 0.1 by default. */
  readonly heldOut?: number;
}

/** Batches for training and for validation. */
export interface Batches {
  /** One pass over the training part, as often as it is walked. Its first batch is fresh. */
  readonly training: Iterable<Batch>;
  /** The held-out part, all of it but for the rest of a division into rows; empty where nothing is held out. */
  readonly validation: Iterable<Batch>;
  /** Number of batches of one pass over the training part. */
  readonly stepsPerEpoch: number;
}

export interface Recording {
  /** How messages call it, such as "the text", and its entries, such as "characters". */
  readonly name: string;
  readonly entries: string;
  readonly dtype: DType;
  /** Shape of one entry; `data` holds the entries one after the other. */
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

/** Number of entries that are trained on; the others are held out. */
export function trainingLength(length: number, { batch, time, heldOut = 0.1 }: BatchSizes): number {
  for (const [name, value] of Object.entries({ batch, time })) {
    if (!Number.isInteger(value) || value < 1)
      throw new UserError(`${name} must be a whole number above 0, got ${value}`);
  }
  if (!(heldOut >= 0 && heldOut < 1))
    throw new UserError(`heldOut is ${heldOut}; expected a part of the whole, 0 or more and below 1`);
  return length - Math.floor(length * heldOut);
}

export function batchesOf(recording: Recording, sizes: BatchSizes): Batches {
  const { batch, time } = sizes;
  const width = sizeOfNumbers(recording.shape);
  const length = recording.data.length / width;
  const trained = trainingLength(length, sizes);
  // Every row needs one entry more than it has steps, for its last target.
  const rowLength = Math.floor((trained - 1) / batch);
  const stepsPerEpoch = Math.floor(rowLength / time);
  if (stepsPerEpoch < 1) {
    throw new UserError(
      `${recording.name} has ${trained} ${recording.entries} to train on, too few for batch ${batch} x time ${time}: it takes ${batch * time + 1}; make batch or time smaller`,
    );
  }
  const heldOut = length - trained;
  // Held-out targets are all unseen: the last entry that was trained on is only the first x.
  const rows = Math.max(1, Math.min(batch, Math.floor(heldOut / time)));
  return {
    training: windows(recording, { start: 0, rows: batch, rowLength, time, count: stepsPerEpoch }),
    validation: windows(recording, {
      start: trained - 1,
      rows,
      rowLength: Math.floor(heldOut / rows),
      time,
      count: Math.ceil(Math.floor(heldOut / rows) / time),
    }),
    stepsPerEpoch,
  };
}

interface Windows {
  /** First entry. */
  readonly start: number;
  readonly rows: number;
  readonly rowLength: number;
  readonly time: number;
  readonly count: number;
}

function windows(recording: Recording, { start, rows, rowLength, time, count }: Windows): Iterable<Batch> {
  return {
    *[Symbol.iterator]() {
      for (let window = 0; window < count; window++) {
        const first = window * time;
        const steps = Math.min(time, rowLength - first);
        const cut = (shift: number) =>
          gatherEntries(recording, [steps, rows], (t, row) => start + row * rowLength + first + t + shift);
        yield { x: cut(0), targets: cut(1), fresh: window === 0 };
      }
    },
  };
}

function gatherEntries(
  { dtype, shape, data }: Recording,
  [steps, rows]: readonly [number, number],
  entry: (t: number, row: number) => number,
): NdArray {
  const width = sizeOfNumbers(shape);
  const numbers = new Float64Array(steps * rows * width);
  for (let t = 0; t < steps; t++) {
    for (let row = 0; row < rows; row++) {
      for (let k = 0; k < width; k++)
        numbers[(t * rows + row) * width + k] = data[entry(t, row) * width + k] ?? Number.NaN;
    }
  }
  return { dtype, shape: [steps, rows, ...shape], data: numbers };
}

/**
 * @file The held-out loss during training: stores the best weights, can lower the learning rate on a plateau, and stops
 * the run when the loss no longer improves. Early stopping: Prechelt 1998, "Early stopping - but when?".
 */
import type { NdArray } from "../compiler/graph/ndarray.ts";
import type { AbortOptions } from "../train/abort.ts";
import type { Batch } from "../train/data/batches.ts";
import type { BatchStream, StreamedBatches } from "../train/data/pieces.ts";
import { isFiniteInF32 } from "../train/files/finite-model.ts";
import { plateau } from "../train/optimizers/plateau.ts";
import type { Trainer } from "../train/trainer.ts";

/**
 * The mean loss on the first `most` held-out batches, or on all of them if `most` is 0; undefined if the data is too short
 * to hold any out, or if the signal aborts.
 */
export async function heldOutLoss(
  trainer: { readonly evaluate: (batches: AsyncIterable<Batch>, options: AbortOptions) => Promise<number> },
  batches: StreamedBatches,
  most: number,
  signal?: AbortSignal,
): Promise<number | undefined> {
  if (batches.validation.count === 0) return undefined;
  try {
    return await trainer.evaluate(heldOutBatches(batches, most), { signal });
  } catch (error) {
    if (signal?.aborted) return undefined;
    throw error;
  }
}

/** The held-out batches of one measurement. */
export function heldOutBatches({ validation }: StreamedBatches, most: number): AsyncGenerator<Batch> {
  return firstOf(validation, measuredBatches(validation, most));
}

/** How many batches one measurement reads. */
export function measuredBatches({ count }: BatchStream, most: number): number {
  return most === 0 ? count : Math.min(count, most);
}

async function* firstOf({ from }: BatchStream, count: number): AsyncGenerator<Batch> {
  let left = count;
  for await (const batch of from(0)) {
    yield batch;
    left -= 1;
    if (left === 0) return;
  }
}

export interface Measuring {
  /** Steps from one measurement to the next. */
  readonly every: number;
  /** Most batches of one measurement; 0 for all. */
  readonly batches: number;
  /** The run ends after this many measurements in a row without an improvement. */
  readonly patience?: number | undefined;
  /** Whether to halve the learning rate after two measurements without an improvement. */
  readonly followsPlateau?: boolean | undefined;
}

export interface Measurement {
  readonly step: number;
  readonly valLoss: number;
  /** Whether this is the lowest loss so far. */
  readonly best: boolean;
}

export interface Best {
  /** The step that produced the weights. */
  readonly step: number;
  readonly loss: number;
  readonly weights: Readonly<Record<string, NdArray>>;
}

/** The held-out losses of a run. */
export class HeldOut {
  readonly losses: number[] = [];
  best: Best | undefined;
  readonly #trainer: Trainer;
  readonly #batches: StreamedBatches;
  readonly #measuring: Measuring;
  readonly #learningRate: number;
  readonly #plateau = plateau({ factor: 0.5, patience: 1 });
  #sinceBest = 0;

  constructor(trainer: Trainer, batches: StreamedBatches, measuring: Measuring, learningRate: number) {
    this.#trainer = trainer;
    this.#batches = batches;
    this.#measuring = measuring;
    this.#learningRate = learningRate;
  }

  /** Continues from the losses of an earlier run, whose best weights these are. */
  resume(losses: readonly number[], weights: Best["weights"]): void {
    for (const loss of losses) {
      const isBest = this.#note(loss);
      if (isBest) this.best = { step: this.losses.length * this.#measuring.every, loss, weights };
    }
  }

  /** Measures the loss if it is due; to be called after every step. */
  async after(step: number): Promise<Measurement | undefined> {
    if (step % this.#measuring.every !== 0) return undefined;
    const loss = await heldOutLoss(this.#trainer, this.#batches, this.#measuring.batches);
    if (loss === undefined) return undefined;
    // The losses are stored as JSON, which has no NaN: a loss that is not finite counts as the worst possible.
    const valLoss = isFiniteInF32(loss) ? loss : Number.MAX_VALUE;
    const best = this.#note(valLoss);
    if (best) this.best = { step, loss, weights: await this.#trainer.parameters() };
    return { step, valLoss, best };
  }

  /** Whether the patience is used up. */
  get isOver(): boolean {
    return this.#sinceBest >= (this.#measuring.patience ?? Number.POSITIVE_INFINITY);
  }

  #note(loss: number): boolean {
    const isBest = loss < (this.best?.loss ?? Number.MAX_VALUE);
    this.#sinceBest = isBest ? 0 : this.#sinceBest + 1;
    this.losses.push(loss);
    if (this.#measuring.followsPlateau) this.#trainer.learningRate = this.#learningRate * this.#plateau.observe(loss);
    return isBest;
  }
}

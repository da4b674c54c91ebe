/**
 * @file The model of a run that is not over yet: saved where the held-out loss has improved, and from time to time, so that a
 * process which is killed loses little. It holds all that the run is gone on with.
 *
 * What a step left is known to be good once the step after it had a finite loss, which the host learns of a few steps
 * later: only then is it written.
 */
import type { NdArray } from "../compiler/graph/ndarray.ts";
import type { Checkpoint, Trainer } from "../train/trainer.ts";

/** A run as it was after a step. */
export interface Moment {
  readonly step: number;
  /** Of that step. */
  readonly loss: number;
  readonly checkpoint: Checkpoint;
  readonly weights: Readonly<Record<string, NdArray>>;
}

export interface InterimOptions {
  readonly trainer: Trainer;
  /** Seconds from one save to the next, where no improvement comes before. */
  readonly every: number;
  /** Given what the run knows now, gives what writes the moment that is being taken. */
  readonly prepare: () => (moment: Moment) => Promise<void>;
}

interface Taken {
  readonly step: number;
  readonly arrays: Promise<readonly [Checkpoint, Moment["weights"]]>;
  readonly write: (moment: Moment) => Promise<void>;
  loss: number | undefined;
}

export class InterimSaves {
  /** The step of the last save; 0 before the first. */
  savedStep = 0;
  readonly #options: InterimOptions;
  #lastTime = performance.now();
  #isDue = false;
  #settled = 0;
  #taken: Taken | undefined;

  constructor(options: InterimOptions) {
    this.#options = options;
  }

  /** Notes that a step is over and had this loss, which is finite. */
  settle(step: number, loss: number): void {
    this.#settled = step;
    if (this.#taken?.step === step) this.#taken.loss = loss;
  }

  /** To be called when a step is enqueued and the next is not. */
  async after(step: number, isBest: boolean): Promise<void> {
    await this.#writeTaken();
    this.#isDue ||= isBest || performance.now() - this.#lastTime >= 1000 * this.#options.every;
    // One at a time; what comes meanwhile is taken when that is written.
    if (!this.#isDue || this.#taken !== undefined) return;
    const { trainer, prepare } = this.#options;
    // Both are enqueued before anything is waited for, so that they are of one moment.
    const arrays = Promise.all([trainer.checkpoint(), trainer.parameters()] as const);
    // Where the device fails, the steps say so.
    arrays.catch(() => undefined);
    this.#taken = { step, arrays, write: prepare(), loss: undefined };
    this.#isDue = false;
    this.#lastTime = performance.now();
  }

  async #writeTaken(): Promise<void> {
    const taken = this.#taken;
    if (taken?.loss === undefined || this.#settled <= taken.step) return;
    this.#taken = undefined;
    const [checkpoint, weights] = await taken.arrays;
    await taken.write({ step: taken.step, loss: taken.loss, checkpoint, weights });
    this.savedStep = taken.step;
  }
}

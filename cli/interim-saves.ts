/**
 * @file Saves during a run: the model is written when the held-out loss has improved, and at fixed intervals, so that a
 * killed process loses little. The file holds everything `--resume` needs.
 *
 * The weights of a step are known to be good once the next step had a finite loss, which the host learns a few steps
 * later: the model is written only then.
 */
import type { NdArray } from "../compiler/graph/ndarray.ts";
import type { Checkpoint, Trainer } from "../train/trainer.ts";

/** The state of a run after a step. */
export interface RunState {
  readonly step: number;
  /** The loss of that step. */
  readonly loss: number;
  readonly checkpoint: Checkpoint;
  readonly weights: Readonly<Record<string, NdArray>>;
}

export interface InterimOptions {
  readonly trainer: Trainer;
  /** Seconds between saves, unless an improvement comes first. */
  readonly every: number;
  /** Captures what the run knows now; returns the function that writes the state once it is read back. */
  readonly prepare: () => (state: RunState) => Promise<void>;
}

interface PendingSave {
  readonly step: number;
  readonly arrays: Promise<readonly [Checkpoint, RunState["weights"]]>;
  readonly write: (state: RunState) => Promise<void>;
  loss: number | undefined;
}

export class InterimSaves {
  /** The step of the last save; 0 before the first. */
  savedStep = 0;
  readonly #options: InterimOptions;
  #lastTime = performance.now();
  #isDue = false;
  #settled = 0;
  #pending: PendingSave | undefined;

  constructor(options: InterimOptions) {
    this.#options = options;
  }

  /** Records that a step has finished with this finite loss. */
  settle(step: number, loss: number): void {
    this.#settled = step;
    if (this.#pending?.step === step) this.#pending.loss = loss;
  }

  /** To be called after a step is enqueued and before the next one is. */
  async after(step: number, isBest: boolean): Promise<void> {
    await this.#writePending();
    this.#isDue ||= isBest || performance.now() - this.#lastTime >= 1000 * this.#options.every;
    // One at a time: a save that falls due meanwhile starts when this one is written.
    if (!this.#isDue || this.#pending !== undefined) return;
    const { trainer, prepare } = this.#options;
    // Both are enqueued before the first await, so that they are of the same step.
    const arrays = Promise.all([trainer.checkpoint(), trainer.parameters()] as const);
    // If the device fails, the training steps report it.
    arrays.catch(() => undefined);
    this.#pending = { step, arrays, write: prepare(), loss: undefined };
    this.#isDue = false;
    this.#lastTime = performance.now();
  }

  async #writePending(): Promise<void> {
    const pending = this.#pending;
    if (pending?.loss === undefined || this.#settled <= pending.step) return;
    this.#pending = undefined;
    const [checkpoint, weights] = await pending.arrays;
    await pending.write({ step: pending.step, loss: pending.loss, checkpoint, weights });
    this.savedStep = pending.step;
  }
}

/** @file What the page hears of a run that trains: some times a second the mean loss and the speed since the last time. */
import type { ProgressEvent, RunName } from "../shared/protocol.ts";

const milliseconds = 100;

export interface StepNumbers {
  readonly step: number;
  readonly loss: number;
  readonly gradientNorm: number;
  readonly tokens: number;
}

interface Sums {
  readonly loss: number;
  readonly count: number;
  readonly tokens: number;
}

const nothing: Sums = { loss: 0, count: 0, tokens: 0 };

export class Progress {
  readonly #run: RunName;
  readonly #post: (event: ProgressEvent) => void;
  #last: StepNumbers | undefined;
  #sums = nothing;
  #told = 0;

  constructor(run: RunName, post: (event: ProgressEvent) => void) {
    this.#run = run;
    this.#post = post;
  }

  /** Whether the loss of some step is back. */
  get hasBegun(): boolean {
    return this.#last !== undefined;
  }

  /** Training starts, or goes on: time that passed before does not count. */
  begin(): void {
    this.#told = performance.now();
    this.#sums = nothing;
  }

  reset(): void {
    this.#last = undefined;
    this.#sums = nothing;
  }

  add(numbers: StepNumbers): void {
    const { loss, count, tokens } = this.#sums;
    this.#sums = { loss: loss + numbers.loss, count: count + 1, tokens: tokens + numbers.tokens };
    this.#last = numbers;
    if (performance.now() - this.#told >= milliseconds) this.#tell();
  }

  heldOut(step: number, loss: number): void {
    this.#tell({ step, loss });
  }

  /** Tells of what was not told yet. */
  rest(): void {
    if (this.#sums.count > 0) this.#tell();
  }

  #tell(heldOut?: ProgressEvent["heldOut"]): void {
    if (this.#last === undefined) return;
    const now = performance.now();
    const { loss, count, tokens } = this.#sums;
    const { step, gradientNorm } = this.#last;
    const seconds = Math.max(1, now - this.#told) / 1000;
    this.#post({
      ...{ type: "progress", run: this.#run, step, gradientNorm, tokensPerSecond: tokens / seconds },
      loss: count === 0 ? this.#last.loss : loss / count,
      ...(heldOut && { heldOut }),
    });
    this.#told = now;
    this.#sums = nothing;
  }
}

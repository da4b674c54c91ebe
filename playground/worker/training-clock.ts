/** @file The clock of training: it stands still during evaluation, of whichever run, so that speeds are those of training. */

export class TrainingClock {
  readonly #source: () => number;
  /** Time that did not count, in milliseconds. */
  #left = 0;
  #stopped: number | undefined;

  constructor(source: () => number = () => performance.now()) {
    this.#source = source;
  }

  /** Milliseconds from an arbitrary start. */
  now(): number {
    return (this.#stopped ?? this.#source()) - this.#left;
  }

  /** Runs `body` while the clock stands still. One at a time. */
  async without<T>(body: () => Promise<T>): Promise<T> {
    const start = this.#source();
    this.#stopped = start;
    try {
      return await body();
    } finally {
      this.#stopped = undefined;
      this.#left += this.#source() - start;
    }
  }
}

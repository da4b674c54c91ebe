/**
 * @file Trains several runs on one device, in turns: each that is active gets one step, then the next. In between the
 * worker listens to what the page says.
 */
import { nextMacrotask } from "../../train/abort.ts";
import type { StoppedEvent } from "../shared/protocol.ts";
import type { Run } from "./run.ts";

export class TrainingLoop {
  readonly #active = new Set<Run>();
  readonly #post: (event: StoppedEvent) => void;
  readonly #onFault: (run: Run, error: unknown) => void;
  #going = false;

  /** `onFault` is told of what a step threw; the run is then no longer active. */
  constructor(post: (event: StoppedEvent) => void, onFault: (run: Run, error: unknown) => void) {
    this.#post = post;
    this.#onFault = onFault;
  }

  async start(run: Run, steps?: number): Promise<void> {
    await run.begin(steps);
    this.#active.add(run);
    void this.#go();
  }

  /** Resolves once nothing of the run is in flight and its weights are kept. */
  async pause(run: Run): Promise<void> {
    this.#active.delete(run);
    await run.rest();
    await run.keep();
  }

  /** The run makes no more steps; what is in flight is not waited for. */
  drop(run: Run): void {
    this.#active.delete(run);
  }

  async #go(): Promise<void> {
    if (this.#going) return;
    this.#going = true;
    while (this.#active.size > 0) {
      for (const run of [...this.#active]) {
        if (!this.#active.has(run)) continue;
        try {
          const stopped = await run.advance();
          if (stopped === undefined) continue;
          // Reported last: a listener may start the run again.
          this.#active.delete(run);
          this.#post(stopped);
        } catch (error) {
          this.#active.delete(run);
          this.#onFault(run, error);
        }
      }
      await nextMacrotask();
    }
    this.#going = false;
  }
}

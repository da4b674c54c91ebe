/** @file What the page hears of a run that trains: some times a second the mean loss and the speed since the last time. */
import type { ProgressEvent, RunName } from "../shared/protocol.ts";
import type { TrainingClock } from "./training-clock.ts";

const milliseconds = 100;
/** A run that diverges reports at most this many of its last steps one by one. */
const mostSingle = 100;

export interface StepNumbers {
  readonly step: number;
  readonly loss: number;
  readonly gradientNorm: number;
  readonly tokens: number;
}

export class Progress {
  readonly #run: RunName;
  readonly #post: (event: ProgressEvent) => void;
  readonly #clock: Pick<TrainingClock, "now">;
  #last: StepNumbers | undefined;
  #untold: StepNumbers[] = [];
  #told = 0;
  #tokens = 0;
  #measured = 0;
  #speed: number | undefined;

  constructor(run: RunName, post: (event: ProgressEvent) => void, clock: Pick<TrainingClock, "now">) {
    this.#run = run;
    this.#post = post;
    this.#clock = clock;
  }

  /** Whether the loss of some step is back. */
  get hasBegun(): boolean {
    return this.#last !== undefined;
  }

  /** Training starts, or goes on: time that passed before does not count. */
  begin(): void {
    this.#told = this.#clock.now();
    this.#measured = this.#told;
    this.#untold = [];
    this.#tokens = 0;
  }

  reset(): void {
    this.#last = undefined;
    this.#untold = [];
    this.#tokens = 0;
    this.#speed = undefined;
  }

  add(numbers: StepNumbers): void {
    this.#untold.push(numbers);
    this.#tokens += numbers.tokens;
    this.#last = numbers;
    if (this.#clock.now() - this.#told >= milliseconds) this.#tell(this.#taken());
  }

  heldOut(step: number, loss: number): void {
    this.#tell(this.#taken(), { step, loss });
  }

  /** Tells of what was not told yet. */
  rest(): void {
    const steps = this.#taken();
    if (steps.length > 0) this.#tell(steps);
  }

  /** Tells of the last steps one by one: a mean of them would hide how the loss grew. */
  diverged(): void {
    const steps = this.#taken();
    const earlier = steps.splice(0, steps.length - mostSingle);
    if (earlier.length > 0) this.#tell(earlier);
    for (const step of steps) this.#tell([step]);
  }

  #taken(): StepNumbers[] {
    const steps = this.#untold;
    this.#untold = [];
    return steps;
  }

  #tell(steps: readonly StepNumbers[], heldOut?: ProgressEvent["heldOut"]): void {
    const last = steps.at(-1) ?? this.#last;
    if (last === undefined) return;
    this.#told = this.#clock.now();
    const { step, gradientNorm } = last;
    const loss = steps.length === 0 ? last.loss : steps.reduce((sum, one) => sum + one.loss, 0) / steps.length;
    this.#post({
      ...{ type: "progress", run: this.#run, step, loss, gradientNorm, tokensPerSecond: this.#speedNow() },
      ...(heldOut && { heldOut }),
    });
  }

  /** Tokens per second. A time too short to measure leaves it as it was: an evaluation can follow a step at once. */
  #speedNow(): number {
    const now = this.#clock.now();
    const elapsed = now - this.#measured;
    if (this.#tokens > 0 && (elapsed >= milliseconds || this.#speed === undefined)) {
      this.#speed = (1000 * this.#tokens) / Math.max(1, elapsed);
      this.#tokens = 0;
      this.#measured = now;
    }
    return this.#speed ?? 0;
  }
}

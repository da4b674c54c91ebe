/** @file The curves of each run, thinned so that a long training stays cheap to draw. */
import type { ProgressEvent } from "../../shared/protocol.ts";

/** Points of one curve, by step. */
export interface Curve {
  readonly steps: number[];
  readonly values: number[];
}

export interface RunHistory {
  readonly loss: Curve;
  readonly heldOut: Curve;
  readonly speed: Curve;
  readonly last?: ProgressEvent;
}

const mostPoints = 1200;

export class History {
  readonly #runs = new Map<string, RunHistory>();

  get runs(): ReadonlyMap<string, RunHistory> {
    return this.#runs;
  }

  of(run: string): RunHistory | undefined {
    return this.#runs.get(run);
  }

  clear(runs: readonly string[]): void {
    for (const run of runs) this.#runs.set(run, emptyHistory());
  }

  /** Keeps only these runs, each from the beginning. */
  restart(runs: readonly string[]): void {
    this.#runs.clear();
    this.clear(runs);
  }

  add(event: ProgressEvent): void {
    const history = this.#runs.get(event.run) ?? emptyHistory();
    const { step, loss, heldOut, tokensPerSecond } = event;
    push(history.loss, step, loss);
    push(history.speed, step, tokensPerSecond);
    if (heldOut !== undefined) push(history.heldOut, heldOut.step, heldOut.loss);
    this.#runs.set(event.run, { ...history, last: event });
  }
}

function emptyHistory(): RunHistory {
  const curve = (): Curve => ({ steps: [], values: [] });
  return { loss: curve(), heldOut: curve(), speed: curve() };
}

/** Where a curve grows too long, every other point of it goes. */
function push(curve: Curve, step: number, value: number): void {
  curve.steps.push(step);
  curve.values.push(value);
  if (curve.steps.length <= mostPoints) return;
  for (const list of [curve.steps, curve.values]) {
    const kept = list.filter((_, i) => i % 2 === 0);
    list.splice(0, list.length, ...kept);
  }
}

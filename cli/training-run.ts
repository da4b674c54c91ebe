/**
 * @file A training run of the command line: `trainer.run`, with batches that are asked for between two steps, where the run
 * can also be measured, saved and ended; reports each step, and returns why it ended.
 *
 * The guard on the device keeps the weights from before a bad step, but these can be the cause: an update that is too
 * large shows only in the next loss. So the loop copies the weights from time to time, and a copy counts as good once the
 * step after it had a finite loss.
 */
import type { NdArray } from "../index.ts";
import type { Batch } from "../train/data/batches.ts";
import type { BatchStream } from "../train/data/pieces.ts";
import { whatIsBad } from "../train/run.ts";
import type { Trainer } from "../train/trainer.ts";

export interface StepReport {
  readonly step: number;
  readonly loss: number;
  /** Global norm, before clipping. */
  readonly gradientNorm: number;
  readonly tokensPerSecond: number;
}

export interface RunOptions {
  readonly trainer: Trainer;
  /** One pass over the data; repeated as often as needed. */
  readonly training: BatchStream;
  /** Steps of the earlier run that this one continues. */
  readonly before?: number;
  /** Steps to run. */
  readonly steps: number;
  readonly report: (report: StepReport) => void;
  /** Called before every step. */
  readonly isInterrupted: () => boolean;
  /** Awaited after every step, with the number of steps so far; the run ends if it returns true. */
  readonly after?: (steps: number) => Promise<boolean>;
}

export interface RunResult {
  /** Steps that changed the weights. */
  readonly steps: number;
  /** Loss of the last such step; NaN if there was none. */
  readonly loss: number;
  readonly seconds: number;
  readonly tokensPerSecond: number;
  readonly interrupted: boolean;
  /** Whether `after` ended it. */
  readonly stopped: boolean;
  /** The first non-finite value, such as "the loss is NaN". The trainer holds the weights from before that step. */
  readonly fault?: Fault;
  /** The last weights that are known to have a finite loss. */
  readonly lastGood?: Snapshot;
}

export interface Fault {
  readonly step: number;
  readonly value: string;
  /** Whether every step was finite, and only the held-out loss of the final weights is not. */
  readonly isHeldOut?: boolean;
}

export interface Snapshot {
  /** The step that produced these weights. */
  readonly step: number;
  readonly weights: Promise<Record<string, NdArray>>;
}

/** Throughput is averaged over this many steps. */
const WINDOW = 20;

/** Weights are copied after steps 1, 2, 4, 8, 16, 32 and then every 64: many runs that fail do so early. */
function isSnapshotStep(step: number): boolean {
  return step % 64 === 0 || (step < 64 && Number.isInteger(Math.log2(step)));
}

export async function runTraining(options: RunOptions): Promise<RunResult> {
  const { trainer, before = 0, steps, report, isInterrupted, after } = options;
  const started = performance.now();
  const finished: { readonly at: number; readonly tokens: number }[] = [{ at: started, tokens: 0 }];
  /** Tokens of the steps in flight. */
  const pending: number[] = [];
  let [done, loss, tokens, isStopped] = [before, Number.NaN, 0, false];
  let fault: RunResult["fault"];
  const snapshots: Snapshot[] = [];
  let lastGood: Snapshot | undefined;

  /** The batches of the run. What follows a `yield` comes when its step is enqueued and before the next one is. */
  async function* fed(): AsyncGenerator<Batch> {
    let step = before;
    for await (const batch of endless(options.training, before)) {
      step += 1;
      pending.push((batch.x.shape[0] ?? 0) * (batch.x.shape[1] ?? 0));
      yield batch;
      if (isSnapshotStep(step)) snapshots.push({ step, weights: trainer.parameters() });
      isStopped = (await after?.(step)) ?? false;
      if (isStopped || isInterrupted() || step === before + steps) return;
    }
  }

  if (steps > 0 && !isInterrupted()) {
    for await (const result of trainer.run(fed())) {
      if (!result.finite) {
        fault = { step: before + result.step, value: whatIsBad(result) };
        break;
      }
      [done, loss] = [before + result.step, result.loss];
      if (snapshots[0]?.step === done - 1) lastGood = snapshots.shift();
      tokens += pending.shift() ?? 0;
      finished.push({ at: performance.now(), tokens });
      if (finished.length > WINDOW) finished.shift();
      report({ step: done, loss, gradientNorm: result.gradientNorm, tokensPerSecond: speed(finished) });
    }
  }
  await Promise.all(snapshots.map(({ weights }) => weights));

  const seconds = Math.max(1e-3, rounded((performance.now() - started) / 1000));
  return {
    steps: done,
    loss,
    seconds,
    tokensPerSecond: rounded(tokens / seconds),
    interrupted: fault === undefined && !isStopped && done < before + steps,
    stopped: isStopped,
    ...(fault && { fault }),
    ...(lastGood && { lastGood }),
  };
}

/** Repeats the passes over the data, starting after the first `before` batches. */
export async function* endless(training: BatchStream, before: number): AsyncGenerator<Batch, never> {
  for (let first = before % training.count; ; first = 0) yield* training.from(first);
}

function speed(finished: readonly { readonly at: number; readonly tokens: number }[]): number {
  const [first, last] = [finished[0], finished[finished.length - 1]];
  if (first === undefined || last === undefined || last.at === first.at) return 0;
  return rounded(((last.tokens - first.tokens) * 1000) / (last.at - first.at));
}

/** Rounded to three decimals, the resolution of the clock. */
function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

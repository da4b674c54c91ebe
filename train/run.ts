/**
 * @file `trainer.run`: training steps over batches as an async iteration of their results.
 *
 * A few steps are in flight at any time, so that the device does not wait for the host: the result of a step comes when
 * later ones are enqueued already. The source is asked for a batch when the step before is enqueued and before the next is,
 * so a generator of batches can look at the trainer between two steps.
 */
import { UserError } from "../compiler/graph/errors.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import { type AbortSignalLike, nextMacrotask, ofAbort } from "./abort.ts";
import type { TrainingBatch } from "./batch-inputs.ts";
import { checkEntries, entriesOf, isRepeatable, type SourceOf } from "./data/source.ts";
import type { RunOptions, TrainingStepResult } from "./trainer-interface.ts";

const ofRun = { ...ofAbort, steps: "number", inFlight: "number" } as const;

interface Settings {
  readonly signal: AbortSignalLike | undefined;
  readonly steps: number;
  readonly inFlight: number;
}

/** What trains on batches, and with which result. */
interface Stepping<Result> {
  readonly step: (batch: TrainingBatch) => Promise<Result>;
}

/**
 * The results of steps over batches, in order; checks its arguments at once. `stopOf` says why no later step can be applied
 * after a result, or returns undefined.
 */
export function trainingRun<Result>(
  trainer: Stepping<Result>,
  batches: SourceOf<TrainingBatch>,
  options: RunOptions,
  stopOf: (result: Result) => string | undefined,
): AsyncGenerator<Result, void, undefined> {
  const { signal, steps, inFlight = 4 } = checkedOptions("run", options, ofRun);
  for (const [name, value] of Object.entries({ steps: steps ?? 1, inFlight }))
    if (!Number.isInteger(value) || value < 1)
      throw new UserError(`run: ${name} is ${value}; expected a whole number above 0`);
  checkEntries("run", "batches", batches);
  const settings = { signal, steps: steps ?? Number.POSITIVE_INFINITY, inFlight };
  return results(trainer, repeated(batches, steps, signal), settings, stopOf);
}

async function* results<Result>(
  trainer: Stepping<Result>,
  batches: AsyncGenerator<TrainingBatch, void, undefined>,
  { signal, steps, inFlight }: Settings,
  stopOf: (result: Result) => string | undefined,
): AsyncGenerator<Result, void, undefined> {
  const pending: Promise<Result>[] = [];
  /** Why no more steps are enqueued. */
  let end: { readonly fault?: unknown } | undefined;
  const enqueue = async () => {
    const { done, value } = await batches.next();
    if (done) return {};
    const result = trainer.step(value);
    // It is awaited later.
    result.catch(() => {});
    pending.push(result);
    return undefined;
  };
  try {
    for (let enqueued = 0; ; ) {
      signal?.throwIfAborted();
      if (end === undefined) {
        await nextMacrotask();
        end = enqueued === steps ? {} : await enqueue().catch((fault: unknown) => ({ fault }));
        enqueued += 1;
        signal?.throwIfAborted();
        if (end === undefined && pending.length < inFlight) continue;
      }
      const oldest = pending.shift();
      if (oldest === undefined) break;
      const result = await oldest;
      signal?.throwIfAborted();
      yield result;
      const stop = stopOf(result);
      if (stop !== undefined) throw new UserError(stop);
    }
    if (end !== undefined && "fault" in end) throw end.fault;
  } finally {
    // The trainer is the caller's again when nothing is in flight.
    await Promise.allSettled(pending);
    await batches.return();
  }
}

/** All batches of a source; with a number of steps, again and again if it can be read again. */
async function* repeated(
  source: SourceOf<TrainingBatch>,
  steps: number | undefined,
  signal: AbortSignalLike | undefined,
): AsyncGenerator<TrainingBatch, void, undefined> {
  const isRepeated = steps !== undefined && isRepeatable(source);
  do {
    let isEmpty = true;
    for await (const batch of entriesOf("run", "batches", source, signal)) {
      isEmpty = false;
      yield batch;
    }
    if (isEmpty) throw new UserError("run: got no batches; a generator or a stream gives its batches only once");
  } while (isRepeated);
}

/** The results of a trainer's steps over batches: `Trainer.run`. */
export function trainerRun(
  trainer: Stepping<TrainingStepResult>,
  batches: SourceOf<TrainingBatch>,
  options: RunOptions = {},
) {
  return trainingRun(trainer, batches, options, stopOf);
}

function stopOf(result: TrainingStepResult): string | undefined {
  if (result.finite) return undefined;
  return `step ${result.firstBadStep ?? result.step}: ${whatIsBad(result)}; the trainer keeps the weights from before it and applies no more steps. A smaller learning rate often helps; trainer.stoppedStep() has what findNonFinite needs to name the op`;
}

/** What was not finite in the first step that was not applied. */
export function whatIsBad({ firstBad = "loss", loss, gradientNorm }: TrainingStepResult): string {
  if (firstBad === "update") return "the updated weights are not finite";
  return `the ${firstBad} is ${Math.fround(firstBad === "loss" ? loss : gradientNorm)}`;
}

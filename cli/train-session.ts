/** @file One training session: held-out loss before, the steps with their progress, held-out loss after, the model. */
import type { Batch } from "../train/data/batches.ts";
import type { Device } from "../train/device.ts";
import { type SavedModel, savedModel } from "../train/model-file.ts";
import { adam } from "../train/optimizers.ts";
import { plateau } from "../train/plateau.ts";
import { createTrainer, type Trainer } from "../train/trainer.ts";
import type { Tuned } from "../train/tuned.ts";
import type { UpdateOptions } from "../train/update.ts";
import { watchInterrupt } from "./interrupt.ts";
import { showProgress } from "./progress.ts";
import { jsonLine, type Streams } from "./streams.ts";
import type { Task } from "./tasks.ts";
import { type RunResult, runTraining } from "./training-run.ts";

export interface SessionOptions {
  readonly task: Task;
  readonly device: Device;
  readonly steps: number;
  readonly learningRate: number;
  /** How weights are updated; by Adam, gradients clipped to a norm of 1, by default. */
  readonly update?: UpdateOptions;
  /** Whether the learning rate falls where the held-out loss no longer does. */
  readonly followsPlateau?: boolean;
  readonly seed: number;
  /** The tuning to train with; the model keeps it. */
  readonly tuned?: Tuned | undefined;
  readonly json: boolean;
  readonly streams: Streams;
}

export interface SessionResult {
  readonly run: RunResult;
  /** Held-out losses; none where the data is too short to hold some out. */
  readonly before: number | undefined;
  readonly after: number | undefined;
  /** None where no step was good: nothing was learned that is worth a file. */
  readonly model: SavedModel | undefined;
  /** The step whose weights the model has. */
  readonly kept: number;
}

/** Largest global norm of a gradient: what recurrent networks are commonly clipped to. */
export const CLIP_NORM = 1;
/** How often the held-out loss is measured while the learning rate follows it. */
const MEASUREMENTS = 20;
/** Enough for two digits of the held-out loss, however long the file. */
const MOST_HELD_OUT_BATCHES = 100;

export async function trainSession(options: SessionOptions): Promise<SessionResult> {
  const { task, device, learningRate, seed, tuned, update = { optimizer: adam(), clipNorm: CLIP_NORM } } = options;
  const interrupt = watchInterrupt();
  const trainer = await createTrainer(device, task.network, {
    ...{ ...update, seed, learningRate, tuning: tuned?.tuning },
  });
  try {
    const before = await heldOutLoss(trainer, task);
    const run = await steps(trainer, options, () => interrupt.requested);
    const { kept, after } = run.fault ? await lastGood(trainer, task, run) : await lastMade(trainer, task, run);
    if (kept === 0) return { run, before, after, kept, model: undefined };
    const { vocabulary, columns, normalisation } = task;
    const model = savedModel(task.network, await trainer.parameters(), {
      ...(vocabulary && { vocabulary }),
      ...(columns && { columns }),
      ...(normalisation && { normalisation }),
      ...(tuned && { tuned }),
      training: { steps: kept, loss: run.loss, ...(after !== undefined && { valLoss: after }), seed, learningRate },
    });
    return { run, before, after, kept, model };
  } finally {
    interrupt.dispose();
    trainer.destroy();
  }
}

interface Kept {
  /** The step that made the weights which the trainer now holds. */
  readonly kept: number;
  readonly after: number | undefined;
}

async function lastMade(trainer: Trainer, task: Task, { steps, interrupted }: RunResult): Promise<Kept> {
  // Whoever interrupts does not want to wait.
  return { kept: steps, after: interrupted || steps === 0 ? undefined : await heldOutLoss(trainer, task) };
}

/** After a fault: the weights that the guard kept, where they are good, or else the last that were. */
async function lastGood(trainer: Trainer, task: Task, run: RunResult): Promise<Kept> {
  const after = run.steps === 0 ? undefined : await heldOutLoss(trainer, task);
  if (after !== undefined && Number.isFinite(after)) return { kept: run.steps, after };
  if (run.lastGood === undefined) return { kept: 0, after: undefined };
  trainer.setParameters(await run.lastGood.weights);
  return { kept: run.lastGood.step, after: await heldOutLoss(trainer, task) };
}

async function steps(trainer: Trainer, options: SessionOptions, isInterrupted: () => boolean): Promise<RunResult> {
  const { task, steps, json, streams } = options;
  const progress = json
    ? { update: (report: object) => jsonLine(streams.stdout, report), stop: () => {} }
    : showProgress(streams.stderr, steps, task.entries);
  try {
    return await runTraining({
      trainer,
      training: task.batches.training,
      steps,
      report: progress.update,
      isInterrupted,
      ...(options.followsPlateau && { between: rateOnPlateau(trainer, options) }),
    });
  } finally {
    progress.stop();
  }
}

/** Measures the held-out loss now and then, and halves the learning rate after two measurements without an improvement. */
function rateOnPlateau(trainer: Trainer, { task, steps, learningRate }: SessionOptions) {
  const every = Math.ceil(steps / MEASUREMENTS);
  const { observe } = plateau({ factor: 0.5, patience: 1 });
  return async (done: number) => {
    const loss = done % every === 0 ? await heldOutLoss(trainer, task) : undefined;
    if (loss !== undefined) trainer.learningRate = learningRate * observe(loss);
  };
}

async function heldOutLoss(trainer: Trainer, { batches }: Task): Promise<number | undefined> {
  const held = [...firstOf(batches.validation, MOST_HELD_OUT_BATCHES)];
  return held.length === 0 ? undefined : trainer.evaluate(held);
}

function* firstOf(batches: Iterable<Batch>, count: number): Generator<Batch> {
  let taken = 0;
  for (const batch of batches) {
    if (taken++ >= count) return;
    yield batch;
  }
}

/** @file One training session: held-out loss before, the steps with their progress, held-out loss after, the model. */
import { InternalError } from "../compiler/graph/errors.ts";
import { findNonFinite, nonFiniteLine } from "../compiler/ops/non-finite.ts";
import type { Device } from "../devices/device.ts";
import { isFiniteInF32 } from "../train/files/finite-model.ts";
import { type ModelDetails, type SavedModel, type SavedNetwork, savedModel } from "../train/files/model-file.ts";
import type { RunRecord } from "../train/files/run-record.ts";
import type { Tuned } from "../train/files/tuned.ts";
import { adam } from "../train/optimizers/gradient-descent.ts";
import type { UpdateOptions } from "../train/optimizers/update.ts";
import { createTrainer, type Trainer } from "../train/trainer.ts";
import { HeldOut, heldOutLoss, type Measurement, type Measuring } from "./held-out.ts";
import { InterimSaves, type Moment } from "./interim-saves.ts";
import { watchInterrupt } from "./interrupt.ts";
import { EVAL_BATCHES } from "./options.ts";
import { type Progress, showProgress } from "./progress.ts";
import { jsonLine, line, type Streams } from "./streams.ts";
import { type RunResult, runTraining, type StepReport } from "./training-run.ts";
import type { TrainingSetup } from "./training-setup.ts";

export interface SessionOptions {
  readonly setup: TrainingSetup;
  readonly device: Device;
  /** Steps to make. */
  readonly steps: number;
  readonly learningRate: number;
  /** How weights are updated; by Adam, gradients clipped to a norm of 1, by default. */
  readonly update?: UpdateOptions;
  /** How the held-out loss is measured on the way; only before and after by default. */
  readonly measuring?: Measuring | undefined;
  /** Batches of a measurement of the held-out loss, at the most; 0 for all, 100 by default. */
  readonly evalBatches?: number;
  readonly seed: number;
  /** The tuning to train with; the model keeps it. */
  readonly tuned?: Tuned | undefined;
  /** What the model keeps of the run beside its steps and losses; without it the run cannot be gone on with. */
  readonly record?: Omit<RunRecord, "steps" | "losses"> | undefined;
  /** Takes the model on the way, where the held-out loss has improved and every so many seconds. */
  readonly saving?: { readonly every: number; readonly write: (model: SavedModel) => Promise<void> } | undefined;
  /** The model of the run that this one goes on with. */
  readonly resumed?: ResumableModel | undefined;
  /** Takes what is known of each step and measurement, for a log. */
  readonly note?: (entry: StepReport | Measurement) => void;
  /** Whether to look for the op that made a number which is not finite. */
  readonly debugNan?: boolean | undefined;
  readonly json: boolean;
  readonly streams: Streams;
  /** Shows the run instead of a bar; asked after every step, which it may look at. */
  readonly display?: Progress & { readonly after: (step: number, trainer: Trainer) => Promise<void> };
}

/** A model that a run can be gone on with. */
export type ResumableModel = SavedNetwork & Required<Pick<SavedNetwork, "checkpoint" | "run">>;

export interface SessionResult {
  readonly run: RunResult;
  /** Where the number came from that stopped training, in words; none where that was not asked for, or nothing did. */
  readonly origin: string | undefined;
  /** Held-out losses; none where the data is too short to hold some out, and none before a run that is gone on with. */
  readonly before: number | undefined;
  readonly after: number | undefined;
  /** None where no step was good: nothing was learned that is worth a file. */
  readonly model: SavedModel | undefined;
  /** The step after which the model was saved on the way, last; 0 where it was not. */
  readonly savedStep: number;
  /** The step whose weights the model has. */
  readonly kept: number;
}

/** Largest global norm of a gradient: what recurrent networks are commonly clipped to. */
export const CLIP_NORM = 1;

export async function trainSession(options: SessionOptions): Promise<SessionResult> {
  const { setup, device, learningRate, seed, tuned, measuring, resumed, evalBatches = EVAL_BATCHES } = options;
  const update = options.update ?? { optimizer: adam(), clipNorm: CLIP_NORM };
  const interrupt = watchInterrupt();
  const trainer = await createTrainer(device, setup.network, {
    ...{ ...update, seed, learningRate, tuning: tuned?.tuning },
  });
  try {
    if (resumed !== undefined) trainer.restore(resumed.checkpoint);
    const heldOut = measuring && new HeldOut(trainer, setup.batches, measuring, learningRate);
    if (resumed !== undefined) heldOut?.resume(resumed.run.losses, resumed.parameters);
    const before = resumed === undefined ? await heldOutLoss(trainer, setup.batches, evalBatches) : undefined;
    const saves = interimSaves(trainer, options, heldOut);
    const made = await steps(trainer, options, heldOut, saves, () => interrupt.requested);
    const savedStep = saves?.savedStep ?? 0;
    const origin = options.debugNan ? await originOf(trainer) : undefined;
    const last = await lastLoss(trainer, setup, made, heldOut, evalBatches);
    const run = last === undefined || isFiniteInF32(last) ? made : withFault(made, last);
    const checkpoint = run.fault === undefined && options.record ? await trainer.checkpoint() : undefined;
    const kept = await keptOf(trainer, setup, run, heldOut, last, evalBatches);
    if (kept === undefined) return { run, origin, before, after: undefined, kept: 0, savedStep, model: undefined };
    const record = checkpoint && { checkpoint, run: recordOf(options, run.steps, heldOut) };
    const model = modelOf(options, kept, run.loss, record);
    return { run, origin, before, after: kept.after, kept: kept.step, savedStep, model };
  } finally {
    interrupt.dispose();
    trainer.destroy();
  }
}

/** The interpreter goes through the step that stopped training, before the trainer is given other weights. */
async function originOf(trainer: Trainer): Promise<string | undefined> {
  const stopped = await trainer.stoppedStep();
  if (stopped === undefined) return undefined;
  const { graph, inputs } = stopped;
  const found = findNonFinite(graph, inputs);
  return found === undefined ? "the interpreter finds loss and gradient of that step finite" : nonFiniteLine(found);
}

/** What goes into the model. */
interface Kept {
  /** The step that made the weights. */
  readonly step: number;
  readonly weights: SavedModel["parameters"];
  /** Their held-out loss, where there is one. */
  readonly after: number | undefined;
}

/** The held-out loss of the weights that the run ends with, where it decides on what is kept. */
async function lastLoss(
  trainer: Trainer,
  { batches }: TrainingSetup,
  run: RunResult,
  heldOut: HeldOut | undefined,
  evalBatches: number,
): Promise<number | undefined> {
  // Whoever interrupts does not want to wait.
  if (heldOut?.best !== undefined || run.steps === 0 || run.interrupted) return undefined;
  return heldOutLoss(trainer, batches, evalBatches);
}

/** Steps that were all finite may end in weights whose held-out loss is not. */
function withFault(run: RunResult, loss: number): RunResult {
  return { fault: { step: run.steps, value: `the held-out loss is ${Math.fround(loss)}`, isHeldOut: true }, ...run };
}

/** The best weights where they were measured, and otherwise the last ones that are good, of which `after` is the loss. */
async function keptOf(
  trainer: Trainer,
  { batches }: TrainingSetup,
  run: RunResult,
  heldOut: HeldOut | undefined,
  after: number | undefined,
  evalBatches: number,
): Promise<Kept | undefined> {
  if (heldOut?.best !== undefined) {
    const { step, weights, loss } = heldOut.best;
    return { step, weights, after: loss };
  }
  if (run.steps === 0) return undefined;
  const isGood = after === undefined ? run.fault === undefined : isFiniteInF32(after);
  if (isGood) return { step: run.steps, weights: await trainer.parameters(), after };
  // The weights that the guard kept are those that made the loss bad.
  if (run.lastGood === undefined) return undefined;
  const weights = await run.lastGood.weights;
  trainer.setParameters(weights);
  const earlier = await heldOutLoss(trainer, batches, evalBatches);
  if (earlier !== undefined && !isFiniteInF32(earlier)) return undefined;
  return { step: run.lastGood.step, weights, after: earlier };
}

/** The model of these weights, with what the run is gone on with. */
function modelOf(
  { setup, tuned, seed, learningRate }: SessionOptions,
  { step, weights, after }: Kept,
  loss: number,
  record: Pick<ModelDetails, "checkpoint" | "run"> | undefined,
): SavedModel {
  return savedModel(setup.network, weights, {
    ...setup.details,
    ...(tuned && { tuned }),
    training: { steps: step, loss, ...(after !== undefined && { valLoss: after }), seed, learningRate },
    ...record,
  });
}

/** Saves on the way: the best weights where they are measured, and otherwise those of the moment. */
function interimSaves(
  trainer: Trainer,
  options: SessionOptions,
  heldOut: HeldOut | undefined,
): InterimSaves | undefined {
  const { saving, streams } = options;
  if (saving === undefined) return undefined;
  const prepare = () => {
    const [best, measured] = [heldOut?.best, [...(heldOut?.losses ?? [])]];
    return async ({ step, loss, checkpoint, weights }: Moment) => {
      const kept = best === undefined ? { step, weights, after: undefined } : { ...best, after: best.loss };
      const run = { ...recordOf(options, step, heldOut), losses: measured };
      await saving.write(modelOf(options, kept, loss, { checkpoint, run })).catch((error: unknown) => {
        line(streams.stderr, `cellgrad: ${error instanceof Error ? error.message : error}; training goes on`);
      });
    };
  };
  return new InterimSaves({ trainer, every: saving.every, prepare });
}

function recordOf({ record }: SessionOptions, steps: number, heldOut: HeldOut | undefined): RunRecord {
  if (record === undefined) throw new InternalError("a run without a record cannot be kept");
  // A run that went on for longer than was planned has been planned so.
  return { ...record, steps, planned: Math.max(steps, record.planned), losses: [...(heldOut?.losses ?? [])] };
}

async function steps(
  trainer: Trainer,
  options: SessionOptions,
  heldOut: HeldOut | undefined,
  saves: InterimSaves | undefined,
  isInterrupted: () => boolean,
): Promise<RunResult> {
  const { setup, steps, json, streams, resumed, display, note = () => {} } = options;
  const before = resumed?.run.steps ?? 0;
  const tell = (entry: object) => (json ? jsonLine(streams.stdout, entry) : undefined);
  const progress = json
    ? { update: tell, stop: () => {} }
    : (display ?? showProgress(streams.stderr, before + steps, setup.entries));
  const after = async (step: number) => {
    const measurement = await heldOut?.after(step);
    await saves?.after(step, measurement?.best ?? false);
    await display?.after(step, trainer);
    if (measurement === undefined) return false;
    note(measurement);
    tell(measurement);
    return heldOut?.isOver ?? false;
  };
  try {
    return await runTraining({
      ...{ trainer, training: setup.batches.training, before, steps, isInterrupted, after },
      report: (report) => {
        note(report);
        saves?.settle(report.step, report.loss);
        progress.update(report);
      },
    });
  } finally {
    progress.stop();
  }
}

/** @file One training session: held-out loss before, steps with progress, held-out loss after, and the model. */
import { InternalError } from "../compiler/graph/errors.ts";
import { findNonFinite, nonFiniteLine } from "../compiler/ops/non-finite.ts";
import type { Device } from "../devices/device.ts";
import { isFiniteInF32 } from "../train/files/finite-model.ts";
import { type ModelDetails, type SavedModel, type SavedNetwork, savedModel } from "../train/files/model-file.ts";
import type { RunRecord } from "../train/files/run-record.ts";
import type { Tuned } from "../train/files/tuned.ts";
import { type MemoryBudget, segmentsLine } from "../train/memory-budget.ts";
import { adam } from "../train/optimizers/gradient-descent.ts";
import type { UpdateOptions } from "../train/optimizers/update.ts";
import { createTrainer, type Trainer } from "../train/trainer.ts";
import { HeldOut, heldOutLoss, type Measurement, type Measuring } from "./held-out.ts";
import { InterimSaves, type RunState } from "./interim-saves.ts";
import { watchInterrupt } from "./interrupt.ts";
import { EVAL_BATCHES } from "./options.ts";
import { type Progress, showProgress } from "./progress.ts";
import { jsonLine, line, type Streams } from "./streams.ts";
import { type RunResult, runTraining, type StepReport } from "./training-run.ts";
import type { TrainingSetup } from "./training-setup.ts";

export interface SessionOptions {
  readonly setup: TrainingSetup;
  readonly device: Device;
  /** Steps to run. */
  readonly steps: number;
  readonly learningRate: number;
  /** How weights are updated; by default Adam, with gradients clipped to a norm of 1. */
  readonly update?: UpdateOptions;
  /** How the held-out loss is measured during the run; by default only before and after. */
  readonly measuring?: Measuring | undefined;
  /** Most batches of one measurement of the held-out loss; 0 for all, 100 by default. */
  readonly evalBatches?: number;
  readonly seed: number;
  /** The memory of a training step; without it nothing is cut. */
  readonly memory?: MemoryBudget | undefined;
  /** The tuning to train with; it is saved in the model. */
  readonly tuned?: Tuned | undefined;
  /** What the model stores of the run besides its steps and losses; without it the run cannot be resumed. */
  readonly record?: Omit<RunRecord, "steps" | "losses"> | undefined;
  /** Called with the model during the run: when the held-out loss has improved, and every `every` seconds. */
  readonly saving?: { readonly every: number; readonly write: (model: SavedModel) => Promise<void> } | undefined;
  /** The model of the run that this one continues. */
  readonly resumed?: ResumableModel | undefined;
  /** Called with each step and measurement, for a log. */
  readonly note?: (entry: StepReport | Measurement) => void;
  /** Whether to find the op that produced a non-finite number. */
  readonly debugNan?: boolean | undefined;
  readonly json: boolean;
  readonly streams: Streams;
  /** Shown instead of a bar; `after` is awaited after every step and can read the trainer. */
  readonly display?: Progress & { readonly after: (step: number, trainer: Trainer) => Promise<void> };
}

/** A model whose run can be continued. */
export type ResumableModel = SavedNetwork & Required<Pick<SavedNetwork, "checkpoint" | "run">>;

export interface SessionResult {
  readonly run: RunResult;
  /** Where the number that stopped training came from, in words; undefined without `debugNan` or if nothing stopped it. */
  readonly origin: string | undefined;
  /** Held-out losses; undefined if the data is too short to hold some out. A resumed run has no `before`. */
  readonly before: number | undefined;
  readonly after: number | undefined;
  /** Undefined if no step was good, so that there is nothing to save. */
  readonly model: SavedModel | undefined;
  /** The step of the last save during the run; 0 if there was none. */
  readonly savedStep: number;
  /** The step whose weights are in the model. */
  readonly kept: number;
}

/** Largest global norm of the gradient; a common choice for recurrent networks. */
export const CLIP_NORM = 1;

export async function trainSession(options: SessionOptions): Promise<SessionResult> {
  const { setup, device, learningRate, seed, tuned, measuring, resumed, memory, evalBatches = EVAL_BATCHES } = options;
  const update = options.update ?? { optimizer: adam(), clipNorm: CLIP_NORM };
  const interrupt = watchInterrupt();
  const trainer = await createTrainer(device, setup.network, {
    ...{ ...update, seed, learningRate, tuning: tuned?.tuning, memory },
  });
  if (trainer.segments !== undefined && !options.json) line(options.streams.stdout, segmentsLine(trainer.segments));
  try {
    if (resumed !== undefined) trainer.restore(resumed.checkpoint);
    const heldOut = measuring && new HeldOut(trainer, setup.batches, measuring, learningRate);
    if (resumed !== undefined) heldOut?.resume(resumed.run.losses, resumed.parameters);
    const { signal } = interrupt;
    const before = resumed === undefined ? await heldOutLoss(trainer, setup.batches, evalBatches, signal) : undefined;
    const saves = interimSaves(trainer, options, heldOut);
    const made = await steps(trainer, options, heldOut, saves, () => interrupt.requested);
    const savedStep = saves?.savedStep ?? 0;
    const origin = options.debugNan ? await originOfFault(trainer) : undefined;
    const last = await lastLoss(trainer, setup, made, heldOut, evalBatches);
    const run = last === undefined || isFiniteInF32(last) ? made : withFault(made, last);
    const checkpoint = run.fault === undefined && options.record ? await trainer.checkpoint() : undefined;
    const kept = await weightsToSave(trainer, setup, run, heldOut, last, evalBatches);
    if (kept === undefined) return { run, origin, before, after: undefined, kept: 0, savedStep, model: undefined };
    const record = checkpoint && { checkpoint, run: recordOf(options, run.steps, heldOut) };
    const model = modelOf(options, kept, run.loss, record);
    return { run, origin, before, after: kept.after, kept: kept.step, savedStep, model };
  } finally {
    interrupt.dispose();
    trainer.destroy();
  }
}

/** Runs the step that stopped training in the interpreter; to be called before the trainer's weights are replaced. */
async function originOfFault(trainer: Trainer): Promise<string | undefined> {
  const stopped = await trainer.stoppedStep();
  if (stopped === undefined) return undefined;
  const { graph, inputs } = stopped;
  const found = findNonFinite(graph, inputs);
  return found === undefined ? "in the interpreter, loss and gradient of that step are finite" : nonFiniteLine(found);
}

/** The weights that go into the model. */
interface Kept {
  /** The step that produced the weights. */
  readonly step: number;
  readonly weights: SavedModel["parameters"];
  /** Their held-out loss, if it was measured. */
  readonly after: number | undefined;
}

/** The held-out loss of the final weights, if it decides which weights to save. */
async function lastLoss(
  trainer: Trainer,
  { batches }: TrainingSetup,
  run: RunResult,
  heldOut: HeldOut | undefined,
  evalBatches: number,
): Promise<number | undefined> {
  // After an interrupt, the user does not want to wait.
  if (heldOut?.best !== undefined || run.steps === 0 || run.interrupted) return undefined;
  return heldOutLoss(trainer, batches, evalBatches);
}

/** The run with a fault: its steps were finite, but the held-out loss of its final weights is not. */
function withFault(run: RunResult, loss: number): RunResult {
  return { fault: { step: run.steps, value: `the held-out loss is ${Math.fround(loss)}`, isHeldOut: true }, ...run };
}

/** The best weights if the loss was measured during the run, otherwise the last good ones; `after` is the final loss. */
async function weightsToSave(
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
  // The weights that the device's guard kept are the ones with the bad loss.
  if (run.lastGood === undefined) return undefined;
  const weights = await run.lastGood.weights;
  trainer.setParameters(weights);
  const earlier = await heldOutLoss(trainer, batches, evalBatches);
  if (earlier !== undefined && !isFiniteInF32(earlier)) return undefined;
  return { step: run.lastGood.step, weights, after: earlier };
}

/** The model with these weights and the state for resuming. */
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

/** Saves during the run: the best weights if the loss is measured, otherwise the current ones. */
function interimSaves(
  trainer: Trainer,
  options: SessionOptions,
  heldOut: HeldOut | undefined,
): InterimSaves | undefined {
  const { saving, streams } = options;
  if (saving === undefined) return undefined;
  const prepare = () => {
    const [best, measured] = [heldOut?.best, [...(heldOut?.losses ?? [])]];
    return async ({ step, loss, checkpoint, weights }: RunState) => {
      const kept = best === undefined ? { step, weights, after: undefined } : { ...best, after: best.loss };
      const run = { ...recordOf(options, step, heldOut), losses: measured };
      await saving.write(modelOf(options, kept, loss, { checkpoint, run })).catch((error: unknown) => {
        line(streams.stderr, `cellgrad: ${error instanceof Error ? error.message : error}; training continues`);
      });
    };
  };
  return new InterimSaves({ trainer, every: saving.every, prepare });
}

function recordOf({ record }: SessionOptions, steps: number, heldOut: HeldOut | undefined): RunRecord {
  if (record === undefined) throw new InternalError("a run without a record cannot be saved");
  // A run that was continued past its plan counts as planned for that long.
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

/**
 * @file Trains a population on the batches of a file. With halving, the worse half of the models ends after equal parts of the
 * run, until one is left: successive halving, Jamieson & Talwalkar 2016, arXiv:1502.07943.
 */
import type { Device } from "../../devices/device.ts";
import type { Checkpoint } from "../../train/checkpoint.ts";
import type { Batch } from "../../train/data/batches.ts";
import { isFiniteInF32 } from "../../train/files/finite-model.ts";
import type { Tuned } from "../../train/files/tuned.ts";
import type { UpdateOptions } from "../../train/optimizers/update.ts";
import { createPopulation } from "../../train/population.ts";
import { heldOutBatches } from "../held-out.ts";
import { endless } from "../training-run.ts";
import type { TrainingSetup } from "../training-setup.ts";
import { type ModelSettings, roundsOf } from "./settings.ts";

export interface PopulationSessionOptions {
  readonly setup: TrainingSetup;
  readonly device: Device;
  readonly settings: readonly ModelSettings[];
  readonly update: UpdateOptions;
  readonly tuned: Tuned | undefined;
  readonly steps: number;
  /** Whether the worse half ends after each part of the run. */
  readonly halves: boolean;
  readonly evalBatches: number;
  readonly report: (report: PopulationReport) => void;
  readonly isInterrupted: () => boolean;
}

/** What became of a model. */
export interface TrainedModel extends ModelSettings {
  /** The loss of each of its steps. */
  readonly losses: readonly number[];
  /** The held-out loss after its last step; undefined if it was not measured. */
  readonly valLoss: number | undefined;
  /** The first step whose numbers were not finite. */
  readonly divergedAt: number | undefined;
}

export interface PopulationReport {
  readonly step: number;
  readonly models: readonly TrainedModel[];
  /** The models that still train, as indices of `models`. */
  readonly training: readonly number[];
  readonly tokensPerSecond: number;
}

export interface PopulationResult extends PopulationReport {
  readonly seconds: number;
  readonly interrupted: boolean;
  /** The best model, as an index of `models`, and its checkpoint; undefined if no model has a finite loss. */
  readonly best: { readonly model: number; readonly checkpoint: Checkpoint } | undefined;
}

/** The steps after which half of the models end, and the last one. */
export function roundEnds(models: number, steps: number, halves: boolean): number[] {
  const rounds = halves ? roundsOf(models) : 1;
  return Array.from({ length: rounds }, (_, i) => Math.round(((i + 1) * steps) / rounds));
}

interface MutableModel extends ModelSettings {
  readonly losses: number[];
  valLoss: number | undefined;
  divergedAt: number | undefined;
}

export async function trainPopulation(options: PopulationSessionOptions): Promise<PopulationResult> {
  const { setup, device, settings, update, tuned, steps, halves, evalBatches, report, isInterrupted } = options;
  const population = await createPopulation(device, setup.network, {
    ...{ ...update, tuning: tuned?.tuning },
    seed: settings.map(({ seed }) => seed),
    learningRate: settings.map(({ learningRate }) => learningRate),
  });
  const models = settings.map((each): MutableModel => {
    return { ...each, losses: [], valLoss: undefined, divergedAt: undefined };
  });
  const began = performance.now();
  let training = [...models.keys()];
  let [done, tokens] = [0, 0];
  const seconds = () => Math.max(1e-3, (performance.now() - began) / 1000);
  const state = (): PopulationReport => ({ step: done, models, training, tokensPerSecond: tokens / seconds() });
  const measure = async () => {
    if (setup.batches.validation.count === 0) return;
    const found = await population.evaluate(heldOutBatches(setup.batches, evalBatches));
    for (const [i, loss] of found.entries()) modelAt(models, training, i).valLoss = loss;
  };
  try {
    for (const end of roundEnds(models.length, steps, halves)) {
      const lengths: number[] = [];
      const run = population.run(counted(setup, done, lengths, isInterrupted), { steps: end - done });
      for await (const results of run) {
        done += 1;
        tokens += (lengths.shift() ?? 0) * training.length;
        for (const [i, result] of results.entries()) {
          const model = modelAt(models, training, i);
          if (result.finite) model.losses.push(result.loss);
          else model.divergedAt ??= result.firstBadStep ?? done;
        }
        report(state());
        if (results.every(({ finite }) => !finite)) break;
      }
      if (isInterrupted() || training.every((model) => models[model]?.divergedAt !== undefined)) break;
      await measure();
      if (end === steps) break;
      const kept = better(training, models, Math.ceil(training.length / 2));
      if (kept.length === training.length) continue;
      await population.keep(kept.map((model) => training.indexOf(model)));
      training = kept;
      // What was measured is about weights that change now.
      for (const model of kept) modelAt(models, [model], 0).valLoss = undefined;
    }
    const [best] = better(training, models, 1);
    const isGood = best !== undefined && Number.isFinite(scoreOf(models[best]));
    return {
      ...state(),
      seconds: seconds(),
      interrupted: isInterrupted() && done < steps,
      best: isGood ? { model: best, checkpoint: await population.checkpoint(training.indexOf(best)) } : undefined,
    };
  } finally {
    population.destroy();
  }
}

const modelAt = (models: readonly MutableModel[], training: readonly number[], i: number): MutableModel =>
  models[training[i] ?? -1] as MutableModel;

/** The models with the lowest losses, in their order. */
function better(training: readonly number[], models: readonly TrainedModel[], count: number): number[] {
  const sorted = [...training].sort((a, b) => scoreOf(models[a]) - scoreOf(models[b]));
  return sorted.slice(0, count).sort((a, b) => a - b);
}

/** Steps over which a training loss is averaged where no held-out loss was measured. */
const RECENT = 20;

/** The held-out loss, or else the mean of the last training losses; infinite for a model that has diverged. */
export function scoreOf(model: TrainedModel | undefined): number {
  if (model === undefined || model.divergedAt !== undefined || model.losses.length === 0)
    return Number.POSITIVE_INFINITY;
  const { valLoss, losses } = model;
  if (valLoss !== undefined) return isFiniteInF32(valLoss) ? valLoss : Number.POSITIVE_INFINITY;
  const recent = losses.slice(-RECENT);
  return recent.reduce((sum, loss) => sum + loss, 0) / recent.length;
}

/**
 * The batches after a number of steps; notes the tokens of each. An interrupted run gets no more of them, so that all steps
 * that it has enqueued are reported, and its checkpoint is that of the last.
 */
async function* counted(
  { batches }: TrainingSetup,
  before: number,
  lengths: number[],
  isInterrupted: () => boolean,
): AsyncGenerator<Batch> {
  for await (const batch of endless(batches.training, before)) {
    lengths.push((batch.x.shape[0] ?? 0) * (batch.x.shape[1] ?? 0));
    yield batch;
    if (isInterrupted()) return;
  }
}

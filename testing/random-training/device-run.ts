/** @file A random training run on a device: every step, and the trainer's checkpoints before and after it. */
import { at } from "../../compiler/graph/errors.ts";
import { type NdArray, scalar } from "../../compiler/graph/ndarray.ts";
import { atSite } from "../../compiler/trace/site.ts";
import { createTrainer, type Device, type Optimizer } from "../../index.ts";
import type { Checkpoint } from "../../train/checkpoint.ts";
import type { UpdateOptions } from "../../train/optimizers/update.ts";
import type { TrainingStepResult } from "../../train/trainer-interface.ts";
import { generator } from "../numbers/random-data.ts";
import { site } from "../random-cells/cell-graphs.ts";
import type { RandomObjective } from "./random-objective.ts";
import { optimizerOf, rateScheduleOf } from "./random-optimizer.ts";
import type { TrainingPlan } from "./training-plan.ts";

/** The inputs of a step besides the trainer's state. */
export interface GivenBatch {
  readonly inputs: Readonly<Record<string, NdArray>>;
  readonly rows: number;
  readonly time: number;
  readonly isFresh: boolean;
  readonly learningRate: number;
}

/** One step of a device. */
export interface DeviceStep {
  readonly given: GivenBatch;
  readonly before: Checkpoint;
  readonly after: Checkpoint;
  readonly result: TrainingStepResult;
  /** Whether an earlier step was not finite, so that later ones change nothing. */
  readonly isHalted: boolean;
}

/** The update options of a plan, with its rule or the result of `change` on it. */
export function updateOf(
  { optimizer, rateSchedule, accumulate, clip }: TrainingPlan,
  change?: (rule: Optimizer) => Optimizer,
): UpdateOptions {
  return {
    optimizer: optimizerOf(optimizer, change),
    rateSchedule: rateScheduleOf(rateSchedule),
    accumulate,
    ...(clip !== null && { [clip.by]: clip.limit }),
  };
}

/** The seed of a run's weights and random numbers, which is below 2^32. */
export const seedOf = ({ seed }: TrainingPlan): number => seed % 2 ** 31;

/** Runs all steps of a plan; all steps and checkpoints are enqueued before the first await. */
export async function runOn(device: Device, plan: TrainingPlan, random: RandomObjective): Promise<DeviceStep[]> {
  const { schedule, tuning, learningRate, before } = plan;
  const options = { ...updateOf(plan), schedule, learningRate, seed: seedOf(plan), ...(tuning !== null && { tuning }) };
  const trainer = await atSite(site, () => createTrainer(device, random.objective, options));
  try {
    if (before > 0) trainer.restore({ ...(await trainer.checkpoint()), step: scalar(before) });
    const reads = [trainer.checkpoint()];
    const steps = batchesOf(plan, random).map((given) => {
      trainer.learningRate = given.learningRate;
      const result = trainer.step({ inputs: given.inputs, fresh: given.isFresh });
      reads.push(trainer.checkpoint());
      return { given, result };
    });
    const [held, results] = [await Promise.all(reads), await Promise.all(steps.map(({ result }) => result))];
    return steps.map(({ given }, i) => ({
      given,
      before: at(held, i),
      after: at(held, i + 1),
      result: at(results, i),
      isHalted: results.slice(0, i).some(({ finite }) => !finite),
    }));
  } finally {
    trainer.destroy();
  }
}

function batchesOf(plan: TrainingPlan, { batch }: RandomObjective): GivenBatch[] {
  const random = generator(plan.seed);
  const batches: GivenBatch[] = [];
  for (const { time, hasMoreRows, isFresh, rateFactor } of plan.steps) {
    const last = batches.at(-1);
    const rows = plan.rows + Number(hasMoreRows);
    batches.push({
      inputs: batch(random, time, rows),
      rows,
      time,
      isFresh: isFresh || rows !== last?.rows,
      learningRate: (last?.learningRate ?? plan.learningRate) * rateFactor,
    });
  }
  return batches;
}

/** @file A trial: trains a network on a task, then evaluates it on new sequences. */
import { UserError } from "../compiler/graph/errors.ts";
import type { Device } from "../devices/device.ts";
import type { CellDefinition } from "../index.ts";
import type { Batch } from "../train/data/batches.ts";
import type { Network } from "../train/networks.ts";
import type { UpdateOptions } from "../train/optimizers/update.ts";
import { networkOfTask } from "../train/tasks/network.ts";
import type { Task, TaskBatches } from "../train/tasks/task.ts";
import { createTrainer, type Trainer } from "../train/trainer.ts";
import { heldOutLoss } from "./held-out.ts";
import { grouped } from "./progress.ts";
import { type RunResult, runTraining, type StepReport } from "./training-run.ts";
import { checkedSize } from "./training-setup.ts";

export interface Trial {
  readonly task: Task;
  readonly cell: CellDefinition;
  readonly units: number;
  readonly layers: number;
  readonly embed: number;
  readonly batch: number;
  readonly time: number;
  readonly steps: number;
  readonly learningRate: number;
  readonly update: UpdateOptions;
  readonly seed: number;
  /** Parameters of the task by name. */
  readonly parameters: Readonly<Record<string, number>>;
  /** Initial values of parameters by the end of their path, such as "input/bias". */
  readonly start: Readonly<Record<string, number>>;
}

export interface TrialResult {
  readonly run: RunResult;
  /** Loss on sequences of another seed. */
  readonly loss: number;
  /** Loss of a predictor that ignores its input, and of an optimal one. */
  readonly baseline: number;
  readonly best: number;
  /** The task's own metrics, if it has any. */
  readonly score: Readonly<Record<string, number>>;
}

/** Least number of new sequences on which the loss is measured. */
const FRESH_SEQUENCES = 1000;
/** The seed of the test sequences; differs from every training seed. */
const freshSeed = (seed: number) => (seed + 2 ** 31) % 2 ** 32;

/** A trial whose sizes and names have been checked. */
export interface PreparedTrial extends Trial {
  readonly made: TaskBatches;
  readonly network: Network;
}

/** A batch with more time steps exceeds the buffers of every device. */
const MOST_STEPS = 2 ** 24;

/** Checks the trial before a device is opened for it; throws a UserError if it cannot run. */
export function prepareTrial(trial: Trial): PreparedTrial {
  const { task, cell, units, layers, embed, seed, batch, time, parameters, start } = trial;
  if (batch * time > MOST_STEPS)
    throw new UserError(
      `--batch ${batch} x --time ${time} is ${grouped(batch * time)} time steps, above the limit of ${grouped(MOST_STEPS)}; make one of them smaller`,
    );
  const made = task.batches(seed, { batch, time, parameters });
  const network = checkedSize(networkOfTask(task, made, { cell, units, layers, embed }));
  const paths = network.specs.map(({ path }) => path);
  for (const ending of Object.keys(start)) {
    if (paths.some((path) => pathEndsWith(path, ending))) continue;
    throw new UserError(`--start ${ending}: no parameter path ends this way; the parameters are ${paths.join(", ")}`);
  }
  return { ...trial, made, network };
}

const pathEndsWith = (path: string, ending: string) => `/${path}`.endsWith(`/${ending}`);

export async function runTrial(
  device: Device,
  trial: PreparedTrial,
  report: (report: StepReport) => void,
  isInterrupted: () => boolean,
): Promise<TrialResult> {
  const { task, seed, batch, time, parameters, learningRate, update, steps, made, network } = trial;
  const fresh = task.batches(freshSeed(seed), { batch, time, parameters });
  const trainer = await createTrainer(device, network, { ...update, seed, learningRate });
  try {
    await setStart(trainer, trial.start);
    const run = await runTraining({
      ...{ trainer, steps, report, isInterrupted },
      training: { count: made.stepsPerEpoch, from: () => takeBatches(made.training) },
    });
    const { baseline, best } = made;
    if (run.steps === 0) return { run, loss: Number.NaN, baseline, best, score: {} };
    const count = Math.ceil(FRESH_SEQUENCES / batch);
    const validation = { count, from: () => takeBatches(fresh.training, count) };
    const loss = await heldOutLoss(trainer, { training: validation, validation }, 0);
    return { run, loss: loss ?? Number.NaN, baseline, best, score: await scoreOf(trial, trainer) };
  } finally {
    trainer.destroy();
  }
}

async function scoreOf(
  { task, seed, batch, time, parameters }: Trial,
  trainer: Trainer,
): Promise<TrialResult["score"]> {
  if (task.score === undefined) return {};
  return await task.score(freshSeed(seed), { batch, time, parameters }, trainer.predict);
}

async function* takeBatches(batches: Iterable<Batch>, most = Number.POSITIVE_INFINITY): AsyncGenerator<Batch> {
  let count = 0;
  for (const batch of batches) {
    yield batch;
    count += 1;
    if (count >= most) return;
  }
}

async function setStart(trainer: Trainer, start: Trial["start"]): Promise<void> {
  const endings = Object.entries(start);
  if (endings.length === 0) return;
  const parameters = await trainer.parameters();
  for (const [ending, value] of endings) {
    for (const [path, { data }] of Object.entries(parameters)) if (pathEndsWith(path, ending)) data.fill(value);
  }
  trainer.setParameters(parameters);
}

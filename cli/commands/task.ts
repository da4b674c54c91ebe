/** @file `cellgrad task`: trains a network on a synthetic benchmark task; without a name, lists the tasks. */
import { UserError } from "../../compiler/graph/errors.ts";
import { tasks } from "../../train/tasks/index.ts";
import { type DeviceOptions, withDevice } from "../device.ts";
import { ExitCode } from "../errors.ts";
import { watchInterrupt } from "../interrupt.ts";
import { cellByName } from "../named-cell.ts";
import { grouped, shortLoss, showProgress } from "../progress.ts";
import { jsonLine, line, type Streams } from "../streams.ts";
import { prepareTrial, runTrial, type TrialResult } from "../task-trial.ts";
import { type UpdateCommandOptions, updateOptionsOf } from "../update-options.ts";

export interface TaskCommandOptions extends UpdateCommandOptions, DeviceOptions {
  readonly cell: string;
  readonly units: number;
  readonly layers: number;
  readonly embed: number;
  readonly batch: number;
  readonly time: number;
  readonly steps: number;
  readonly lr: number;
  readonly seed: number;
  readonly with: Readonly<Record<string, number>>;
  readonly start: Readonly<Record<string, number>>;
  readonly json?: boolean;
}

export async function taskCommand(
  name: string | undefined,
  options: TaskCommandOptions,
  streams: Streams,
): Promise<number> {
  if (name === undefined) return listTasks(options.json ?? false, streams);
  const task = Object.hasOwn(tasks, name) ? tasks[name] : undefined;
  if (task === undefined)
    throw new UserError(`unknown task ${JSON.stringify(name)}; the tasks are ${Object.keys(tasks).join(", ")}`);
  const { steps, json, lr: learningRate, with: parameters } = options;
  const cell = await cellByName(options.cell);
  const update = updateOptionsOf(options, steps);
  if (options.lrSchedule === "plateau")
    throw new UserError(
      "--lr-schedule plateau needs a held-out loss during training, and a task measures it only at the end",
    );
  const trial = prepareTrial({ ...options, task, cell, learningRate, update, parameters });
  const say = (text: string) => (json ? undefined : line(streams.stdout, text));
  return withDevice(options, streams, async (device) => {
    say(`${task.name}: ${task.about}`);
    say(`${cell.cellName}, ${options.units} units; seed ${options.seed}; device: ${device.name}`);
    const interrupt = watchInterrupt();
    const progress = json ? { update: () => {}, stop: () => {} } : showProgress(streams.stderr, steps, "time steps");
    try {
      const result = await runTrial(device, trial, progress.update, () => interrupt.requested);
      progress.stop();
      if (result.run.fault !== undefined)
        throw new UserError(`step ${result.run.fault.step}: ${result.run.fault.value}. A smaller --lr often helps`);
      if (json) jsonLine(streams.stdout, summary(task.name, options, result, device.name));
      else for (const text of outcome(result)) say(text);
      return result.run.interrupted ? ExitCode.interrupted : ExitCode.ok;
    } finally {
      progress.stop();
      interrupt.dispose();
    }
  });
}

function listTasks(json: boolean, { stdout }: Streams): number {
  for (const { name, about, source, kind, parameters } of Object.values(tasks)) {
    if (json) jsonLine(stdout, { name, about, source, kind, parameters });
    else {
      line(stdout, `${name}: ${about}`);
      line(stdout, `  ${source}`);
      for (const { name, about, initial, least, most } of parameters)
        line(stdout, `  --with ${name}=${initial}  ${about} (${least} to ${most})`);
    }
  }
  return ExitCode.ok;
}

function summary(task: string, options: TaskCommandOptions, result: TrialResult, device: string): object {
  const { cell, units, batch, time, seed } = options;
  const { run, loss, baseline, best, score } = result;
  return {
    task,
    cell,
    units,
    batch,
    time,
    seed,
    steps: run.steps,
    seconds: run.seconds,
    loss,
    baseline,
    best,
    score,
    device,
  };
}

function outcome({ run, loss, baseline, best, score }: TrialResult): string[] {
  return [
    `loss on new sequences ${shortLoss(loss)}; baseline (ignores its input) ${shortLoss(baseline)}, optimum ${shortLoss(best)} (${grouped(run.steps)} steps, ${run.seconds.toFixed(1)} s)`,
    ...Object.entries(score).map(([what, value]) => `${what}: ${value}`),
  ];
}

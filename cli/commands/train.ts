/** @file `cellgrad train`: a network on a file of the user's. */
import { UserError } from "../../compiler/graph/errors.ts";
import { bitsPerCharacter, perplexity } from "../../train/metrics.ts";
import { encodeModel } from "../../train/model-file.ts";
import type { Tuned } from "../../train/tuned.ts";
import { isSeriesFile } from "../data-files.ts";
import { withDevice } from "../device.ts";
import { ExitCode } from "../errors.ts";
import { type ModelOutput, prepareOutput } from "../model-output.ts";
import type { DeviceName } from "../options.ts";
import { grouped, shortLoss } from "../progress.ts";
import { jsonLine, line, type Streams } from "../streams.ts";
import { type Task, taskOf, weightCount } from "../tasks.ts";
import { type SessionResult, trainSession } from "../train-session.ts";
import { readTuned, searchTuning, tuningLine, warnOfAdapter } from "../tuning.ts";
import { type UpdateCommandOptions, updateLine, updateOptionsOf } from "../update-options.ts";
import { cellByName } from "../user-module.ts";

export interface TrainCommandOptions extends UpdateCommandOptions {
  readonly cell: string;
  readonly units: number;
  readonly layers: number;
  readonly embed: number;
  readonly batch: number;
  readonly time: number;
  readonly steps: number;
  readonly lr: number;
  readonly seed: number;
  readonly out?: string;
  readonly json?: boolean;
  readonly device: DeviceName;
  /** Search for a tuning first. */
  readonly tune?: boolean;
  /** The model whose tuning to train with. */
  readonly tuning?: string;
  /** Whether --embed was written and is not the default. */
  readonly embedGiven: boolean;
  /** Whether an option of the update was written. */
  readonly updateGiven: boolean;
}

export async function train(file: string, options: TrainCommandOptions, streams: Streams): Promise<number> {
  if (options.embedGiven && isSeriesFile(file))
    throw new UserError(`--embed is for text; ${file} is read as a numeric series, whose values need no embedding`);
  if (options.tune && options.tuning !== undefined)
    throw new UserError("--tune searches for a tuning, --tuning takes one from a model: give one of them");
  const update = updateOptionsOf(options, options.steps);
  const followsPlateau = options.lrSchedule === "plateau";
  const given = options.tuning === undefined ? undefined : await readTuned(options.tuning);
  const cell = await cellByName(options.cell);
  const task = await taskOf(file, { ...options, cell });
  const [firstHeldOut] = task.batches.validation;
  if (followsPlateau && firstHeldOut === undefined)
    throw new UserError(`--lr-schedule plateau follows the held-out loss, and ${file} is too short to hold some out`);
  const output = options.out === undefined ? undefined : await prepareOutput(options.out, file);
  const json = options.json ?? false;
  const say = (text: string) => (json ? undefined : line(streams.stdout, text));

  return withDevice(options.device, async (device) => {
    for (const text of introduction(task, device.name)) say(text);
    if (options.updateGiven) say(`updates: ${updateLine(options, options.lr)}`);
    if (output === undefined) say("the model will not be kept: --out FILE saves it");
    const { steps, lr: learningRate, seed } = options;
    if (given !== undefined) {
      say(tuningLine(given));
      warnOfAdapter(given, device, streams);
    }
    const search = options.tune ? await searchTuning(task, device, update, streams) : undefined;
    if (search === "interrupted") {
      line(streams.stderr, "cellgrad: interrupted while it searched for a tuning; nothing was trained");
      return ExitCode.interrupted;
    }
    if (search !== undefined) say(search.text);
    const tuned = given ?? search?.tuned;
    const session = { task, device, steps, learningRate, update, followsPlateau, seed, tuned, json, streams };
    const result = await trainSession(session);
    const saved = await save(result, output);
    if (json) jsonLine(streams.stdout, summary(result, device.name, saved, tuned, task));
    else if (result.kept > 0) for (const text of outcome(result, task)) say(text);
    if (result.run.fault !== undefined) throw new UserError(faultLine(result, saved));
    if (saved !== undefined) say(`saved ${saved}; use it with: ${nextCommand(task, saved, file)}`);
    if (!result.run.interrupted) return ExitCode.ok;
    line(streams.stderr, interruptLine(result, saved));
    return ExitCode.interrupted;
  });
}

export function introduction(task: Task, device: string): string[] {
  const { cell, layers, units, embed } = task.network.config;
  const embedding = embed === undefined ? "" : `, embedding ${embed}`;
  return [
    task.summary,
    `${cell}: ${layers} layer${layers === 1 ? "" : "s"} of ${units} units${embedding}, ${grouped(weightCount(task.network))} weights`,
    `device: ${device}`,
  ];
}

async function save({ model }: SessionResult, output: ModelOutput | undefined): Promise<string | undefined> {
  if (model === undefined || output === undefined) return undefined;
  await output.write(encodeModel(model));
  return output.path;
}

function summary(
  { run, before, after, kept }: SessionResult,
  device: string,
  saved: string | undefined,
  tuned: Tuned | undefined,
  { network }: Task,
): object {
  return {
    done: true,
    steps: run.steps,
    loss: run.loss,
    valLoss: after ?? null,
    valLossBefore: before ?? null,
    ...(network.kind === "text" &&
      after !== undefined && { perplexity: perplexity(after), bitsPerCharacter: bitsPerCharacter(after) }),
    seconds: run.seconds,
    tokensPerSecond: run.tokensPerSecond,
    device,
    out: saved ?? null,
    ...(tuned && { tuned }),
    ...(run.interrupted && { interrupted: true }),
    ...(run.fault && { stopped: { ...run.fault, kept } }),
  };
}

function outcome({ run, before, after }: SessionResult, task: Task): string[] {
  const work = `${grouped(run.steps)} steps, ${run.seconds.toFixed(1)} s, ${grouped(run.tokensPerSecond)} ${task.entries}/s`;
  if (before === undefined || after === undefined) return [`loss ${shortLoss(run.loss)} ${task.lossUnit} (${work})`];
  const losses = `held-out loss ${shortLoss(before)} -> ${shortLoss(after)} ${task.lossUnit} (${work})`;
  if (task.network.kind !== "text") return [losses];
  return [
    losses,
    `perplexity ${perplexity(after).toPrecision(4)}, ${bitsPerCharacter(after).toFixed(3)} bits per character`,
  ];
}

function faultLine({ run, kept: good }: SessionResult, saved: string | undefined): string {
  const { step, value } = run.fault ?? { step: 0, value: "" };
  const kept = good === 0 ? "no step before it was good, so no model was written" : keptAs(good, saved);
  return `step ${step}: ${value}; training stopped, ${kept}. A smaller --lr often helps`;
}

function interruptLine({ kept }: SessionResult, saved: string | undefined): string {
  return `cellgrad: interrupted, ${kept === 0 ? "before the first step was done" : keptAs(kept, saved)}`;
}

function keptAs(step: number, saved: string | undefined): string {
  return saved === undefined
    ? "and nothing was saved, as --out was not given"
    : `the weights of step ${step} are in ${saved}`;
}

function nextCommand(task: Task, saved: string, file: string): string {
  return task.network.kind === "text" ? `cellgrad sample ${saved}` : `cellgrad forecast ${saved} ${file}`;
}

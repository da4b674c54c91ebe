/** @file `cellgrad train --population`: trains many models of one network at once, shows their curves, and keeps the best. */
import { at, UserError } from "../../compiler/graph/errors.ts";
import { checkFile } from "../../disk/data-files.ts";
import { arenaOf, unpackArray } from "../../train/arena.ts";
import { encodeModel, savedModel } from "../../train/files/model-file.ts";
import type { Tuned } from "../../train/files/tuned.ts";
import { withDevice } from "../device.ts";
import { ExitCode } from "../errors.ts";
import { watchInterrupt } from "../interrupt.ts";
import { prepareOutput } from "../model-output.ts";
import { cellByName } from "../named-cell.ts";
import { modelLines, showPopulation } from "../population/display.ts";
import {
  type PopulationReport,
  type PopulationResult,
  trainPopulation as session,
  type TrainedModel,
} from "../population/session.ts";
import { checkPopulationOptions, populationSettings } from "../population/settings.ts";
import { grouped, shortLoss } from "../progress.ts";
import { updateRecord } from "../resume.ts";
import { jsonLine, line, type Streams } from "../streams.ts";
import type { TrainCommandOptions } from "../train-options.ts";
import { logHead } from "../training-log.ts";
import { setupOf, type TrainingSetup } from "../training-setup.ts";
import { readTuned, tuningLine } from "../tuning.ts";
import { updateLine, updateOptionsOf } from "../update-options.ts";
import { checkGiven, checkOutput, filesRead, introduction, logOf, nextCommand } from "./train.ts";

export async function trainPopulation(file: string, options: TrainCommandOptions, streams: Streams): Promise<number> {
  const { steps, seed, lr, lrRange, population = 1, halving = false, json = false, evalBatches } = options;
  await checkFile(file);
  checkGiven(file, options);
  checkPopulationOptions(options, population);
  const settings = populationSettings(population, seed, lr, lrRange);
  const update = updateOptionsOf(options, steps);
  const tuned = options.tuning === undefined ? undefined : await readTuned(options.tuning);
  const setup = await setupOf(file, { ...options, cell: await cellByName(options.cell) });
  const read = filesRead(file, options);
  checkOutput(options, setup);
  const output = options.out === undefined ? undefined : await prepareOutput(options.out, ...read);
  const others = [...read, options.out, options.tuning].filter((path) => path !== undefined);
  const log = options.log === undefined ? undefined : await logOf(options.log, file, false, others);
  const say = (text: string) => (json ? undefined : line(streams.stdout, text));

  return withDevice(options, streams, async (device) => {
    for (const text of introduction(setup, device.name)) say(text);
    say(populationLine(settings.length, options));
    say(`updates: ${updateLine(options, rateWords(options))}`);
    if (output === undefined) say("the best model will not be saved: give --out FILE to save it");
    if (tuned !== undefined) say(tuningLine(tuned));
    if (log?.hint !== undefined) say(log.hint);
    const head = logHead(file, setup, device.name, options, 0);
    log?.write({ ...head, population: settings.map(({ seed, learningRate }) => ({ seed, learningRate })) });
    const interrupt = watchInterrupt();
    const display = json ? undefined : showPopulation(streams.stderr, steps, setup.entries);
    const report = (given: PopulationReport) => {
      display?.update(given);
      const entry = { step: given.step, losses: given.models.map((model) => stepLoss(model, given.step)) };
      if (json) jsonLine(streams.stdout, entry);
      log?.write(entry);
    };
    const result = await session({
      ...{ setup, device, settings, update, tuned, steps, halves: halving, evalBatches, report },
      isInterrupted: () => interrupt.requested,
    }).finally(() => {
      display?.stop();
      interrupt.dispose();
    });
    const model = modelOf(result, options, setup, tuned);
    if (model !== undefined) await output?.write(encodeModel(model));
    const saved = model === undefined ? undefined : output?.path;
    const entry = { ...summary(result), device: device.name, out: saved ?? null };
    log?.write(entry);
    await log?.close();
    if (json) jsonLine(streams.stdout, entry);
    else for (const text of outcome(result, steps, setup, streams)) say(text);
    if (result.best === undefined)
      throw new UserError(
        "no model has a finite loss, so none was kept; smaller learning rates often help, such as --lr 1e-5..1e-2",
      );
    if (saved !== undefined) say(`saved ${saved}; use it with: ${nextCommand(setup, saved, file, options)}`);
    if (!result.interrupted) return ExitCode.ok;
    line(
      streams.stderr,
      `cellgrad: interrupted after step ${result.step}${saved === undefined ? "" : `; the best model so far is in ${saved}`}`,
    );
    return ExitCode.interrupted;
  });
}

function populationLine(count: number, { halving, lrRange, seed }: TrainCommandOptions): string {
  const differ = lrRange === undefined ? `seeds ${seed} to ${seed + count - 1}` : `one seed, ${seed}`;
  return `population: ${count} models, ${differ}${halving ? "; the worse half ends after each round" : ""}`;
}

function rateWords({ lr, lrRange }: TrainCommandOptions): string {
  return lrRange === undefined ? `learning rate ${lr}` : `learning rates from ${lrRange.from} to ${lrRange.to}`;
}

/** The loss of a model in this step; null if it has none. */
function stepLoss({ losses }: TrainedModel, step: number): number | null {
  return losses[step - 1] ?? null;
}

function summary({ step, models, best, seconds, tokensPerSecond, interrupted }: PopulationResult): object {
  return {
    done: true,
    steps: step,
    best: best?.model ?? null,
    models: models.map(({ seed, learningRate, losses, valLoss, divergedAt }) => ({
      ...{ seed, learningRate, steps: losses.length, loss: losses.at(-1) ?? null, valLoss: valLoss ?? null },
      ...(divergedAt !== undefined && { divergedAt }),
    })),
    seconds,
    tokensPerSecond,
    ...(interrupted && { interrupted }),
  };
}

function outcome(result: PopulationResult, steps: number, setup: TrainingSetup, { stderr }: Streams): string[] {
  const { best, models, step, seconds, tokensPerSecond } = result;
  // A terminal has the curves already.
  const shown = stderr.isTTY ? [] : modelLines(result, steps, 100);
  if (best === undefined) return shown;
  const { label, valLoss, losses } = at(models, best.model);
  const loss = valLoss ?? losses.at(-1) ?? Number.NaN;
  const what = valLoss === undefined ? "loss" : "held-out loss";
  return [
    ...shown,
    `best: ${label}, ${what} ${shortLoss(loss)} ${setup.lossUnit} (${grouped(step)} steps, ${seconds.toFixed(1)} s, ${grouped(tokensPerSecond)} ${setup.entries}/s in all)`,
  ];
}

/** The best model, with what `--resume` needs to go on with it alone. */
function modelOf(
  { best, models, step }: PopulationResult,
  options: TrainCommandOptions,
  { network, details, data }: TrainingSetup,
  tuned: Tuned | undefined,
) {
  if (best === undefined) return undefined;
  const { seed, learningRate, losses, valLoss } = at(models, best.model);
  const { batch, time, steps, evalBatches } = options;
  const parameters = unpackArray(
    best.checkpoint.parameters ?? { dtype: "f32", shape: [0], data: new Float64Array() },
    arenaOf(network.specs),
  );
  const loss = losses.at(-1) ?? Number.NaN;
  return savedModel(network, parameters, {
    ...details,
    ...(tuned && { tuned }),
    training: { steps: step, loss, ...(valLoss !== undefined && { valLoss }), seed, learningRate },
    checkpoint: best.checkpoint,
    run: {
      ...{ steps: step, planned: Math.max(step, steps), batch, time, seed, learningRate, data, evalBatches },
      ...{ update: updateRecord(options), losses: [] },
    },
  });
}

/** @file `cellgrad train`: trains a network on a text or a table. */
import { UserError } from "../../compiler/graph/errors.ts";
import { type NdArray, zeros } from "../../compiler/graph/ndarray.ts";
import { checkFile, isSeriesFile } from "../../disk/data-files.ts";
import { checkSavable, encodeModel, savedModel } from "../../train/files/model-file.ts";
import type { Tuned } from "../../train/files/tuned.ts";
import { bitsPerCharacter, perplexity } from "../../train/metrics.ts";
import type { Network } from "../../train/networks.ts";
import { withDevice } from "../device.ts";
import { ExitCode } from "../errors.ts";
import { eventFolder, openEventLog } from "../event-log.ts";
import { type Measuring, measuredBatches } from "../held-out.ts";
import { commandLine, fileWord } from "../invocation.ts";
import { type ModelOutput, prepareOutput } from "../model-output.ts";
import { cellByName, isPath } from "../named-cell.ts";
import { grouped, shortLoss } from "../progress.ts";
import { checkResumed, readResumable, resumedOptions, updateRecord } from "../resume.ts";
import { jsonLine, line, type Streams } from "../streams.ts";
import type { TrainCommandOptions } from "../train-options.ts";
import { type SessionResult, trainSession } from "../train-session.ts";
import { logHead, logNote, openLog, type TrainingLog } from "../training-log.ts";
import { setupOf, type TrainingSetup, weightCount } from "../training-setup.ts";
import { readTuned, searchTuning, tuningLine, warnIfOtherAdapter } from "../tuning.ts";
import { updateLine, updateOptionsOf } from "../update-options.ts";

/** Zero weights of the right shapes, for checks of a model that do not depend on their values. */
function zeroWeights({ specs }: Network): Record<string, NdArray> {
  return Object.fromEntries(specs.map(({ path, shape }) => [path, zeros(shape)]));
}

/** Throws if the model could not be saved. */
export function checkOutput({ out }: TrainCommandOptions, { network, details }: TrainingSetup): void {
  if (out !== undefined) checkSavable(savedModel(network, zeroWeights(network), details));
}

/** Measurements of the held-out loss per run, if it is needed and --eval-every is not given. */
const MEASUREMENTS = 20;

export async function train(file: string, written: TrainCommandOptions, streams: Streams): Promise<number> {
  for (const [flag, isGiven] of [
    ["--lr FROM..TO", written.lrRange !== undefined],
    ["--halving", written.halving === true],
  ] as const)
    if (isGiven) throw new UserError(`${flag} is for many models at once; give their number as --population`);
  const resumed = written.resume === undefined ? undefined : await readResumable(written.resume);
  const options = resumed === undefined ? written : resumedOptions(resumed, written);
  await checkFile(file);
  checkGiven(file, options);
  const { steps, seed, lr: learningRate } = options;
  const planned = resumed?.run.planned ?? steps;
  const update = updateOptionsOf(options, planned);
  const given = options.tuning === undefined ? resumed?.tuned : await readTuned(options.tuning);
  const cell = await cellByName(options.cell);
  const setup = await setupOf(file, { ...options, cell });
  if (resumed !== undefined) checkResumed(resumed, setup, options);
  const measuring = measuringOf(options, planned);
  if (measuring !== undefined && setup.batches.validation.count === 0) {
    const asking = measuring.followsPlateau ? "--lr-schedule plateau needs" : "--eval-every and --patience need";
    throw new UserError(`${asking} a held-out loss, and ${file} is too short to hold some out`);
  }
  const read = filesRead(file, options);
  checkOutput(options, setup);
  const output = options.out === undefined ? undefined : await prepareOutput(options.out, ...read);
  const others = [...read, options.out, options.resume, options.tuning].filter((path) => path !== undefined);
  const log = options.log === undefined ? undefined : await logOf(options.log, file, resumed !== undefined, others);
  const json = options.json ?? false;
  const say = (text: string) => (json ? undefined : line(streams.stdout, text));

  return withDevice(options, streams, async (device) => {
    for (const text of introduction(setup, device.name)) say(text);
    if (resumed !== undefined) say(`continues after step ${grouped(resumed.run.steps)} of ${options.resume}`);
    if (updateFlags.some((flag) => options.given.has(flag)))
      say(`updates: ${updateLine(options, `learning rate ${learningRate}`)}`);
    if (log?.hint !== undefined) say(log.hint);
    if (output === undefined) say("the model will not be saved: give --out FILE to save it");
    if (given !== undefined) {
      say(tuningLine(given));
      warnIfOtherAdapter(given, device, streams);
    }
    const search = options.tune ? await searchTuning(setup, device, update, streams) : undefined;
    if (search === "interrupted") {
      line(streams.stderr, "cellgrad: interrupted during the search for a tuning; nothing was trained");
      return ExitCode.interrupted;
    }
    if (search !== undefined) say(search.text);
    const tuned = given ?? search?.tuned;
    const { batch, time } = options;
    const { every, patience } = measuring ?? {};
    log?.write(logHead(file, setup, device.name, options, resumed?.run.steps ?? 0));
    const result = await trainSession({
      ...{ setup, device, steps, learningRate, update, measuring, seed, tuned, resumed, json, streams },
      ...{
        memory: options.memory === undefined ? undefined : { bytes: options.memory, batch, time },
        debugNan: options.debugNan,
        evalBatches: options.evalBatches,
      },
      record: {
        ...{ planned, batch, time, seed, learningRate, update: updateRecord(options), data: setup.data },
        evalBatches: options.evalBatches,
        ...(every !== undefined && { every }),
        ...(patience !== undefined && { patience }),
      },
      note: logNote(log),
      saving: output && { every: options.saveEvery, write: (model) => output.write(encodeModel(model)) },
    });
    const saved = await save(result, output);
    const measured = measuredOf(setup, options.evalBatches);
    const entry = summary(result, device.name, saved, tuned, setup, measured);
    log?.write(entry);
    await log?.close();
    if (json) jsonLine(streams.stdout, entry);
    else if (result.kept > 0) for (const text of outcome(result, setup, measured)) say(text);
    if (result.run.fault !== undefined) throw new UserError(faultLine(result, saved, output));
    if (saved !== undefined) say(`saved ${saved}; use it with: ${nextCommand(setup, saved, file, options)}`);
    if (!result.run.interrupted) return ExitCode.ok;
    line(streams.stderr, interruptLine(result, saved));
    return ExitCode.interrupted;
  });
}

/** Opens the log of a run: for TensorBoard in a folder, or a file of JSON lines. */
export async function logOf(
  log: string,
  file: string,
  isResumed: boolean,
  others: readonly string[],
): Promise<TrainingLog> {
  const folder = eventFolder(log, file);
  return folder === undefined ? openLog(log, isResumed, others) : openEventLog(folder);
}

/** Input files, which --out must not overwrite. The model of --resume is not one of them. */
export const filesRead = (file: string, { cell, tokens }: TrainCommandOptions) => [
  ...[file, ...(isPath(cell) ? [cell] : [])],
  ...(["characters", "bytes"].includes(tokens) ? [] : [tokens]),
];

const tableFlags = ["separator", "decimal", "missing"] as const;
const updateFlags = ["optimizer", "lrSchedule", "warmup", "weightDecay", "clip", "accumulate", "precision"];

/** Rejects options that exclude each other. */
export function checkGiven(file: string, { given, tune, tuning }: TrainCommandOptions): void {
  const isSeries = isSeriesFile(file);
  if (given.has("embed") && isSeries)
    throw new UserError(`--embed is for text; ${file} is read as a numeric series, whose values need no embedding`);
  if (given.has("tokens") && isSeries) throw new UserError(`--tokens is for text; ${file} is read as a numeric series`);
  if (given.has("columns") && !isSeries)
    throw new UserError(`--columns is for a .csv or .tsv; ${file} is read as text`);
  const reading = tableFlags.find((flag) => given.has(flag));
  if (reading !== undefined && !isSeries)
    throw new UserError(`--${reading} is for a .csv or .tsv; ${file} is read as text`);
  if (tune && tuning !== undefined)
    throw new UserError("--tune searches for a tuning and --tuning reads one from a model: give one of them");
}

function measuringOf(
  { lrSchedule, evalEvery, evalBatches: batches, patience }: TrainCommandOptions,
  planned: number,
): Measuring | undefined {
  const followsPlateau = lrSchedule === "plateau";
  if (!followsPlateau && evalEvery === undefined && patience === undefined) return undefined;
  return { every: evalEvery ?? Math.ceil(planned / MEASUREMENTS), batches, patience, followsPlateau };
}

/** How many of the held-out batches were measured. */
interface Measured {
  readonly valBatches: number;
  readonly heldOutBatches: number;
}

function measuredOf({ batches: { validation } }: TrainingSetup, most: number): Measured {
  return { valBatches: measuredBatches(validation, most), heldOutBatches: validation.count };
}

export function introduction(setup: TrainingSetup, device: string): string[] {
  const { cell, layers, units, embed } = setup.network.config;
  const embedding = embed === undefined ? "" : `, embedding ${embed}`;
  return [
    setup.summary,
    `${cell}: ${layers} layer${layers === 1 ? "" : "s"} of ${units} units${embedding}, ${grouped(weightCount(setup.network))} weights`,
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
  { network }: TrainingSetup,
  measured: Measured,
): object {
  return {
    done: true,
    steps: run.steps,
    loss: run.loss,
    valLoss: after ?? null,
    valLossBefore: before ?? null,
    ...measured,
    ...(network.kind === "text" &&
      after !== undefined && { perplexity: perplexity(after), bitsPerCharacter: bitsPerCharacter(after) }),
    seconds: run.seconds,
    tokensPerSecond: run.tokensPerSecond,
    device,
    out: saved ?? null,
    ...(kept > 0 && kept !== run.steps && { kept }),
    ...(run.stopped && { stoppedEarly: true }),
    ...(tuned && { tuned }),
    ...(run.interrupted && { interrupted: true }),
    ...(run.fault && { stopped: { ...run.fault, kept } }),
  };
}

function outcome({ run, before, after, kept }: SessionResult, setup: TrainingSetup, measured: Measured): string[] {
  const best = kept === run.steps ? "" : `; keeping the best weights, of step ${grouped(kept)}`;
  const early = run.stopped ? `, stopped early because the held-out loss no longer fell` : "";
  const work = `${grouped(run.steps)} steps${early}, ${run.seconds.toFixed(1)} s, ${grouped(run.tokensPerSecond)} ${setup.entries}/s`;
  if (after === undefined) return [`loss ${shortLoss(run.loss)} ${setup.lossUnit} (${work})`];
  const from = before === undefined ? "" : `${shortLoss(before)} -> `;
  const { valBatches, heldOutBatches } = measured;
  const part =
    valBatches === heldOutBatches
      ? ""
      : `, of the first ${grouped(valBatches)} of ${grouped(heldOutBatches)} held-out batches (--eval-batches)`;
  const losses = `held-out loss ${from}${shortLoss(after)} ${setup.lossUnit}${part} (${work})${best}`;
  if (setup.network.kind !== "text") return [losses];
  return [
    losses,
    `perplexity ${perplexityOf(after)}, ${bitsPerCharacter(after).toFixed(3)} bits per ${setup.entries.slice(0, -1)}`,
  ];
}

/** The perplexity in digits, or as a power of e if it overflows. */
function perplexityOf(loss: number): string {
  const value = perplexity(loss);
  return Number.isFinite(value) ? value.toPrecision(4) : `e^${loss.toPrecision(4)}`;
}

function faultLine(
  { run, origin, kept: good, savedStep }: SessionResult,
  saved: string | undefined,
  output: ModelOutput | undefined,
): string {
  const { step, value, isHeldOut } = run.fault ?? { step: 0, value: "" };
  const none = savedStep === 0 ? "no earlier step was good, so no model was written" : keptAs(savedStep, output?.path);
  const kept = good === 0 ? none : keptAs(good, saved);
  const cause = isHeldOut ? "" : `; ${origin ?? "--debug-nan names the op it came from"}`;
  return `step ${step}: ${value}; training stopped, ${kept}. A smaller --lr often helps${cause}`;
}

function interruptLine({ kept }: SessionResult, saved: string | undefined): string {
  return `cellgrad: interrupted, ${kept === 0 ? "before the first step was done" : keptAs(kept, saved)}`;
}

function keptAs(step: number, saved: string | undefined): string {
  return saved === undefined
    ? "and nothing was saved, as --out was not given"
    : `the weights of step ${step} are in ${saved}`;
}

/** The command that uses the model, with the same table format as in training. */
export function nextCommand(setup: TrainingSetup, saved: string, file: string, options: TrainCommandOptions): string {
  if (setup.network.kind === "text") return commandLine("sample", fileWord(saved));
  const flags = tableFlags.flatMap((flag) => (options[flag] === undefined ? [] : [`--${flag}`, options[flag]]));
  return commandLine("forecast", fileWord(saved), fileWord(file), ...flags);
}

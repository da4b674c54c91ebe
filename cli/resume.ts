/**
 * @file Going on with a run: what a model tells of the run that made it takes the place of the options of its command line.
 * The same cell, data and batches follow, so the numbers are those of a run without a break, to the bit on one adapter.
 */
import { zoo } from "../cells/zoo.ts";
import { UserError } from "../compiler/graph/errors.ts";
import { readBytes } from "../disk/data-files.ts";
import { encodeGraph } from "../train/files/graph-json.ts";
import { decodeModel } from "../train/files/model-file.ts";
import type { RunRecord } from "../train/files/run-record.ts";
import { streamingStep } from "../train/prediction-step.ts";
import { OPTIMIZER_NAMES, RATE_SCHEDULE_NAMES } from "./options.ts";
import type { TrainCommandOptions } from "./train-options.ts";
import type { ResumableModel } from "./train-session.ts";
import type { TrainingSetup } from "./training-setup.ts";

/** Options that the model decides, by their flags. */
const decidedByModel = {
  ...{ units: "--units", layers: "--layers", embed: "--embed", batch: "--batch", time: "--time", seed: "--seed" },
  ...{ tokens: "--tokens", columns: "--columns", tune: "--tune", tuning: "--tuning", evalEvery: "--eval-every" },
  evalBatches: "--eval-batches",
  ...{ optimizer: "--optimizer", lrSchedule: "--lr-schedule", warmup: "--warmup", weightDecay: "--weight-decay" },
  clip: "--clip",
} as const satisfies Partial<Record<keyof TrainCommandOptions, string>>;

/** The model of a run that can be gone on with. */
export async function readResumable(path: string): Promise<ResumableModel> {
  const model = decodeModel(await readBytes(path), path);
  const { checkpoint, run } = model;
  if (model.kind === "objective" || model.kind === "classifier")
    throw new UserError(
      `--resume ${path}: this is ${model.kind === "objective" ? "an objective" : "a classifier"}, which the command line does not train; go on in code, with trainer.restore(model.checkpoint)`,
    );
  if (checkpoint !== undefined && run !== undefined) return { ...model, checkpoint, run };
  throw new UserError(
    `--resume ${path}: this model keeps nothing to go on from; a run that ended well writes one that does`,
  );
}

/** How an update is made, as the model keeps it. */
export function updateRecord(options: TrainCommandOptions): RunRecord["update"] {
  const { optimizer, lrSchedule, warmup, weightDecay, clip } = options;
  return { optimizer, lrSchedule, warmup, clip, ...(weightDecay !== undefined && { weightDecay }) };
}

/** The options of the run before, but for those that may change: how far to go, where to write, and the learning rate. */
export function resumedOptions(model: ResumableModel, options: TrainCommandOptions): TrainCommandOptions {
  const { run, tokenizer } = model;
  const { given } = options;
  const decided = Object.entries(decidedByModel).find(([name]) => given.has(name));
  if (decided !== undefined)
    throw new UserError(`${decided[1]} is decided by the model that --resume takes; leave it out`);
  if (!given.has("cell") && !Object.hasOwn(zoo, model.cell)) {
    throw new UserError(
      `--resume: ${model.cell} is not a built-in cell; give the module that exports it, such as --cell ./${model.cell}.ts`,
    );
  }
  const { optimizer, lrSchedule, warmup, weightDecay, clip } = run.update;
  return {
    ...options,
    cell: given.has("cell") ? options.cell : model.cell,
    ...{ units: model.units, layers: model.layers, embed: model.embed ?? options.embed },
    ...{ batch: run.batch, time: run.time, seed: run.seed },
    steps: given.has("steps") ? options.steps : run.planned - run.steps || options.steps,
    lr: given.has("lr") ? options.lr : run.learningRate,
    optimizer: oneOf(OPTIMIZER_NAMES, optimizer),
    lrSchedule: oneOf(RATE_SCHEDULE_NAMES, lrSchedule),
    ...{ warmup: Number(warmup), clip: Number(clip) },
    ...(weightDecay !== undefined && { weightDecay: Number(weightDecay) }),
    tokens: tokenizer === undefined ? (model.tokens ?? "characters") : "the model's tokenizer",
    ...(tokenizer !== undefined && { tokenizer }),
    ...(model.columns && { columns: model.columns }),
    ...(run.every !== undefined && { evalEvery: run.every }),
    ...(run.evalBatches !== undefined && { evalBatches: run.evalBatches }),
    ...(!given.has("patience") && run.patience !== undefined && { patience: run.patience }),
  };
}

/** Refuses a cell or data that is not that of the model, and steps that its schedule does not reach. */
export function checkResumed(
  model: ResumableModel,
  setup: TrainingSetup,
  { lrSchedule, steps }: TrainCommandOptions,
): void {
  const { run } = model;
  if (encodeGraph(streamingStep(setup.network).graph) !== encodeGraph(model.graph))
    throw new UserError("--resume: the cell or the data is not that with which the model was trained");
  if (setup.data !== run.data)
    throw new UserError("--resume: the file is not that with which the model was trained, or it has changed");
  const ends = lrSchedule !== "constant" && lrSchedule !== "plateau";
  if (ends && run.steps + steps > run.planned) {
    throw new UserError(
      `--resume: the ${lrSchedule} schedule of the learning rate ends with step ${run.planned}, and ${run.steps} are made; fewer --steps are left`,
    );
  }
}

function oneOf<T extends string>(names: readonly T[], value: unknown): T {
  const found = names.find((name) => name === value);
  if (found === undefined) throw new UserError("--resume: the model names no known way of updating its weights");
  return found;
}

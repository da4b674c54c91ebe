/**
 * @file Resuming a run: the run's options are read from its model instead of the command line. Cell, data and batches are
 * the same, so the results equal those of an uninterrupted run, bit for bit on one adapter.
 */
import { zoo } from "../cells/zoo.ts";
import { UserError } from "../compiler/graph/errors.ts";
import { readBytes } from "../disk/data-files.ts";
import { encodeGraph } from "../train/files/graph-json.ts";
import { decodeModel } from "../train/files/model-file.ts";
import type { RunRecord } from "../train/files/run-record.ts";
import { streamingStep } from "../train/prediction-step.ts";
import { OPTIMIZER_NAMES, PRECISION_NAMES, RATE_SCHEDULE_NAMES } from "./options.ts";
import type { TrainCommandOptions } from "./train-options.ts";
import type { ResumableModel } from "./train-session.ts";
import type { TrainingSetup } from "./training-setup.ts";

/** Options that the model fixes, with their flags. */
const decidedByModel = {
  ...{ units: "--units", layers: "--layers", embed: "--embed", batch: "--batch", time: "--time", seed: "--seed" },
  ...{ tokens: "--tokens", columns: "--columns", tune: "--tune", tuning: "--tuning", evalEvery: "--eval-every" },
  evalBatches: "--eval-batches",
  ...{ optimizer: "--optimizer", lrSchedule: "--lr-schedule", warmup: "--warmup", weightDecay: "--weight-decay" },
  ...{ clip: "--clip", accumulate: "--accumulate" },
  ...{ precision: "--precision", memory: "--memory" },
} as const satisfies Partial<Record<keyof TrainCommandOptions, string>>;

/** Reads a model that can be resumed. */
export async function readResumable(path: string): Promise<ResumableModel> {
  const model = decodeModel(await readBytes(path), path);
  const { checkpoint, run } = model;
  if (model.kind === "objective" || model.kind === "classifier")
    throw new UserError(
      `--resume ${path}: this is ${model.kind === "objective" ? "an objective" : "a classifier"}, which the command line does not train; go on in code, with trainer.restore(model.checkpoint)`,
    );
  if (checkpoint !== undefined && run !== undefined) return { ...model, checkpoint, run };
  throw new UserError(
    `--resume ${path}: this model has no optimizer state to continue from; a run that ends without an error saves it`,
  );
}

/** The update options as the model stores them. */
export function updateRecord(options: TrainCommandOptions): RunRecord["update"] {
  const { optimizer, lrSchedule, warmup, weightDecay, clip, accumulate = 1, precision, memory } = options;
  return {
    ...{ optimizer, lrSchedule, warmup, clip },
    ...(weightDecay !== undefined && { weightDecay }),
    ...(accumulate > 1 && { accumulate }),
    ...(precision === "mixed" && { precision }),
    ...(memory !== undefined && { memory }),
  };
}

/** The options of the earlier run, except those that can change: number of steps, output files, learning rate. */
export function resumedOptions(model: ResumableModel, options: TrainCommandOptions): TrainCommandOptions {
  const { run, tokenizer } = model;
  const { given } = options;
  const decided = Object.entries(decidedByModel).find(([name]) => given.has(name));
  if (decided !== undefined) throw new UserError(`${decided[1]} is fixed by the model of --resume; leave it out`);
  if (!given.has("cell") && !Object.hasOwn(zoo, model.cell)) {
    throw new UserError(
      `--resume: ${model.cell} is not a built-in cell; give the module that exports it, such as --cell ./${model.cell}.ts`,
    );
  }
  const { optimizer, lrSchedule, warmup, weightDecay, clip, accumulate = 1, precision = "f32", memory } = run.update;
  return {
    ...options,
    cell: given.has("cell") ? options.cell : model.cell,
    ...{ units: model.units, layers: model.layers, embed: model.embed ?? options.embed },
    ...{ batch: run.batch, time: run.time, seed: run.seed },
    steps: given.has("steps") ? options.steps : run.planned - run.steps || options.steps,
    lr: given.has("lr") ? options.lr : run.learningRate,
    optimizer: oneOf("optimizer", OPTIMIZER_NAMES, optimizer),
    lrSchedule: oneOf("learning-rate schedule", RATE_SCHEDULE_NAMES, lrSchedule),
    ...{ warmup: Number(warmup), clip: Number(clip), accumulate: accumulateOf(accumulate) },
    ...(weightDecay !== undefined && { weightDecay: Number(weightDecay) }),
    precision: oneOf("precision", PRECISION_NAMES, precision),
    ...(memory !== undefined && { memory: memory === "auto" ? memory : Number(memory) }),
    tokens: tokenizer === undefined ? (model.tokens ?? "characters") : "the model's tokenizer",
    ...(tokenizer !== undefined && { tokenizer }),
    ...(model.columns && { columns: model.columns }),
    ...(run.every !== undefined && { evalEvery: run.every }),
    ...(run.evalBatches !== undefined && { evalBatches: run.evalBatches }),
    ...(!given.has("patience") && run.patience !== undefined && { patience: run.patience }),
  };
}

/** Throws if the cell or the data differs from the model's, or if the steps exceed its schedule. */
export function checkResumed(
  model: ResumableModel,
  setup: TrainingSetup,
  { lrSchedule, steps }: TrainCommandOptions,
): void {
  const { run } = model;
  if (encodeGraph(streamingStep(setup.network).graph) !== encodeGraph(model.graph))
    throw new UserError("--resume: the cell or the data differs from what the model was trained with");
  if (setup.data !== run.data)
    throw new UserError("--resume: the file is not the one that the model was trained on, or it has changed");
  const ends = lrSchedule !== "constant" && lrSchedule !== "plateau";
  if (ends && run.steps + steps > run.planned) {
    throw new UserError(
      `--resume: the ${lrSchedule} schedule of the learning rate ends at step ${run.planned}, and ${run.steps} are done; at most ${run.planned - run.steps} steps are left`,
    );
  }
}

function accumulateOf(value: unknown): number {
  if (Number.isSafeInteger(value) && Number(value) > 0) return Number(value);
  throw new UserError(
    `--resume: the model's number of batches per update is ${value}; expected a whole number above 0`,
  );
}

function oneOf<T extends string>(what: string, names: readonly T[], value: unknown): T {
  const found = names.find((name) => name === value);
  if (found === undefined)
    throw new UserError(`--resume: the model's ${what} is unknown; this version knows ${names.join(", ")}`);
  return found;
}

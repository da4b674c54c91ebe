/**
 * @file Model files: safetensors files whose tensors are the parameters by path, and whose metadata holds everything else
 * that is needed to run the model. The computation is stored as a graph, so a model of a user's cell works without the
 * cell's source, and loading a model never runs code.
 *
 *   format "cellgrad"   version "1"   kind "text" | "series" | "regression" | "classifier" | "objective"
 *   graph (see graph-json.ts): the streaming step of a network, or the prediction of whole sequences of an objective
 *   parameters [path, …] in the order of the arena
 *   networks:    cell   sizes {units, layers, embed?}   vocabulary ["a", …] (text)   columns ["x", …] and optionally
 *                normalisation {mean, deviation} (series)   either, and targets ["y", …] (regression) or classes ["y", …]
 *                (classifier; older files have the kind regression and store the classes as targets)
 *   objectives:  name   symbols ["B", "T", …] of its inputs   outputs ["output", …]   any of the labels above
 *   tokens "bytes" if the symbols are bytes instead of characters, or tokenizer, the text of a tokenizer.json, if they are
 *   its tokens
 *   training {steps, loss, …}   tuned {tuning, adapter, …} after a search for a tuning (see tuned.ts)   run {steps, …} if the
 *   run can be resumed (see run-record.ts)                                                              all as JSON
 *   checkpoint ["parameters", "slots/…", "step"] if training can resume from the file: names of the trainer's arrays, whose
 *   tensors are named checkpoint/NAME. It repeats the parameters, since those of the model can be an average.
 */
import { expectArgument, UserError } from "../../compiler/graph/errors.ts";
import type { Graph } from "../../compiler/graph/graph.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import { removeDead } from "../../compiler/passes/dead.ts";
import { withoutCallSites } from "../../compiler/trace/site.ts";
import { type Arena, arenaOf } from "../arena.ts";
import type { Checkpoint } from "../checkpoint.ts";
import { checkSource, type ModelSource, outputNames, outputsOf } from "../model-source.ts";
import type { Network, NetworkKind } from "../networks.ts";
import type { Objective } from "../objective.ts";
import { predictionStep, streamingStep } from "../prediction-step.ts";
import { checkpointFrom, checkpointTensors } from "./checkpoint-tensors.ts";
import { checkFiniteArrays, checkFiniteRecord } from "./finite-model.ts";
import { decodeGraph, encodeGraph } from "./graph-json.ts";
import {
  damaged,
  Fields,
  isNames,
  isPrintableName,
  isRecord,
  isSizes,
  isTrainingRecord,
  printableName,
  type Sizes,
  type TrainingRecord,
} from "./model-fields.ts";
import {
  areOutputs,
  areSymbols,
  checkPrediction,
  checkStep,
  isNetworkKind,
  type ModelLabels,
  networkDetails,
  objectiveLabels,
  symbolsOfInputs,
} from "./model-kinds.ts";
import { checkedRun, type RunRecord } from "./run-record.ts";
import { decodeTensors, encodeTensors, type TensorFile } from "./safetensors.ts";
import { checkedTuned, onlyTuned } from "./tuned.ts";

const format = "cellgrad";
const formatVersion = "1";

/** The fields that all models have. */
interface ModelParts extends ModelSource, ModelLabels {
  /** The weights, by path. */
  readonly parameters: Readonly<Record<string, NdArray>>;
  /** How it was trained; information only. */
  readonly training?: TrainingRecord;
  /** The checkpoint for `trainer.restore`: weights, optimizer slots (including averages) and step count. */
  readonly checkpoint?: Checkpoint;
  /** The run so far, for resuming it. */
  readonly run?: RunRecord;
}

/** A trained network: the traced step with its weights, and labels of its inputs and outputs. */
export interface SavedNetwork extends ModelParts {
  /** What it was trained to do. */
  readonly kind: NetworkKind;
  /** (parameters, state/…, x) -> (state/…, output), B symbolic. */
  readonly graph: Graph;
  /** Its graph is a time step. */
  readonly form?: "step";
  /** Name of the cell; with different cells all names, such as `gru + lstm`. */
  readonly cell: string;
  /** Units of each layer. */
  readonly units: number;
  /** Number of layers. */
  readonly layers: number;
  /** Width of the embedding; texts only. */
  readonly embed?: number;
  /** Absent: a network is named by its cell. */
  readonly name?: undefined;
}

/** A trained custom objective: the graph of its prediction, with its weights. */
export interface SavedObjective extends ModelParts {
  /** Marks an objective that is not a network. */
  readonly kind: "objective";
  /** (parameters, state/…, inputs) -> (state/…, outputs), with B and T symbolic. */
  readonly graph: Graph;
  /** Its graph computes whole sequences. */
  readonly form: "sequence";
  /** The name passed to `objective`. */
  readonly name: string;
  /** Absent: only its code knows its structure. */
  readonly cell?: undefined;
  /** As `cell`. */
  readonly units?: undefined;
  /** As `cell`. */
  readonly layers?: undefined;
  /** As `cell`. */
  readonly embed?: undefined;
}

/** A trained model, as `createPredictor`, `createStream`, `modelToOnnx` and `encodeModel` accept it. */
export type SavedModel = SavedNetwork | SavedObjective;

/** The fields of a model besides its graph and weights. */
export type ModelDetails = ModelLabels & Pick<SavedModel, "training" | "tuned" | "checkpoint" | "run">;

const ofDetails = {
  vocabulary: "list",
  tokens: { bytes: 1 },
  tokenizer: "string",
  columns: "list",
  normalisation: "object",
  targets: "list",
  classes: "list",
  training: "object",
  tuned: "object",
  checkpoint: "object",
  run: "object",
} as const;

/** Makes a model of a network and its weights, for files, streams and predictions. */
export function savedModel(
  network: Network,
  parameters: Readonly<Record<string, NdArray>>,
  details?: ModelDetails,
): SavedNetwork;
/**
 * The model of an objective computes its `predict`.
 *
 * @throws UserError if the objective has no `predict`.
 */
export function savedModel(
  objective: Objective,
  parameters: Readonly<Record<string, NdArray>>,
  details?: ModelDetails,
): SavedModel;
export function savedModel(
  trained: Network | Objective,
  parameters: Readonly<Record<string, NdArray>>,
  details: ModelDetails = {},
): SavedModel {
  checkedOptions("savedModel", details, ofDetails);
  checkSource("savedModel", trained);
  if (!("stepModel" in trained)) {
    const { graph: whole, arena } = predictionStep("savedModel", trained);
    const graph = withoutCallSites(() => removeDead(whole));
    const outputs = outputsOf(graph, trained.prediction?.outputs ?? []);
    const name = trained.name ?? "objective";
    return { kind: "objective", form: "sequence", graph, arena, parameters, outputs, name, ...details };
  }
  const { graph, arena } = streamingStep(trained);
  const { cell, units, layers, embed } = trained.config;
  const sizes = { cell, units, layers, ...(embed === undefined ? {} : { embed }) };
  return { kind: trained.kind, graph, arena, parameters, ...sizes, ...details };
}

/**
 * Returns the bytes of a safetensors file that `decodeModel` and any reader of safetensors can read.
 *
 * @throws UserError if a weight or a loss is not finite, if a field that reading needs is missing, such as the vocabulary of
 * text, or if the model has a field that its kind does not store.
 */
export function encodeModel(model: SavedModel): Uint8Array {
  return encodeTensors(partsOf(model));
}

/** Throws like `encodeModel`, before training starts: its weights could not be saved. */
export function checkSavable(model: SavedModel): void {
  partsOf(model);
}

function partsOf(model: SavedModel): TensorFile {
  expectArgument(
    typeof model?.kind === "string",
    "encodeModel: the model",
    model,
    "the result of savedModel(network, parameters)",
  );
  const { vocabulary, columns, normalisation, targets, classes, training, tuned, checkpoint } = model;
  const tensors = { ...model.parameters, ...checkpointTensors(checkpoint ?? {}, model.parameters) };
  checkFiniteArrays(tensors);
  checkFiniteRecord(training ?? {});
  const documents = {
    ...(model.kind === "objective"
      ? { symbols: symbolsOfInputs(model.graph), outputs: outputNames(model) }
      : { sizes: { units: model.units, layers: model.layers, embed: model.embed } }),
    parameters: model.arena.entries.map(({ path }) => path),
    vocabulary,
    columns,
    normalisation,
    targets,
    classes,
    training,
    tuned: tuned && onlyTuned(tuned),
    checkpoint: checkpoint && Object.keys(checkpoint),
    run: model.run,
  };
  const texts = Object.entries(documents).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, JSON.stringify(value)] as const],
  );
  const metadata = {
    format,
    version: formatVersion,
    kind: model.kind,
    ...(model.kind === "objective" ? { name: printableName(model.name) } : { cell: printableName(model.cell) }),
    ...(model.tokens !== undefined && { tokens: model.tokens }),
    ...(model.tokenizer !== undefined && { tokenizer: model.tokenizer }),
    ...Object.fromEntries(texts),
    graph: encodeGraph(model.graph),
  };
  checkReadable(model, tensors, metadata);
  return { tensors, metadata };
}

/** Throws if the reader would fail or lose a field: otherwise the user would notice too late, when loading the file. */
function checkReadable(model: SavedModel, tensors: TensorFile["tensors"], metadata: TensorFile["metadata"]): void {
  let read: SavedModel;
  try {
    read = readModel(tensors, metadata);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(
      `the model is not written, since it could not be read again: ${error.message} (savedModel accepts the vocabulary of texts or the columns of rows, and the targets of a regression or the classes)`,
    );
  }
  const given: Readonly<Record<string, unknown>> = { ...model };
  const lost = Object.keys(given).find((key) => given[key] !== undefined && !(key in read));
  if (lost !== undefined)
    throw new UserError(
      `the model is not written, since a model of kind ${model.kind} does not store ${lost}; leave it out`,
    );
}

/** Whether a file is marked as a model, not just weights; it can still be damaged. */
export function isModelFile({ metadata }: TensorFile): boolean {
  return metadata.format === format;
}

/** Reads a model; `name` is the file's name in messages. Throws a UserError of one line if it is invalid. */
export function decodeModel(bytes: Uint8Array, name: string): SavedModel {
  const { tensors, metadata } = decodeTensors(bytes, name);
  try {
    return readModel(tensors, metadata);
  } catch (error) {
    throw error instanceof UserError ? new UserError(`${name} is not a usable model: ${error.message}`) : error;
  }
}

function readModel(tensors: Readonly<Record<string, NdArray>>, metadata: Readonly<Record<string, string>>): SavedModel {
  const fields = new Fields(metadata);
  if (fields.text("format") !== format) throw new UserError("its metadata does not say that cellgrad wrote it");
  const version = fields.text("version") ?? "none";
  if (version !== formatVersion) {
    throw new UserError(
      `it has version ${JSON.stringify(version.slice(0, 20))}; this release reads version ${formatVersion}`,
    );
  }
  const kind = fields.text("kind");
  if (kind !== "objective" && !isNetworkKind(kind))
    throw new UserError("its kind is unknown; expected text, series, regression, classifier or objective");
  const sizes = kind === "objective" ? undefined : fields.read("sizes", "units, layers and optionally embed", isSizes);
  const paths = fields.read("parameters", "a list of different names", isNames);
  checkFiniteArrays(tensors);
  const arena = arenaOf(paths.map((path) => ({ path, shape: shapeOf(path, tensors) })));
  const kept = fields.optional("checkpoint", "a list of different names", isNames);
  const checkpoint = kept && checkpointFrom(kept, tensors, arena);
  if (paths.length + (kept?.length ?? 0) !== Object.keys(tensors).length)
    throw new UserError(`it has ${Object.keys(tensors).length} tensors for ${paths.length} parameters`);
  const parameters = Object.fromEntries(paths.map((path) => [path, tensors[path] as NdArray]));
  const computed =
    sizes === undefined || kind === "objective"
      ? readObjective(fields, arena)
      : readNetwork(kind, fields, arena, sizes);
  const training = fields.optional("training", "a record of numbers and texts", isTrainingRecord);
  const tuned = fields.optional("tuned", "an object", isRecord);
  const run = fields.optional("run", "an object", isRecord);
  return {
    ...computed,
    parameters,
    ...(training && { training }),
    ...(tuned && { tuned: checkedTuned(tuned) }),
    ...(checkpoint && { checkpoint }),
    ...(run && { run: checkedRun(run) }),
  };
}

function readNetwork(kind: NetworkKind, fields: Fields, arena: Arena, sizes: Sizes): Omit<SavedNetwork, "parameters"> {
  const { features, outputs, labels } = networkDetails[kind](fields);
  const graph = decodeGraph(fields.text("graph") ?? "", ["B"]);
  checkStep(graph, arena, features, outputs);
  return { kind, graph, arena, cell: readName(fields, "cell"), ...sizes, ...labels };
}

function readObjective(fields: Fields, arena: Arena): Omit<SavedObjective, "parameters"> {
  const symbols = fields.read("symbols", "a list of symbols such as B", areSymbols);
  const names = fields.read("outputs", "a list of different names", areOutputs);
  const graph = decodeGraph(fields.text("graph") ?? "", symbols);
  checkPrediction(graph, arena, symbols, names);
  const name = readName(fields, "name");
  const outputs = outputsOf(graph, names);
  return { kind: "objective", form: "sequence", graph, arena, outputs, name, ...objectiveLabels(fields) };
}

function readName(fields: Fields, key: "cell" | "name"): string {
  const name = fields.text(key) ?? "";
  return isPrintableName(name) ? name : damaged(key, "a printable name of at most 200 characters");
}

function shapeOf(path: string, tensors: Readonly<Record<string, NdArray>>): readonly number[] {
  const tensor = Object.hasOwn(tensors, path) ? tensors[path] : undefined;
  if (tensor === undefined) throw new UserError(`parameter ${JSON.stringify(path.slice(0, 60))} is missing`);
  if (tensor.dtype !== "f32") throw new UserError(`parameter ${JSON.stringify(path)} is ${tensor.dtype}; expected f32`);
  return tensor.shape;
}

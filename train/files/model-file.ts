/**
 * @file Model files: a safetensors file whose tensors are the parameters by path, and whose metadata holds all else that
 * using the model takes. The streaming step is stored as a graph, so a model of a user's cell goes on working when the
 * cell's source is gone, and loading one never runs code.
 *
 *   format "cellgrad"   version "1"   kind "text" | "series" | "regression"   cell   graph (see graph-json.ts)
 *   sizes {units, layers, embed?}   parameters [path, …] in the order of the arena   vocabulary ["a", …] (text)
 *   columns ["x", …] and perhaps normalisation {mean, deviation} (series)   either and targets ["y", …] (regression: what
 *   is found in rows or in texts, or the names of classes)
 *   training {steps, loss, …}                                                                          all as JSON
 *   tuned {tuning, adapter, …} where a tuning was searched for (see tuned.ts), as JSON too
 *   tokens "bytes" where the symbols are not characters but bytes, or tokenizer, the text of a tokenizer.json, where they
 *   are tokens of one   run {steps, …} of the run that can be gone on with (see run-record.ts)
 *   checkpoint ["parameters", "slots/…", "step"] where training can go on from the file: names of the trainer's arrays,
 *   whose tensors are called checkpoint/NAME. The parameters are there again, since those of the model may be an average.
 */
import { formatShape, sameShape } from "../../compiler/graph/dim.ts";
import { at, expectArgument, UserError } from "../../compiler/graph/errors.ts";
import { type Aval, formatAval, type Graph, inputName } from "../../compiler/graph/graph.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import { type Arena, arenaOf } from "../arena.ts";
import type { Normalisation } from "../data/normalisation.ts";
import { checkNetwork, type Network, type NetworkKind } from "../networks.ts";
import type { StreamSource } from "../stream.ts";
import type { Checkpoint } from "../trainer.ts";
import { streamingStep } from "../training-step.ts";
import { checkpointFrom, checkpointTensors } from "./checkpoint-tensors.ts";
import { checkFiniteArrays, checkFiniteRecord } from "./finite-model.ts";
import { decodeGraph, encodeGraph } from "./graph-json.ts";
import {
  damaged,
  Fields,
  isNames,
  isNormalisation,
  isPrintableName,
  isRecord,
  isSizes,
  isTexts,
  isTrainingRecord,
  isVocabulary,
  printableName,
  type TrainingRecord,
} from "./model-fields.ts";
import { checkedRun, type RunRecord } from "./run-record.ts";
import { decodeTensors, encodeTensors, type TensorFile } from "./safetensors.ts";
import { checkedTuned, onlyTuned } from "./tuned.ts";

const format = "cellgrad";
const formatVersion = "1";

/** A trained model: the traced step with its weights, and what it was trained on. */
export interface SavedModel extends StreamSource {
  /** What it was trained to do. */
  readonly kind: NetworkKind;
  /** (parameters, state/…, x) -> (state/…, output), B symbolic: what `createStream` takes. */
  readonly graph: Graph;
  /** What lies where in its parameters. */
  readonly arena: Arena;
  /** The weights, by path. */
  readonly parameters: Readonly<Record<string, NdArray>>;
  /** Name of the cell. */
  readonly cell: string;
  /** Units of each layer. */
  readonly units: number;
  /** Number of layers. */
  readonly layers: number;
  /** Width of the embedding; text only. */
  readonly embed?: number;
  /** Of text, or of a classifier of texts: the character of each token, or what stands for it where tokens are no characters. */
  readonly vocabulary?: readonly string[];
  /** Of text whose tokens are bytes. */
  readonly tokens?: "bytes";
  /** Of text whose tokens are those of a tokenizer: its tokenizer.json. */
  readonly tokenizer?: string;
  /** Of a series or a regression: the names of the features that are read, and how they were normalised. */
  readonly columns?: readonly string[];
  /** How the columns were normalised. */
  readonly normalisation?: Normalisation;
  /** Of a regression: the names of what is found; of a classifier: those of the classes. */
  readonly targets?: readonly string[];
  /** How it was trained, for people. */
  readonly training?: TrainingRecord;
  /** What training goes on from, for `trainer.restore`: weights, optimizer slots (averages among them) and step count. */
  readonly checkpoint?: Checkpoint;
  /** The run so far, for those who go on with it. */
  readonly run?: RunRecord;
}

/** Facts about a model beside its network and weights. */
export type ModelDetails = Pick<
  SavedModel,
  | "vocabulary"
  | "tokens"
  | "tokenizer"
  | "columns"
  | "normalisation"
  | "targets"
  | "training"
  | "tuned"
  | "checkpoint"
  | "run"
>;

const ofDetails = {
  vocabulary: "list",
  tokens: { bytes: 1 },
  tokenizer: "string",
  columns: "list",
  normalisation: "object",
  targets: "list",
  training: "object",
  tuned: "object",
  checkpoint: "object",
  run: "object",
} as const;

/** A network with its numbers, ready to be written or streamed. */
export function savedModel(
  network: Network,
  parameters: Readonly<Record<string, NdArray>>,
  details: ModelDetails = {},
): SavedModel {
  checkedOptions("savedModel", details, ofDetails);
  checkNetwork("savedModel", network);
  const { graph, arena } = streamingStep(network);
  const { cell, units, layers, embed } = network.config;
  const sizes = { cell, units, layers, ...(embed === undefined ? {} : { embed }) };
  return { kind: network.kind, graph, arena, parameters, ...sizes, ...details };
}

/**
 * The bytes of a safetensors file that `decodeModel` and any reader of safetensors can read.
 *
 * @throws UserError where a weight or a loss is not finite, and where a model lacks what reading it takes, such as the
 * vocabulary of text, or holds what its kind does not keep.
 */
export function encodeModel(model: SavedModel): Uint8Array {
  return encodeTensors(partsOf(model));
}

/** Throws what `encodeModel` would, before a training is begun whose weights could not be kept. */
export function checkSavable(model: SavedModel): void {
  partsOf(model);
}

function partsOf(model: SavedModel): TensorFile {
  expectArgument(
    typeof model?.kind === "string",
    "encodeModel: the model",
    model,
    "what savedModel(network, parameters) gives",
  );
  const { units, layers, embed, vocabulary, columns, normalisation, targets, training, tuned, checkpoint } = model;
  const tensors = { ...model.parameters, ...checkpointTensors(checkpoint ?? {}, model.parameters) };
  checkFiniteArrays(tensors);
  checkFiniteRecord(training ?? {});
  const documents = {
    sizes: { units, layers, embed },
    parameters: model.arena.entries.map(({ path }) => path),
    vocabulary,
    columns,
    normalisation,
    targets,
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
    cell: printableName(model.cell),
    ...(model.tokens !== undefined && { tokens: model.tokens }),
    ...(model.tokenizer !== undefined && { tokenizer: model.tokenizer }),
    ...Object.fromEntries(texts),
    graph: encodeGraph(model.graph),
  };
  checkReadable(model, tensors, metadata);
  return { tensors, metadata };
}

/** Refuses what the reader would refuse, or not give back: a file that cannot be read is found out too late. */
function checkReadable(model: SavedModel, tensors: TensorFile["tensors"], metadata: TensorFile["metadata"]): void {
  let read: SavedModel;
  try {
    read = readModel(tensors, metadata);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(
      `the model is not written, since it could not be read again: ${error.message} (savedModel takes the vocabulary of texts or the columns of rows, and the targets of what is found)`,
    );
  }
  const given: Readonly<Record<string, unknown>> = { ...model };
  const lost = Object.keys(given).find((key) => given[key] !== undefined && !(key in read));
  if (lost !== undefined)
    throw new UserError(`the model is not written, since a model of kind ${model.kind} keeps no ${lost}; leave it out`);
}

/** Whether a file says that it is a model, and not weights alone; it may still be damaged. */
export function isModelFile({ metadata }: TensorFile): boolean {
  return metadata.format === format;
}

/** Reads a model; `name` is what messages call the file. Throws a UserError of one line where anything is wrong. */
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
  if (kind !== "text" && kind !== "series" && kind !== "regression")
    throw new UserError("its kind is none of text, series and regression");
  const sizes = fields.read("sizes", "units, layers and perhaps embed", isSizes);
  const paths = fields.read("parameters", "a list of different names", isNames);
  checkFiniteArrays(tensors);
  const arena = arenaOf(paths.map((path) => ({ path, shape: shapeOf(path, tensors) })));
  const kept = fields.optional("checkpoint", "a list of different names", isNames);
  const checkpoint = kept && checkpointFrom(kept, tensors, arena);
  if (paths.length + (kept?.length ?? 0) !== Object.keys(tensors).length)
    throw new UserError(`it has ${Object.keys(tensors).length} tensors for ${paths.length} parameters`);
  const parameters = Object.fromEntries(paths.map((path) => [path, tensors[path] as NdArray]));
  const read = { text: textDetails, series: seriesDetails, regression: regressionDetails }[kind];
  const { features, outputs, details } = read(fields);
  const graph = decodeGraph(fields.text("graph") ?? "", ["B"]);
  checkSignature(graph, arena, features, outputs);
  const training = fields.optional("training", "a record of numbers and texts", isTrainingRecord);
  const tuned = fields.optional("tuned", "an object", isRecord);
  const run = fields.optional("run", "an object", isRecord);
  const cell = fields.text("cell") ?? "";
  if (!isPrintableName(cell)) damaged("cell", "a printable name of at most 200 characters");
  return {
    kind,
    graph,
    arena,
    parameters,
    cell,
    ...sizes,
    ...details,
    ...(training && { training }),
    ...(tuned && { tuned: checkedTuned(tuned) }),
    ...(checkpoint && { checkpoint }),
    ...(run && { run: checkedRun(run) }),
  };
}

/** What a kind of model knows of its symbols or values, and the widths of x (none where it is tokens) and output. */
interface KindDetails {
  readonly features: number | undefined;
  readonly outputs: number;
  readonly details: ModelDetails;
}

function textDetails(fields: Fields): KindDetails {
  const tokenizer = fields.text("tokenizer");
  const tokens = fields.text("tokens");
  if (tokens !== undefined && tokens !== "bytes") damaged("tokens", "bytes");
  const isOne = tokenizer === undefined ? isVocabulary : isTexts;
  const vocabulary = fields.read("vocabulary", "a list of different characters", isOne);
  if (tokens !== undefined && vocabulary.length !== 256) damaged("vocabulary", "256 bytes");
  if (tokenizer === "") damaged("tokenizer", "the text of a tokenizer.json");
  const details = { vocabulary, ...(tokens && { tokens: "bytes" as const }), ...(tokenizer && { tokenizer }) };
  return { features: undefined, outputs: vocabulary.length, details };
}

/** What is found in rows of numbers, or in texts: `targets` are the names of what is found, or of the classes. */
function regressionDetails(fields: Fields): KindDetails {
  const targets = fields.read("targets", "a list of texts", isTexts);
  const isText = fields.text("columns") === undefined && fields.text("vocabulary") !== undefined;
  const { features, details } = (isText ? textDetails : seriesDetails)(fields);
  return { features, outputs: targets.length, details: { ...details, targets } };
}

function seriesDetails(fields: Fields): KindDetails {
  const columns = fields.read("columns", "a list of texts", isTexts);
  const width = columns.length;
  const expected = `${width} means and deviations above 0`;
  const normalisation = fields.optional("normalisation", expected, isNormalisation);
  if (normalisation !== undefined && normalisation.mean.length !== width) damaged("normalisation", expected);
  return { features: width, outputs: width, details: { columns, ...(normalisation && { normalisation }) } };
}

/** The graph must take and give what a stream feeds and reads, and nothing else. */
function checkSignature(graph: Graph, arena: Arena, features: number | undefined, width: number): void {
  const inputs = new Map(graph.inputs.map((id) => [inputName(graph, id), at(graph.nodes, id).aval]));
  const outputs = graph.outputs.map((id) => at(graph.nodes, id).aval);
  const state = [...inputs].filter(([name]) => name.startsWith("state/"));
  const expect = (what: string, aval: Aval | undefined, dtype: string, shape: Aval["shape"]) => {
    if (aval?.dtype === dtype && sameShape(aval.shape, shape)) return;
    const found = aval === undefined ? "missing" : formatAval(aval);
    throw new UserError(`${what} of its graph is ${found}; expected ${dtype}${formatShape(shape)}`);
  };
  expect("input parameters", inputs.get("parameters"), "f32", [arena.size]);
  if (features === undefined) expect("input x", inputs.get("x"), "i32", ["B"]);
  else expect("input x", inputs.get("x"), "f32", ["B", features]);
  if (inputs.size !== state.length + 2 || graph.inputs.length !== inputs.size || outputs.length !== state.length + 1)
    throw new UserError("the inputs and outputs of its graph are not those of a streaming step");
  for (const [i, [name, aval]] of state.entries()) {
    if (aval.shape[0] !== "B" || aval.shape.slice(1).some((dim) => typeof dim !== "number"))
      throw new UserError(`input ${JSON.stringify(name)} of its graph is ${formatAval(aval)}; expected [B, …]`);
    expect(`output ${i}`, outputs[i], "f32", aval.shape);
  }
  expect(`output ${state.length}`, outputs[state.length], "f32", ["B", width]);
}

function shapeOf(path: string, tensors: Readonly<Record<string, NdArray>>): readonly number[] {
  const tensor = Object.hasOwn(tensors, path) ? tensors[path] : undefined;
  if (tensor === undefined) throw new UserError(`parameter ${JSON.stringify(path.slice(0, 60))} is missing`);
  if (tensor.dtype !== "f32") throw new UserError(`parameter ${JSON.stringify(path)} is ${tensor.dtype}; expected f32`);
  return tensor.shape;
}

/**
 * @file The labels that each kind of model stores, and the inputs and outputs that its graph must have. The graph of a
 * network is a time step; that of an objective is the prediction of whole sequences, and all its labels are optional.
 */
import { formatShape, isSymbol, type Shape, sameShape, symbolsOf } from "../../compiler/graph/dim.ts";
import { at, UserError } from "../../compiler/graph/errors.ts";
import { type Aval, formatAval, type Graph, inputName } from "../../compiler/graph/graph.ts";
import type { Arena } from "../arena.ts";
import type { Normalisation } from "../data/normalisation.ts";
import { isRead } from "../model-source.ts";
import type { NetworkKind } from "../networks.ts";
import { damaged, type Fields, isNames, isNormalisation, isTexts, isVocabulary } from "./model-fields.ts";

/** Labels of the inputs and outputs of a model. */
export interface ModelLabels {
  /** Text, and classifiers of texts: the character of each token, or its name if tokens are not characters. */
  readonly vocabulary?: readonly string[];
  /** Set if the tokens of a text are bytes. */
  readonly tokens?: "bytes";
  /** The tokenizer.json, if the tokens of a text come from a tokenizer. */
  readonly tokenizer?: string;
  /** Rows of numbers: the names of the input features. */
  readonly columns?: readonly string[];
  /** How the columns were normalised. */
  readonly normalisation?: Normalisation;
  /** Regression: the names of the outputs. */
  readonly targets?: readonly string[];
  /** Classifier: the names of the classes. */
  readonly classes?: readonly string[];
}

/** The labels in a network's file, and the widths of x (undefined for tokens) and output. */
interface NetworkDetails {
  readonly features: number | undefined;
  readonly outputs: number;
  readonly labels: ModelLabels;
}

/** Reads the labels of each kind of network. */
export const networkDetails: Readonly<Record<NetworkKind, (fields: Fields) => NetworkDetails>> = {
  text: textDetails,
  series: seriesDetails,
  regression: (fields) => {
    const targets = fields.read("targets", "a list of texts", isTexts);
    const { features, labels } = readDetails(fields);
    return { features, outputs: targets.length, labels: { ...labels, targets } };
  },
  classifier: (fields) => {
    const classes = fields.read("classes", "a list of different texts", isNames);
    const { features, labels } = readDetails(fields);
    return { features, outputs: classes.length, labels: { ...labels, classes } };
  },
};

export const isNetworkKind = (kind: string | undefined): kind is NetworkKind =>
  kind !== undefined && Object.hasOwn(networkDetails, kind);

function textDetails(fields: Fields): NetworkDetails {
  const labels = textLabels(fields);
  const { vocabulary = damaged("vocabulary", "a list of different characters") } = labels;
  return { features: undefined, outputs: vocabulary.length, labels };
}

function textLabels(fields: Fields): ModelLabels {
  const tokenizer = fields.text("tokenizer");
  const tokens = fields.text("tokens");
  if (tokens !== undefined && tokens !== "bytes") damaged("tokens", "bytes");
  const isOne = tokenizer === undefined ? isVocabulary : isTexts;
  const vocabulary = fields.optional("vocabulary", "a list of different characters", isOne);
  if (tokens !== undefined && vocabulary?.length !== 256) damaged("vocabulary", "256 bytes");
  if (tokenizer === "") damaged("tokenizer", "the text of a tokenizer.json");
  return {
    ...(vocabulary && { vocabulary }),
    ...(tokens && { tokens: "bytes" as const }),
    ...(tokenizer && { tokenizer }),
  };
}

/** The labels of a network that reads rows of numbers or texts. */
function readDetails(fields: Fields): NetworkDetails {
  const isText = fields.text("columns") === undefined && fields.text("vocabulary") !== undefined;
  return (isText ? textDetails : seriesDetails)(fields);
}

function seriesDetails(fields: Fields): NetworkDetails {
  const columns = fields.read("columns", "a list of texts", isTexts);
  const width = columns.length;
  return { features: width, outputs: width, labels: { columns, ...normalisationOf(fields, width) } };
}

function normalisationOf(fields: Fields, width: number | undefined): Pick<ModelLabels, "normalisation"> {
  const expected = `${width ?? "equally many"} means and deviations above 0`;
  const normalisation = fields.optional("normalisation", expected, isNormalisation);
  if (normalisation !== undefined && width !== undefined && normalisation.mean.length !== width)
    damaged("normalisation", expected);
  return normalisation === undefined ? {} : { normalisation };
}

/** The labels of an objective; all are optional. */
export function objectiveLabels(fields: Fields): ModelLabels {
  const columns = fields.optional("columns", "a list of texts", isTexts);
  const targets = fields.optional("targets", "a list of texts", isTexts);
  const classes = fields.optional("classes", "a list of different texts", isNames);
  return {
    ...textLabels(fields),
    ...(columns && { columns }),
    ...normalisationOf(fields, columns?.length),
    ...(targets && { targets }),
    ...(classes && { classes }),
  };
}

/** Checks that the graph of a network has exactly the inputs and outputs of a streaming step. */
export function checkStep(graph: Graph, arena: Arena, features: number | undefined, width: number): void {
  const { inputs, outputs, states } = signatureOf(graph, arena);
  if (features === undefined) expectAval("input x", inputs.get("x"), "i32", ["B"]);
  else expectAval("input x", inputs.get("x"), "f32", ["B", features]);
  if (inputs.size !== states.length + 2 || graph.inputs.length !== inputs.size || outputs.length !== states.length + 1)
    throw new UserError("the inputs and outputs of its graph are not those of a streaming step");
  checkStates(states, outputs);
  expectAval(`output ${states.length}`, outputs[states.length], "f32", ["B", width]);
}

/** Checks the graph of an objective's prediction: its inputs determine all sizes, and every output has a name. */
export function checkPrediction(
  graph: Graph,
  arena: Arena,
  symbols: readonly string[],
  names: readonly string[],
): void {
  const { inputs, outputs, states } = signatureOf(graph, arena);
  const read = [...inputs].filter(([name]) => isRead(name));
  if (graph.inputs.length !== inputs.size || read.length === 0 || outputs.length !== states.length + names.length)
    throw new UserError("the inputs and outputs of its graph are not those of a prediction");
  checkStates(states, outputs);
  const known = new Set(read.flatMap(([, { shape }]) => shape));
  const unknown = symbols.find((symbol) => !known.has(symbol));
  if (unknown !== undefined) throw new UserError(`no input of its graph has an axis ${JSON.stringify(unknown)}`);
}

/** The symbols in the input shapes of a graph; their sizes are known when it runs. */
export function symbolsOfInputs(graph: Graph): readonly string[] {
  const shapes = graph.inputs.map((id) => at(graph.nodes, id).aval.shape);
  return [...new Set(shapes.flat().flatMap(symbolsOf))].sort();
}

export const areSymbols = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.length <= 20 && value.every((item) => typeof item === "string" && isSymbol(item));

export const areOutputs = (value: unknown): value is readonly string[] =>
  isNames(value) && value.every((name) => isRead(name) && name.length <= 200);

function signatureOf(graph: Graph, arena: Arena) {
  const inputs = new Map(graph.inputs.map((id) => [inputName(graph, id), at(graph.nodes, id).aval]));
  const outputs = graph.outputs.map((id) => at(graph.nodes, id).aval);
  expectAval("input parameters", inputs.get("parameters"), "f32", [arena.size]);
  return { inputs, outputs, states: [...inputs].filter(([name]) => name.startsWith("state/")) };
}

function checkStates(states: readonly (readonly [name: string, aval: Aval])[], outputs: readonly Aval[]): void {
  for (const [i, [name, aval]] of states.entries()) {
    if (aval.shape[0] !== "B" || aval.shape.slice(1).some((dim) => typeof dim !== "number"))
      throw new UserError(`input ${JSON.stringify(name)} of its graph is ${formatAval(aval)}; expected [B, …]`);
    expectAval(`output ${i}`, outputs[i], "f32", aval.shape);
  }
}

function expectAval(what: string, aval: Aval | undefined, dtype: string, shape: Shape): void {
  if (aval?.dtype === dtype && sameShape(aval.shape, shape)) return;
  const found = aval === undefined ? "missing" : formatAval(aval);
  throw new UserError(`${what} of its graph is ${found}; expected ${dtype}${formatShape(shape)}`);
}

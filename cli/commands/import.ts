/** @file `cellgrad import`: converts PyTorch, Keras or Flax weights to a model that samples or forecasts, or to parameters. */
import { messageOf, UserError } from "../../compiler/graph/errors.ts";
import { readBytes, readText } from "../../disk/data-files.ts";
import { isKerasFile, readKerasFile } from "../../disk/keras/keras-file.ts";
import { type FlaxReadOptions, fromFlax } from "../../interchange/flax.ts";
import { fromKeras, type KerasReadOptions } from "../../interchange/keras.ts";
import type { NetworkWeights } from "../../interchange/network-weights.ts";
import { toParameters } from "../../interchange/parameters.ts";
import { fromPyTorch } from "../../interchange/pytorch.ts";
import { type ModelMeaning, modelFrom } from "../../interchange/rebuild.ts";
import type { Normalisation } from "../../train/data/normalisation.ts";
import { vocabularyOf } from "../../train/data/text.ts";
import { checkFiniteArrays } from "../../train/files/finite-model.ts";
import { encodeModel } from "../../train/files/model-file.ts";
import { decodeTensors, encodeTensors } from "../../train/files/safetensors.ts";
import { ExitCode } from "../errors.ts";
import { commandLine, fileWord } from "../invocation.ts";
import { prepareOutput } from "../model-output.ts";
import { jsonLine, line, type Streams } from "../streams.ts";
import { describeWeights } from "../weights.ts";

export interface ImportCommandOptions {
  readonly from: "pytorch" | "keras" | "flax";
  readonly out: string;
  readonly cell?: string;
  readonly prefix?: string;
  readonly embedding?: string;
  readonly head?: string;
  readonly layers?: readonly string[];
  readonly vocabulary?: string;
  readonly columns?: readonly string[];
  readonly targets?: readonly string[];
  readonly mean?: readonly number[];
  readonly deviation?: readonly number[];
  readonly json?: boolean;
}

export async function importWeights(path: string, options: ImportCommandOptions, { stdout }: Streams): Promise<number> {
  const { from, vocabulary, columns, targets } = options;
  if (from !== "pytorch" && options.prefix !== undefined)
    throw new UserError("--prefix is for --from pytorch; name layers with --layers, --embedding and --head");
  if (from === "pytorch" && options.layers !== undefined)
    throw new UserError("--layers is for --from keras and flax; PyTorch numbers its layers");
  if (vocabulary !== undefined && columns !== undefined)
    throw new UserError("give --vocabulary for a text model or --columns for a numeric one, not both");
  if (targets !== undefined && columns === undefined) throw new UserError("--targets needs --columns");
  const normalisation = normalisationOf(options);
  const output = await prepareOutput(options.out, path, ...(vocabulary === undefined ? [] : [vocabulary]));
  const weights = await readers[from](path, options);
  const isModel = vocabulary !== undefined || columns !== undefined;
  const meaning: ModelMeaning = {
    ...(vocabulary !== undefined && { vocabulary: await readVocabulary(vocabulary) }),
    ...(columns && { columns }),
    ...(normalisation && { normalisation }),
    ...(targets && { targets }),
  };
  await output.write(
    named(path, () => (isModel ? encodeModel(modelFrom(weights, meaning)) : parameterBytes(weights, from))),
  );
  const { cell, units, features, layers } = weights;
  const isRaw = columns !== undefined && targets === undefined && normalisation === undefined;
  const assumed = [...(weights.assumed ?? []), ...(isRaw ? [ownUnits] : [])];
  const parameters = Object.keys(toParameters(weights));
  if (options.json)
    jsonLine(stdout, { cell, units, features, layers: layers.length, isModel, parameters, assumed, out: output.path });
  else {
    line(stdout, `${path}: ${describeWeights(weights)}`);
    for (const text of assumed) line(stdout, `note: ${text}`);
    line(
      stdout,
      `saved ${output.path}${isModel ? usage(output.path, meaning) : `: ${parameters.length} parameters by path`}`,
    );
  }
  return ExitCode.ok;
}

const ownUnits =
  "values reach the model without normalisation; give --mean and --deviation if they were normalised in training";

/** The normalisation that the options give, if any. */
function normalisationOf({ columns, targets, mean, deviation }: ImportCommandOptions): Normalisation | undefined {
  if (mean === undefined && deviation === undefined) return undefined;
  if (columns === undefined || targets !== undefined)
    throw new UserError("--mean and --deviation are for a model that forecasts its --columns, without --targets");
  const { length } = columns;
  if (mean?.length !== length || deviation?.length !== length)
    throw new UserError(`--mean and --deviation need one number for each of the ${length} columns`);
  if (!deviation.every((value) => value > 0)) throw new UserError("--deviation must be numbers above 0");
  return { mean, deviation };
}

async function pyTorchWeights(path: string, options: ImportCommandOptions): Promise<NetworkWeights> {
  const { prefix, cell, embedding, head } = options;
  const bytes = await readBytes(path);
  if (isKerasFile(bytes)) throw new UserError(`${path} is a zip or HDF5 file: ${pyTorchAdvice}`);
  return fromPyTorch(decodeTensors(bytes, path).tensors, path, { prefix, cell, embedding, head });
}

/** torch.save writes a zip of pickled objects, which cannot be read without running their code. */
const pyTorchAdvice =
  'write the state dict as safetensors, with safetensors.torch.save_file(model.state_dict(), "weights.safetensors"); for a Keras file, give --from keras';

async function flaxWeights(path: string, options: ImportCommandOptions): Promise<NetworkWeights> {
  const bytes = await readBytes(path);
  if (isKerasFile(bytes)) throw new UserError(`${path} is a zip or HDF5 file: ${flaxAdvice}`);
  return fromFlax(decodeTensors(bytes, path).tensors, path, rolesOf(options));
}

const flaxAdvice =
  'write the parameters as safetensors, with safetensors.flax.save_file(flax.traverse_util.flatten_dict(params, sep="/"), "weights.safetensors")';

/** The roles of layers that are named by path. */
function rolesOf({ layers, cell, embedding, head }: ImportCommandOptions): FlaxReadOptions & KerasReadOptions {
  return {
    ...(layers && { layers }),
    ...(cell !== undefined && { cell }),
    ...(embedding !== undefined && { embedding }),
    ...(head !== undefined && { head }),
  };
}

async function kerasWeights(path: string, options: ImportCommandOptions): Promise<NetworkWeights> {
  const given = rolesOf(options);
  const bytes = await readBytes(path);
  if (!isKerasFile(bytes)) return fromKeras(decodeTensors(bytes, path).tensors, path, given);
  const { tensors, options: found, remarks } = await readKerasFile(bytes, path);
  const weights = fromKeras(tensors, path, { ...found, ...given });
  return { ...weights, assumed: [...(weights.assumed ?? []), ...remarks] };
}

/** How the weights of each framework are read. */
const readers: Readonly<
  Record<ImportCommandOptions["from"], (path: string, options: ImportCommandOptions) => Promise<NetworkWeights>>
> = { pytorch: pyTorchWeights, keras: kerasWeights, flax: flaxWeights };

/** Adds the name of the file to an error about its content. */
function named(path: string, make: () => Uint8Array): Uint8Array {
  try {
    return make();
  } catch (error) {
    throw error instanceof UserError ? new UserError(`${path}: ${error.message}`, { cause: error }) : error;
  }
}

/** Only the parameters, for code that builds its own network; the metadata is informative. */
function parameterBytes(weights: NetworkWeights, from: string): Uint8Array {
  const tensors = toParameters(weights);
  checkFiniteArrays(tensors);
  return encodeTensors({
    tensors,
    metadata: { format: "cellgrad parameters", cell: weights.cell, from },
  });
}

function usage(path: string, { vocabulary, targets }: ModelMeaning): string {
  if (vocabulary !== undefined) return `; use it with: ${commandLine("sample", fileWord(path))}`;
  return targets === undefined
    ? `; use it with: ${commandLine("forecast", fileWord(path), "FILE.csv")}`
    : "; use it from code, with createStream";
}

/** Reads a JSON list of symbols, or the distinct characters of a text in the order of their code points. */
async function readVocabulary(path: string): Promise<readonly string[]> {
  const text = await readText(path);
  if (!/\.json$/i.test(path)) return vocabularyOf(text).characters;
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (error) {
    throw new UserError(`${path} is not JSON: ${messageOf(error)}`, { cause: error });
  }
  const isCharacter = (item: unknown) => typeof item === "string" && [...item].length === 1;
  if (!Array.isArray(list) || !list.every(isCharacter) || new Set(list).size !== list.length)
    throw new UserError(`${path}: expected a list of different characters, such as ["a", "b"]`);
  return list as string[];
}

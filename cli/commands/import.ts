/** @file `cellgrad import`: weights of PyTorch or Keras as a model that samples or forecasts, or as parameters. */
import { messageOf, UserError } from "../../compiler/graph/errors.ts";
import { readBytes, readText } from "../../disk/data-files.ts";
import { isKerasFile, readKerasFile } from "../../disk/keras/keras-file.ts";
import { fromKeras } from "../../interchange/keras.ts";
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
  readonly from: "pytorch" | "keras";
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
  if (from === "keras" && options.prefix !== undefined)
    throw new UserError("--prefix is for --from pytorch; name layers of Keras with --layers, --embedding and --head");
  if (from === "pytorch" && options.layers !== undefined)
    throw new UserError("--layers is for --from keras; layers of PyTorch are numbered");
  if (vocabulary !== undefined && columns !== undefined)
    throw new UserError("give --vocabulary for a model of text or --columns for one of numbers, not both");
  if (targets !== undefined && columns === undefined) throw new UserError("--targets needs --columns");
  const normalisation = normalisationOf(options);
  const output = await prepareOutput(options.out, path, ...(vocabulary === undefined ? [] : [vocabulary]));
  const weights = from === "keras" ? await kerasWeights(path, options) : await pyTorchWeights(path, options);
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
  "values are given to the model as they are; --mean and --deviation say how they were normalised in training";

/** How columns were normalised, where an option gives it. */
function normalisationOf({ columns, targets, mean, deviation }: ImportCommandOptions): Normalisation | undefined {
  if (mean === undefined && deviation === undefined) return undefined;
  if (columns === undefined || targets !== undefined)
    throw new UserError("--mean and --deviation are for a model that goes on with its --columns, without --targets");
  const { length } = columns;
  if (mean?.length !== length || deviation?.length !== length)
    throw new UserError(`--mean and --deviation need a number for each of the ${length} columns`);
  if (!deviation.every((value) => value > 0)) throw new UserError("--deviation must be numbers above 0");
  return { mean, deviation };
}

async function pyTorchWeights(path: string, options: ImportCommandOptions): Promise<NetworkWeights> {
  const { prefix, cell, embedding, head } = options;
  const bytes = await readBytes(path);
  if (isKerasFile(bytes)) throw new UserError(`${path} is a zip or HDF5 file: ${pyTorchAdvice}`);
  return fromPyTorch(decodeTensors(bytes, path).tensors, path, { prefix, cell, embedding, head });
}

/** What torch.save writes is a zip of pickled objects, which only running code would read. */
const pyTorchAdvice =
  'write the state dict as safetensors, with safetensors.torch.save_file(model.state_dict(), "weights.safetensors"); files of Keras take --from keras';

async function kerasWeights(path: string, options: ImportCommandOptions): Promise<NetworkWeights> {
  const { layers, cell, embedding, head } = options;
  const given = {
    ...(layers && { layers }),
    ...(cell !== undefined && { cell }),
    ...(embedding !== undefined && { embedding }),
    ...(head !== undefined && { head }),
  };
  const bytes = await readBytes(path);
  if (!isKerasFile(bytes)) return fromKeras(decodeTensors(bytes, path).tensors, path, given);
  const { tensors, options: told, remarks } = await readKerasFile(bytes, path);
  const weights = fromKeras(tensors, path, { ...told, ...given });
  return { ...weights, assumed: [...(weights.assumed ?? []), ...remarks] };
}

/** A fault of the file, with its name. */
function named(path: string, make: () => Uint8Array): Uint8Array {
  try {
    return make();
  } catch (error) {
    throw error instanceof UserError ? new UserError(`${path}: ${error.message}`, { cause: error }) : error;
  }
}

/** Parameters alone, for code that makes its own network; the metadata is for people. */
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

/** A JSON list of symbols, or a text whose characters they are, in the order of their code points. */
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

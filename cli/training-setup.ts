/** @file Prepares training on a file: the kind of network that suits it, and its batches. */
import { createHash } from "node:crypto";
import { messageOf, UserError } from "../compiler/graph/errors.ts";
import { isSeriesFile, readText } from "../disk/data-files.ts";
import { type ByteSource, openSource, sourceOf } from "../disk/file-pieces.ts";
import { tableSource } from "../disk/table-source.ts";
import { byteSource, characterSource, type TextSource, tokenSource } from "../disk/text-source.ts";
import type { CellDefinition } from "../index.ts";
import type { Decimal } from "../train/data/field.ts";
import type { Normalisation } from "../train/data/normalisation.ts";
import { lengthOf, type StreamedBatches, streamedBatches } from "../train/data/pieces.ts";
import type { Vocabulary } from "../train/data/text.ts";
import { tokenizerVocabulary } from "../train/data/tokenizer.ts";
import type { SavedModel } from "../train/files/model-file.ts";
import { languageModel, type Network, seriesModel } from "../train/networks.ts";
import { grouped } from "./progress.ts";

export interface SetupOptions {
  readonly cell: CellDefinition;
  readonly units: number;
  readonly layers: number;
  readonly embed: number;
  readonly batch: number;
  readonly time: number;
  /** Of text: "characters" (the default), "bytes", or the path of a tokenizer.json. */
  readonly tokens?: string;
  /** The text of that tokenizer.json, if it has been read already. */
  readonly tokenizer?: string | undefined;
  /** Of a table: the columns to read, and its format. */
  readonly columns?: readonly string[] | undefined;
  readonly separator?: string;
  readonly decimal?: Decimal;
  readonly missing?: "last";
}

export interface TrainingSetup {
  readonly network: Network;
  readonly batches: StreamedBatches;
  /** Unit of the data's length, such as "characters". */
  readonly entries: string;
  /** Unit of the loss, such as "nats per character". */
  readonly lossUnit: string;
  /** One line about the data. */
  readonly summary: string;
  /** Fingerprint of the file: a hash of its size and of both ends. */
  readonly data: string;
  /** What the model file stores about symbols or columns. */
  readonly details: Pick<SavedModel, "vocabulary" | "tokens" | "tokenizer" | "columns" | "normalisation">;
}

/** Tables are trained on as series, all other files as text. Files are read in chunks, so they can be of any length. */
export async function setupOf(file: string, sizes: SetupOptions): Promise<TrainingSetup> {
  const source = await openSource(file);
  return isSeriesFile(file) ? seriesSetup(source, sizes) : textSetup(source, sizes);
}

/** The setup for a text in memory. */
export function setupOfText(text: string, name: string, sizes: SetupOptions): Promise<TrainingSetup> {
  return textSetup(sourceOf(name, new TextEncoder().encode(text)), sizes);
}

async function textSetup(source: ByteSource, sizes: SetupOptions): Promise<TrainingSetup> {
  const { name } = source;
  const { cell, units, layers, embed, batch, time, tokens = "characters" } = sizes;
  const tokenizer =
    tokens === "characters" || tokens === "bytes" ? undefined : (sizes.tokenizer ?? (await readTokenizer(tokens)));
  const known = tokenizer === undefined ? undefined : await tokenizerVocabulary(tokenizer, tokens);
  const { vocabulary, recording } = await withFileName(name, () => textSource(source, tokens, known));
  const { entries } = recording;
  const one = entries.slice(0, -1);
  const count = vocabulary.characters.length;
  const different = `${count} different (ln ${count} = ${Math.log(count).toFixed(2)})`;
  return {
    network: checkedSize(languageModel({ cell, units, layers, embed, vocabulary: count })),
    batches: await withFileName(name, async () => streamedBatches(recording, { batch, time })),
    entries,
    lossUnit: `nats per ${one}`,
    summary: `${name}: ${grouped(lengthOf(recording))} ${entries}, ${different}`,
    data: await fingerprint(source),
    details: {
      vocabulary: vocabulary.characters,
      ...(tokens === "bytes" && { tokens }),
      ...(tokenizer !== undefined && { tokenizer }),
    },
  };
}

async function readTokenizer(path: string): Promise<string> {
  try {
    return await readText(path);
  } catch (cause) {
    throw new UserError(`--tokens ${messageOf(cause)}; give characters, bytes, or the path of a tokenizer.json`, {
      cause,
    });
  }
}

async function textSource(source: ByteSource, tokens: string, known: Vocabulary | undefined): Promise<TextSource> {
  if (known !== undefined) return tokenSource(source, known);
  return tokens === "bytes" ? byteSource(source) : characterSource(source);
}

async function seriesSetup(source: ByteSource, sizes: SetupOptions): Promise<TrainingSetup> {
  const { name } = source;
  const { cell, units, layers, batch, time, decimal, missing, separator } = sizes;
  const { columns, skipped, length, normalisation, recording } = await tableSource(source, {
    ...{ batch, time, columns: sizes.columns, decimal, missing, separator },
  });
  const left = skipped.length === 0 ? "" : `; left out: ${skipped.join(", ")}`;
  return {
    network: checkedSize(seriesModel({ cell, units, layers, features: columns.length })),
    batches: await withFileName(name, async () => streamedBatches(recording, { batch, time })),
    entries: "rows",
    lossUnit: "mean squared error, in units of the variance",
    summary: `${name}: ${grouped(length)} rows of ${columns.join(", ")}${left}`,
    data: await fingerprint(source, readingOf(sizes)),
    details: { columns, normalisation: normalisation satisfies Normalisation },
  };
}

/** Bytes at each end of a file that go into its fingerprint. */
const FINGERPRINT_BYTES = 65536;

/** The table format given by options, as part of the fingerprint; empty if none was given. */
function readingOf({ separator, decimal, missing }: SetupOptions): string {
  const reading = JSON.stringify({ separator, decimal, missing });
  return reading === "{}" ? "" : reading;
}

async function fingerprint({ size, read }: ByteSource, reading = ""): Promise<string> {
  const length = Math.min(size, FINGERPRINT_BYTES);
  const hash = createHash("sha256").update(`${size}${reading}`);
  for (const offset of [0, size - length]) hash.update(await read(offset, length));
  return hash.digest("hex");
}

/** Adds the name of the file to errors of its data. */
async function withFileName<T>(name: string, make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    if (!(error instanceof UserError) || error.message.startsWith(name)) throw error;
    throw new UserError(`${name}: ${error.message}`, { cause: error });
  }
}

/** All weights are in one buffer, and every adapter can bind at least 128 MiB. */
const MOST_WEIGHTS = 2 ** 25;

export function checkedSize(network: Network): Network {
  const count = weightCount(network);
  if (count <= MOST_WEIGHTS) return network;
  throw new UserError(
    `the network would have ${grouped(count)} weights, above the limit of ${grouped(MOST_WEIGHTS)}: give fewer --units, --layers or --embed`,
  );
}

export function weightCount(network: Network): number {
  return network.specs.reduce((total, { shape }) => total + shape.reduce((a, b) => a * b, 1), 0);
}

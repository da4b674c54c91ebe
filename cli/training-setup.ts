/** @file What a file gives to train on: a network of the right kind for it, and its batches. */
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
  /** The text of that tokenizer.json, where it is known already. */
  readonly tokenizer?: string | undefined;
  /** Of a table: the columns that are read, and how. */
  readonly columns?: readonly string[] | undefined;
  readonly separator?: string;
  readonly decimal?: Decimal;
  readonly missing?: "last";
}

export interface TrainingSetup {
  readonly network: Network;
  readonly batches: StreamedBatches;
  /** What is counted, such as "characters". */
  readonly entries: string;
  /** What the loss is, such as "nats per character". */
  readonly lossUnit: string;
  /** The data in a line. */
  readonly summary: string;
  /** Another for every file, but for those that differ only in their middle. */
  readonly data: string;
  /** What a model keeps of its symbols or columns. */
  readonly details: Pick<SavedModel, "vocabulary" | "tokens" | "tokenizer" | "columns" | "normalisation">;
}

/** Tables are trained on as series, everything else as text. The file is read piece by piece, so it may be of any length. */
export async function setupOf(file: string, sizes: SetupOptions): Promise<TrainingSetup> {
  const source = await openSource(file);
  return isSeriesFile(file) ? seriesSetup(source, sizes) : textSetup(source, sizes);
}

/** A text in memory. */
export function setupOfText(text: string, name: string, sizes: SetupOptions): Promise<TrainingSetup> {
  return textSetup(sourceOf(name, new TextEncoder().encode(text)), sizes);
}

async function textSetup(source: ByteSource, sizes: SetupOptions): Promise<TrainingSetup> {
  const { name } = source;
  const { cell, units, layers, embed, batch, time, tokens = "characters" } = sizes;
  const tokenizer =
    tokens === "characters" || tokens === "bytes" ? undefined : (sizes.tokenizer ?? (await readTokenizer(tokens)));
  const known = tokenizer === undefined ? undefined : await tokenizerVocabulary(tokenizer, tokens);
  const { vocabulary, recording } = await within(name, () => textSource(source, tokens, known));
  const { entries } = recording;
  const one = entries.slice(0, -1);
  const count = vocabulary.characters.length;
  const different = `${count} different (ln ${count} = ${Math.log(count).toFixed(2)})`;
  return {
    network: checkedSize(languageModel({ cell, units, layers, embed, vocabulary: count })),
    batches: await within(name, async () => streamedBatches(recording, { batch, time })),
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
  const left = skipped.length === 0 ? "" : `; ${skipped.join(", ")} ${skipped.length === 1 ? "is" : "are"} left out`;
  return {
    network: checkedSize(seriesModel({ cell, units, layers, features: columns.length })),
    batches: await within(name, async () => streamedBatches(recording, { batch, time })),
    entries: "rows",
    lossUnit: "mean squared error, in units of the variance",
    summary: `${name}: ${grouped(length)} rows of ${columns.join(", ")}${left}`,
    data: await fingerprint(source, readingOf(sizes)),
    details: { columns, normalisation: normalisation satisfies Normalisation },
  };
}

/** Bytes at both ends of a file that tell it from others. */
const TELLING_BYTES = 65536;

/** How a table is read where its text does not tell; nothing where nothing was said. */
function readingOf({ separator, decimal, missing }: SetupOptions): string {
  const reading = JSON.stringify({ separator, decimal, missing });
  return reading === "{}" ? "" : reading;
}

async function fingerprint({ size, read }: ByteSource, reading = ""): Promise<string> {
  const length = Math.min(size, TELLING_BYTES);
  const hash = createHash("sha256").update(`${size}${reading}`);
  for (const offset of [0, size - length]) hash.update(await read(offset, length));
  return hash.digest("hex");
}

/** A fault of the data, with the name of the file. */
async function within<T>(name: string, make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    if (!(error instanceof UserError) || error.message.startsWith(name)) throw error;
    throw new UserError(`${name}: ${error.message}`, { cause: error });
  }
}

/** All weights lie in one buffer, and 128 MiB is the most that every adapter binds. */
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

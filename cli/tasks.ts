/** @file What a file gives to train on: a network of the right kind for it, and its batches. */
import { UserError } from "../compiler/graph/errors.ts";
import type { CellDefinition } from "../index.ts";
import type { Batches } from "../train/data/batches.ts";
import { type Normalisation, parseSeries, seriesBatches } from "../train/data/series.ts";
import { textBatches, vocabularyOf } from "../train/data/text.ts";
import { languageModel, type Network, seriesModel } from "../train/networks.ts";
import { isSeriesFile, readRows, readText } from "./data-files.ts";
import { grouped } from "./progress.ts";

export interface TaskSizes {
  readonly cell: CellDefinition;
  readonly units: number;
  readonly layers: number;
  readonly embed: number;
  readonly batch: number;
  readonly time: number;
}

export interface Task {
  readonly network: Network;
  readonly batches: Batches;
  /** What is counted, such as "characters". */
  readonly entries: string;
  /** What the loss is, such as "nats per character". */
  readonly lossUnit: string;
  /** The data in a line. */
  readonly summary: string;
  /** Of text: the character of each token. */
  readonly vocabulary?: readonly string[];
  /** Of a series. */
  readonly columns?: readonly string[];
  readonly normalisation?: Normalisation;
}

/** Tables are trained on as series, everything else as text. */
export async function taskOf(file: string, sizes: TaskSizes): Promise<Task> {
  return isSeriesFile(file)
    ? seriesTask(await readRows(file), file, sizes)
    : textTask(await readText(file), file, sizes);
}

export function textTask(text: string, name: string, sizes: TaskSizes): Task {
  const vocabulary = within(name, () => vocabularyOf(text));
  const tokens = vocabulary.encode(text);
  const batches = within(name, () => textBatches(tokens, sizes));
  const count = vocabulary.characters.length;
  return {
    network: checkedSize(languageModel({ ...sizes, vocabulary: count })),
    batches,
    entries: "characters",
    lossUnit: "nats per character",
    summary: `${name}: ${grouped(tokens.length)} characters, ${count} different (ln ${count} = ${Math.log(count).toFixed(2)})`,
    vocabulary: vocabulary.characters,
  };
}

export function seriesTask(rows: readonly (readonly string[])[], name: string, sizes: TaskSizes): Task {
  const series = parseSeries(rows, name);
  const { normalisation, ...batches } = within(name, () => seriesBatches(series, sizes));
  return {
    network: checkedSize(seriesModel({ ...sizes, features: series.columns.length })),
    batches,
    entries: "rows",
    lossUnit: "mean squared error, in units of the variance",
    summary: `${name}: ${grouped(series.length)} rows of ${series.columns.join(", ")}`,
    columns: series.columns,
    normalisation,
  };
}

/** A fault of the data, with the name of the file. */
function within<T>(name: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof UserError) throw new UserError(`${name}: ${error.message}`, { cause: error });
    throw error;
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

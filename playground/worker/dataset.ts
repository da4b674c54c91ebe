/** @file What is trained on, of whatever kind: batches of it, and a network around a cell that fits it. */
import type { CellDefinition } from "../../compiler/dsl/cell.ts";
import { UserError } from "../../compiler/graph/errors.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import type { Batches, BatchSizes } from "../../train/data/batches.ts";
import type { Normalisation } from "../../train/data/normalisation.ts";
import { seriesBatches } from "../../train/data/series.ts";
import { textBatches, type Vocabulary, vocabularyOf } from "../../train/data/text.ts";
import { languageModel, type Network, regressionModel, seriesModel } from "../../train/networks.ts";
import { tasks } from "../../train/tasks/index.ts";
import { pageLanguage } from "../shared/language.ts";
import type { DataKind, DataReport, DataSource, RunSettings } from "../shared/protocol.ts";
import { readSeries, readText } from "./reading.ts";
import { regularizationOf } from "./recipe.ts";

/** Batches, and where they know them the bounds of their loss. */
export type BatchesWithBounds = Batches & Partial<Pick<DataReport, "baseline" | "best">>;

export interface Dataset {
  readonly report: DataReport;
  readonly kind: DataKind;
  readonly vocabulary?: Vocabulary;
  readonly columns?: readonly string[];
  readonly targets?: readonly string[];
  readonly normalisation?: Normalisation;
  /** Batches of these sizes; a UserError where there is too little data for them. */
  readonly batches: (sizes: BatchSizes) => BatchesWithBounds;
}

/** The network that a run trains: its cell between what the data bring and what they ask for. */
export function networkFor(data: Dataset, cell: CellDefinition, settings: RunSettings): Network {
  const { vocabulary, columns = [], targets = [] } = data;
  const { units, layers, embed } = settings;
  const stack = { cell, units, layers, ...regularizationOf(settings) };
  if (vocabulary !== undefined) return languageModel({ ...stack, embed, vocabulary: vocabulary.characters.length });
  if (data.kind === "series") return seriesModel({ ...stack, features: columns.length });
  return regressionModel({ ...stack, features: columns.length, outputs: targets.length });
}

export function openDataset(source: DataSource): Dataset {
  if (source.kind === "text") return textData(source.name, readText(source.name, source.text));
  if (source.kind === "csv") return tableData(source.name, source.text);
  return taskData(source.name, source.seed ?? 0, source.parameters ?? {});
}

const counted = (count: number) => count.toLocaleString(pageLanguage);

function textData(name: string, text: string): Dataset {
  const vocabulary = vocabularyOf(text);
  const tokens = vocabulary.encode(text);
  const { characters } = vocabulary;
  return {
    kind: "text",
    vocabulary,
    batches: (sizes) => textBatches(tokens, sizes),
    report: {
      ...{ kind: "text", name, features: null, vocabulary: characters },
      about: `${counted(tokens.length)} characters, ${counted(characters.length)} different`,
      baseline: Math.log(characters.length),
    },
  };
}

function tableData(name: string, table: string | Uint8Array): Dataset {
  const series = readSeries(name, table);
  const { columns, length } = series;
  return {
    kind: "series",
    columns,
    // Their own scale: the plot, the forecast and the file of the model need it whatever the sizes of batches.
    normalisation: seriesBatches(series, { batch: 1, time: 1 }).normalisation,
    batches: (sizes) => seriesBatches(series, sizes),
    report: {
      ...{ kind: "series", name, features: columns.length, columns },
      about: `${counted(length)} rows of ${columns.slice(0, 8).join(", ")}${columns.length > 8 ? ", …" : ""}`,
      baseline: 1,
    },
  };
}

function taskData(name: string, seed: number, parameters: Readonly<Record<string, number>>): Dataset {
  const task = Object.hasOwn(tasks, name) ? tasks[name] : undefined;
  if (task === undefined)
    throw new UserError(`there is no task ${JSON.stringify(name)}; there are ${Object.keys(tasks).join(", ")}`);
  // Only bounds of the loss depend on sizes: see `BatchesWithBounds`.
  const made = task.batches(seed, { batch: 1, time: 16, parameters });
  const { vocabulary, columns, targets, normalisation, baseline, best } = made;
  return {
    kind: task.kind,
    ...(vocabulary && { vocabulary }),
    ...(columns && { columns }),
    ...(targets && { targets }),
    ...(normalisation && { normalisation }),
    batches: (sizes) => task.batches(seed, { ...sizes, parameters }),
    report: {
      ...{ kind: task.kind, name, about: task.about, features: columns?.length ?? null, baseline, best },
      ...(vocabulary && { vocabulary: vocabulary.characters }),
      ...(columns && { columns }),
      ...(targets && { targets }),
    },
  };
}

/** The last rows of an array [T, B, …] for one row of the batch: [steps, …]. */
export function rowOf({ shape, data }: NdArray, row: number): number[][] {
  const [steps = 0, rows = 0, ...rest] = shape;
  const width = rest.reduce((a, b) => a * b, 1);
  return Array.from({ length: steps }, (_, t) => {
    const start = (t * rows + row) * width;
    return [...data.slice(start, start + width)];
  });
}

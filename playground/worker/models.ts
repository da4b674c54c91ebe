/** @file Models as files: a run's weights with all that using them takes, and files that come back. */
import { UserError } from "../../compiler/graph/errors.ts";
import type { Vocabulary } from "../../train/data/text.ts";
import { decodeModel, encodeModel, type SavedNetwork, savedModel } from "../../train/files/model-file.ts";
import type { DataKind, LoadedModel, ModelFile } from "../shared/protocol.ts";
import type { Dataset } from "./dataset.ts";
import type { Run } from "./run.ts";
import type { SampleData } from "./sampling.ts";

export async function modelFile(run: Run): Promise<ModelFile> {
  const { name, network, data, step, spec } = run;
  const { vocabulary, columns, normalisation, targets } = data;
  const { seed, learningRate } = spec.settings;
  const model = savedModel(network, await run.parameters(), {
    ...(vocabulary && { vocabulary: vocabulary.characters }),
    ...(columns && { columns }),
    ...(normalisation && { normalisation }),
    ...(targets && { targets }),
    training: { steps: step, seed, learningRate, data: data.report.name },
  });
  const bytes = new Uint8Array(encodeModel(model));
  return { run: name, file: `${fileName(network.config.cell)}-${step}.safetensors`, bytes };
}

/** A file name of letters, digits and dashes, from any name of a cell. */
function fileName(name: string): string {
  return name.replaceAll(/[^\p{L}\p{N}]+/gu, "-").replaceAll(/^-|-$/g, "") || "cell";
}

/** A model of what the page has data for. */
export type ShownModel = SavedNetwork & { readonly kind: DataKind };

/** Reads a file. Throws a UserError where it is no model, or one that only code can use. */
export function readModel(bytes: Uint8Array, name: string): ShownModel {
  const model = decodeModel(bytes, name);
  if (model.kind !== "classifier" && model.kind !== "objective") return { ...model, kind: model.kind };
  const what = model.kind === "classifier" ? "a classifier" : "an objective of its own";
  throw new UserError(`${name} is ${what}, which this page has no data for; use it from code, with createPredictor`);
}

export function describeModel(run: string, model: ShownModel): LoadedModel {
  const { kind, cell, units, layers, embed, vocabulary, columns, training = {} } = model;
  return {
    ...{ run, kind, cell, units, layers, training },
    ...(embed !== undefined && { embed }),
    ...(vocabulary && { vocabulary }),
    ...(columns && { columns }),
  };
}

/** Throws where a model's weights would mean something else in a run: another kind, or other symbols. */
export function checkFits(model: ShownModel, { name, data }: Run): void {
  const other = model.kind !== data.kind || String(model.vocabulary) !== String(data.vocabulary?.characters);
  if (other) {
    throw new UserError(
      `the model was trained on ${described(model)}; ${name} trains on ${data.report.about}: load the model's own data first`,
    );
  }
}

function described({ kind, vocabulary, columns = [] }: ShownModel): string {
  return kind === "text" ? `text of ${vocabulary?.length ?? 0} different characters` : `rows of ${columns.join(", ")}`;
}

/** What sampling a loaded model needs; a series goes on from the data at hand, where they have the same columns. */
export function sampleDataOf(
  model: ShownModel,
  vocabulary: Vocabulary | undefined,
  data: Dataset | undefined,
): SampleData {
  const { kind, columns = [], normalisation } = model;
  return {
    kind,
    ...(vocabulary && { vocabulary }),
    ...(normalisation && { normalisation }),
    heldOut: (sizes) => {
      if (data === undefined || data.kind !== kind || data.columns?.length !== columns.length)
        throw new UserError(`the model goes on from rows of ${columns.join(", ")}: load such data first`);
      return data.batches(sizes);
    },
  };
}

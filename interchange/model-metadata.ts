/** @file What using a model takes beside its weights, as texts by name: for formats that keep such beside their tensors. */
import { printableName } from "../train/files/model-fields.ts";
import type { SavedModel } from "../train/files/model-file.ts";

/**
 * What goes in and what comes out: `kind`, sizes, and how text becomes tokens (`tokens`: characters of `vocabulary`, bytes
 * of UTF-8, or those of the `tokenizer`) or which `columns` are read, and how they were normalised. All but texts is JSON.
 */
export function modelMetadata(model: SavedModel): Record<string, string> {
  const { kind, name, cell, units, layers, embed, vocabulary, tokenizer } = model;
  const { columns, normalisation, targets, classes, training } = model;
  const tokens = tokensOf(model);
  const told = { kind, name, cell, units, layers, embed, tokens, vocabulary, tokenizer };
  const all = { ...told, columns, normalisation, targets, classes, training };
  return Object.fromEntries(
    Object.entries(all).flatMap(([key, value]) =>
      value === undefined ? [] : [[key, typeof value === "string" ? value : JSON.stringify(value)]],
    ),
  );
}

/** What the numbers are that stand for a text; undefined where the model reads no text. */
export function tokensOf({ vocabulary, tokens, tokenizer }: SavedModel) {
  if (vocabulary === undefined) return undefined;
  return tokenizer === undefined ? (tokens ?? "characters") : "tokenizer";
}

/** What a model is, in a few words: its cells, or the name of its objective. */
export function modelInWords(model: SavedModel): string {
  if (model.kind === "objective") return `objective ${JSON.stringify(printableName(model.name))}`;
  const { cell, units, layers } = model;
  return `${printableName(cell)}, ${layers} ${layers === 1 ? "layer" : "layers"} of ${units} units`;
}

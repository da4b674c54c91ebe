/** @file The metadata needed to use a model besides its weights, as strings by name, for formats with metadata fields. */
import { printableName } from "../train/files/model-fields.ts";
import type { SavedModel } from "../train/files/model-file.ts";

/**
 * Describes inputs and outputs: `kind`, sizes, and how text becomes tokens (`tokens`: characters of `vocabulary`, UTF-8
 * bytes, or tokens of the `tokenizer`) or which `columns` are read and how they were normalised. Values other than strings
 * are JSON.
 */
export function modelMetadata(model: SavedModel): Record<string, string> {
  const { kind, name, cell, units, layers, embed, vocabulary, tokenizer } = model;
  const { columns, normalisation, targets, classes, training } = model;
  const tokens = tokensOf(model);
  const described = { kind, name, cell, units, layers, embed, tokens, vocabulary, tokenizer };
  const all = { ...described, columns, normalisation, targets, classes, training };
  return Object.fromEntries(
    Object.entries(all).flatMap(([key, value]) =>
      value === undefined ? [] : [[key, typeof value === "string" ? value : JSON.stringify(value)]],
    ),
  );
}

/** The kind of tokens of a text; undefined if the model does not read text. */
export function tokensOf({ vocabulary, tokens, tokenizer }: SavedModel) {
  if (vocabulary === undefined) return undefined;
  return tokenizer === undefined ? (tokens ?? "characters") : "tokenizer";
}

/** A model in a few words: its cell and sizes, or the name of its objective. */
export function modelInWords(model: SavedModel): string {
  if (model.kind === "objective") return `objective ${JSON.stringify(printableName(model.name))}`;
  const { cell, units, layers } = model;
  return `${printableName(cell)}, ${layers} ${layers === 1 ? "layer" : "layers"} of ${units} units`;
}

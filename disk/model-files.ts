/** @file Loads and saves models, for programs. */
import { realpath } from "node:fs/promises";
import { decodeModel, encodeModel, type SavedModel } from "../train/files/model-file.ts";
import { writeAtomically } from "./atomic-write.ts";
import { readBytes } from "./data-files.ts";
import { outputFault } from "./file-faults.ts";

/**
 * Reads a model written by `saveModel` or `cellgrad train`. Runs no code from the file.
 *
 * @throws UserError if the file does not exist, is damaged, or is not a model.
 */
export async function loadModel(path: string): Promise<SavedModel> {
  return decodeModel(await readBytes(path), path);
}

/**
 * Writes a model as a safetensors file. The write is atomic: a reader sees the old file or the new one, never an
 * incomplete one.
 *
 * @throws UserError if `path` cannot be written; an existing file is then unchanged.
 */
export async function saveModel(path: string, model: SavedModel): Promise<void> {
  const bytes = encodeModel(model);
  try {
    // A link stays a link: its target is replaced.
    await writeAtomically(await realpath(path).catch(() => path), bytes);
  } catch (error) {
    throw await outputFault(path, path, error);
  }
}

/** @file Models as files, for programs. */
import { realpath } from "node:fs/promises";
import { decodeModel, encodeModel, type SavedModel } from "../train/files/model-file.ts";
import { writeAtomically } from "./atomic-write.ts";
import { readBytes } from "./data-files.ts";
import { outputFault } from "./file-faults.ts";

/**
 * Reads a model that `saveModel` or `cellgrad train` wrote. It runs no code of the file.
 *
 * @throws UserError where there is no such file, or it is damaged or no model.
 */
export async function loadModel(path: string): Promise<SavedModel> {
  return decodeModel(await readBytes(path), path);
}

/**
 * Writes a model as a safetensors file, beside its target and then renamed: a reader finds the old file or the new one,
 * never a part.
 *
 * @throws UserError where the place cannot be written; a file that was there stays as it was.
 */
export async function saveModel(path: string, model: SavedModel): Promise<void> {
  const bytes = encodeModel(model);
  try {
    // A link stays one: what it leads to is replaced.
    await writeAtomically(await realpath(path).catch(() => path), bytes);
  } catch (error) {
    throw await outputFault(path, path, error);
  }
}

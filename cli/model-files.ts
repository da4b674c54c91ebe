/** @file Models as files, for programs: the command line's own output has more to watch (see model-output.ts). */
import { rename, rm, writeFile } from "node:fs/promises";
import { decodeModel, encodeModel, type SavedModel } from "../train/model-file.ts";
import { readBytes } from "./data-files.ts";
import { fileFault } from "./errors.ts";

/**
 * Reads a model that `saveModel` or `cellgrad train` wrote. It runs no code of the file.
 *
 * @throws UserError where there is no such file, or it is damaged or no model.
 */
export async function loadModel(path: string): Promise<SavedModel> {
  return decodeModel(await readBytes(path), path);
}

/**
 * Writes a model as a safetensors file, beside its target and then renamed: nobody ever sees a part of one.
 *
 * @throws UserError where the place cannot be written.
 */
export async function saveModel(path: string, model: SavedModel): Promise<void> {
  const aside = `${path}.${process.pid}.part`;
  try {
    await writeFile(aside, encodeModel(model));
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    throw fileFault(path, error);
  }
}

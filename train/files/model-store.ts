/**
 * @file Saves and loads models in one call each, wherever a program keeps bytes: a file handle of a browser, IndexedDB, or a
 * store of one's own. A model is encoded before its place is touched, so one that cannot be saved replaces nothing.
 */
import { expectArgument } from "../../compiler/graph/errors.ts";
import { type FileHandle, fileStore, isFileHandle } from "./file-handle.ts";
import { decodeModel, encodeModel, type SavedModel } from "./model-file.ts";

/** A place for the bytes of one model. */
export interface ModelStore {
  /** Its name in messages. */
  readonly name: string;
  /** Reads the bytes; rejects if there are none. */
  readonly read: () => Promise<Uint8Array>;
  /** Replaces the bytes, all or none of them. */
  readonly write: (bytes: Uint8Array) => Promise<void>;
}

/** Where a model is kept: a FileSystemFileHandle, `indexedDbModel(name)`, or another store. */
export type ModelPlace = ModelStore | FileHandle;

/**
 * Saves a model: in a file of the origin private file system (OPFS) or of the user's disk, in IndexedDB, or in another store.
 * The old model is replaced when the new one is complete; a page that is closed meanwhile leaves the old one.
 *
 * @throws UserError (the promise rejects) if the model cannot be saved (see `encodeModel`), or the place cannot be written:
 *   what was there is unchanged then.
 */
export async function saveModel(place: ModelPlace, model: SavedModel): Promise<void> {
  const store = storeOf("saveModel", place);
  await store.write(encodeModel(model));
}

/**
 * Loads a model that `saveModel` has saved; a file may also come from the command line. Runs no code from it.
 *
 * @throws UserError (the promise rejects) if there is none, or it is damaged.
 */
export async function loadModel(place: ModelPlace): Promise<SavedModel> {
  const store = storeOf("loadModel", place);
  return decodeModel(await store.read(), store.name);
}

function storeOf(where: string, place: ModelPlace): ModelStore {
  const isObject = typeof place === "object" && place !== null;
  if (isObject && isFileHandle(place)) return fileStore(place);
  const isFolder = isObject && "getFileHandle" in place;
  const words = isFolder
    ? "a file: await directory.getFileHandle(name, { create: true })"
    : "a FileSystemFileHandle or indexedDbModel(name); paths are for saveModel and loadModel of cellgrad/node";
  expectArgument(isObject && "read" in place && "write" in place, `${where}: the place`, place, words);
  return place as ModelStore;
}

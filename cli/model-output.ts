/**
 * @file Writing a model. Whether the place can be written is found out before anything is trained; the file is written
 * beside its target and renamed, so that nobody ever sees a part of one.
 */
import { realpath, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { UserError } from "../compiler/graph/errors.ts";
import { fileFault } from "./errors.ts";
import { tryWriting, writeWhole } from "./whole-file.ts";

export interface ModelOutput {
  readonly path: string;
  readonly write: (bytes: Uint8Array) => Promise<void>;
}

/** Makes sure that a model can be written to `path`, which must be none of the files `sources` that are read. */
export async function prepareOutput(path: string, ...sources: readonly string[]): Promise<ModelOutput> {
  const target = await targetOf(path);
  const read = await Promise.all(sources.map((source) => realpath(source).catch(() => undefined)));
  if (read.includes(target))
    throw new UserError(`--out ${path} is the file that is read; give the model a name of its own`);
  await tryWriting(target).catch(async (error: unknown) => {
    throw await outputFault(path, error);
  });
  return {
    path,
    write: (bytes) =>
      writeWhole(target, bytes).catch(async (error: unknown) => {
        throw await outputFault(path, error);
      }),
  };
}

/** The file itself where `path` is a link to one. */
async function targetOf(path: string): Promise<string> {
  if (path === "") throw new UserError("--out is empty; give the name of a file");
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw fileFault(`--out ${path}`, error);
  });
  if (found?.isDirectory()) throw new UserError(`--out ${path}: this is a directory; give the name of a file in it`);
  if (found !== undefined && !found.isFile()) throw new UserError(`--out ${path}: not a regular file`);
  return found === undefined ? resolve(path) : realpath(path);
}

async function outputFault(path: string, error: unknown): Promise<UserError> {
  // Some file systems answer so for a file that they will not make, though the directory is there.
  const isDirectory = await stat(dirname(path)).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isDirectory)
    return new UserError(`--out ${path}: the directory ${dirname(path)} does not exist`, { cause: error });
  if ((error as NodeJS.ErrnoException).code === "ENOENT")
    return new UserError(`--out ${path}: no file can be made in ${dirname(path)}`, { cause: error });
  return fileFault(`--out ${path}`, error);
}

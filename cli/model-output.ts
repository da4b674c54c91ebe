/**
 * @file Writing a model. Whether the place can be written is found out before anything is trained; the file is written
 * beside its target and renamed, so that nobody ever sees a part of one.
 */
import { realpath, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { UserError } from "../compiler/graph/errors.ts";
import { tryWriting, writeAtomically } from "../disk/atomic-write.ts";
import { fileFault, outputFault } from "../disk/file-faults.ts";

export interface ModelOutput {
  readonly path: string;
  readonly write: (bytes: Uint8Array) => Promise<void>;
}

/** Makes sure that a model can be written to `path`, which must be none of the files `sources` that are read. */
export async function prepareOutput(path: string, ...sources: readonly string[]): Promise<ModelOutput> {
  const { target, isFile } = await targetOf("--out", path);
  if (!isFile) throw new UserError(`--out ${path}: not a regular file`);
  const read = await Promise.all(sources.map((source) => realpath(source).catch(() => undefined)));
  if (read.includes(target))
    throw new UserError(`--out ${path} is the file that is read; give the model a name of its own`);
  await tryWriting(target).catch(async (error: unknown) => {
    throw await outputFault(`--out ${path}`, path, error);
  });
  return {
    path,
    write: (bytes) =>
      writeAtomically(target, bytes).catch(async (error: unknown) => {
        throw await outputFault(`--out ${path}`, path, error);
      }),
  };
}

/** What `option` names: a file that is or is not there yet, where `path` is a link the one that it leads to, or a device. */
export async function targetOf(option: string, path: string): Promise<{ target: string; isFile: boolean }> {
  if (path === "") throw new UserError(`${option} is empty; give the name of a file`);
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw fileFault(`${option} ${path}`, error);
  });
  if (found?.isDirectory())
    throw new UserError(`${option} ${path}: this is a directory; give the name of a file in it`);
  return { target: found === undefined ? resolve(path) : await realpath(path), isFile: found?.isFile() ?? true };
}

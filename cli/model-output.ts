/**
 * @file Atomic writes of a model. The path is checked before training starts; the file is written next to its target and
 * then renamed, so that an incomplete file is never visible.
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

/** Checks that a model can be written to `path`, and that `path` is not one of the input files `sources`. */
export async function prepareOutput(path: string, ...sources: readonly string[]): Promise<ModelOutput> {
  const { target, isFile } = await targetOf("--out", path);
  if (!isFile) throw new UserError(`--out ${path}: not a regular file`);
  const read = await Promise.all(sources.map((source) => realpath(source).catch(() => undefined)));
  if (read.includes(target)) throw new UserError(`--out ${path} is an input file; give another name`);
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

/** The file that `option` names, whether or not it exists yet, with links resolved. `isFile` is false for a device file. */
export async function targetOf(option: string, path: string): Promise<{ target: string; isFile: boolean }> {
  if (path === "") throw new UserError(`${option} is empty; give the name of a file`);
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw fileFault(`${option} ${path}`, error);
  });
  if (found?.isDirectory()) throw new UserError(`${option} ${path} is a directory; give the name of a file in it`);
  return { target: found === undefined ? resolve(path) : await realpath(path), isFile: found?.isFile() ?? true };
}

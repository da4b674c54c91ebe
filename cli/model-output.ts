/**
 * @file Writing a model. Whether the place can be written is found out before anything is trained; the file is written
 * beside its target and renamed, so that nobody ever sees a part of one.
 */
import { open, realpath, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { UserError } from "../compiler/graph/errors.ts";
import { fileFault } from "./errors.ts";

export interface ModelOutput {
  readonly path: string;
  readonly write: (bytes: Uint8Array) => Promise<void>;
}

/** Makes sure that a model can be written to `path`, which must not be the file `source` that is read. */
export async function prepareOutput(path: string, source: string): Promise<ModelOutput> {
  const target = await targetOf(path);
  if (target === (await realpath(source).catch(() => undefined)))
    throw new UserError(`--out ${path} is the file that is read; give the model a name of its own`);
  const aside = join(dirname(target), `.${basename(target)}.${process.pid}.part`);
  // Making and removing the file that will be written is the only test that is sure.
  await writeAside(path, aside, new Uint8Array());
  await rm(aside, { force: true });
  return {
    path,
    write: async (bytes) => {
      await writeAside(path, aside, bytes);
      await rename(aside, target).catch(async (error: unknown) => {
        await rm(aside, { force: true });
        throw fileFault(`--out ${path}`, error);
      });
    },
  };
}

/** The file itself where `path` is a link to one. */
async function targetOf(path: string): Promise<string> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw fileFault(`--out ${path}`, error);
  });
  if (found?.isDirectory()) throw new UserError(`--out ${path}: this is a directory; give the name of a file in it`);
  if (found !== undefined && !found.isFile()) throw new UserError(`--out ${path}: not a regular file`);
  return found === undefined ? resolve(path) : realpath(path);
}

async function writeAside(path: string, aside: string, bytes: Uint8Array): Promise<void> {
  try {
    const file = await open(aside, "w");
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    await rm(aside, { force: true }).catch(() => undefined);
    // Some file systems answer so for a file that they will not make, though the directory is there.
    const isDirectory = await stat(dirname(path)).then(
      (found) => found.isDirectory(),
      () => false,
    );
    if (!isDirectory)
      throw new UserError(`--out ${path}: the directory ${dirname(path)} does not exist`, { cause: error });
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      throw new UserError(`--out ${path}: no file can be made in ${dirname(path)}`, { cause: error });
    }
    throw fileFault(`--out ${path}`, error);
  }
}

/** @file Unpacks an archive of an npm package into a cache, once for all processes. */
import { mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";
import { messageOf } from "../../compiler/graph/errors.ts";
import { DeviceUnavailableError } from "../device-errors.ts";
import { readTar } from "./ustar.ts";

/**
 * Unpacks `files` of a .tar.br into the folder `name` in the first writable parent folder, and returns that folder. An
 * existing folder is used as it is.
 *
 * @throws DeviceUnavailableError if no parent is writable, or the archive is damaged.
 */
export async function unpackOnce(
  archive: string,
  files: readonly string[],
  name: string,
  parents: readonly string[],
): Promise<string> {
  for (const parent of parents) if (await isOurs(join(parent, name))) return join(parent, name);
  const contents = await contentsOf(archive, files);
  let failure: unknown;
  for (const parent of parents) {
    try {
      return await unpack(contents, parent, name);
    } catch (error) {
      failure = error;
    }
  }
  throw new DeviceUnavailableError(
    `The software adapter could not be unpacked (${messageOf(failure)}). Make ${parents.join(" or ")} writable.`,
    { cause: failure },
  );
}

/** Whether the folder exists and belongs to us or root: code is loaded from it, so other owners are not trusted. */
async function isOurs(folder: string): Promise<boolean> {
  const found = await stat(folder).catch(() => undefined);
  return found !== undefined && (found.uid === process.getuid?.() || found.uid === 0);
}

async function contentsOf(archive: string, files: readonly string[]): Promise<ReadonlyMap<string, Uint8Array>> {
  try {
    const all = readTar(await promisify(brotliDecompress)(await readFile(archive)));
    const missing = files.find((file) => !all.has(file));
    if (missing !== undefined) throw new Error(`it holds no ${missing}`);
    return new Map([...all].filter(([file]) => files.includes(file)));
  } catch (cause) {
    throw new DeviceUnavailableError(
      `The software adapter's archive ${archive} is damaged (${messageOf(cause)}). Install its package again.`,
      { cause },
    );
  }
}

/** Writes to a temporary folder and renames it, so that other processes see all files or none. */
async function unpack(contents: ReadonlyMap<string, Uint8Array>, parent: string, name: string): Promise<string> {
  const target = join(parent, name);
  await mkdir(parent, { recursive: true, mode: 0o700 });
  const aside = await mkdtemp(`${target}.`);
  try {
    for (const [file, bytes] of contents) await writeFile(join(aside, file), bytes);
    await rename(aside, target);
  } catch (error) {
    await rm(aside, { recursive: true, force: true });
    // Another process was faster; use its files.
    if (!(await isOurs(target))) throw error;
  }
  return target;
}

/**
 * @file Atomic writes: a file is written next to its target, synced, and renamed. A reader sees the old file or the new
 * one, never an incomplete one, even if the disk fills up or the process is killed.
 */
import { open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

const suffix = ".part";
let writes = 0;

/** The temporary path for one write to `target`: a hidden file, unique to this write. */
function temporaryPath(target: string): string {
  writes += 1;
  return join(dirname(target), `${prefixOf(target)}${process.pid}-${writes}${suffix}`);
}

const prefixOf = (target: string) => `.${basename(target)}.`;

/**
 * Replaces the content of `target`, which must not be a link. Rejects with the error of `node:fs`; the old file is then
 * unchanged.
 */
export async function writeAtomically(target: string, bytes: Uint8Array): Promise<void> {
  const found = await stat(target).catch(() => undefined);
  // As root, a rename would replace even /dev/null.
  if (found !== undefined && !found.isFile() && !found.isDirectory()) throw new Error("not a regular file");
  const temporary = temporaryPath(target);
  try {
    await writeSynced(temporary, bytes);
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  await removeAbandoned(target).catch(() => undefined);
}

/** Checks that `target` can be written, by creating and removing the temporary file. Rejects with the error of `node:fs`. */
export async function tryWriting(target: string): Promise<void> {
  const temporary = temporaryPath(target);
  try {
    await writeSynced(temporary, new Uint8Array());
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}

async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  // A killed process can have left a file of this name; "wx" also refuses to follow a planted link.
  await rm(path, { force: true });
  const file = await open(path, "wx");
  try {
    await file.writeFile(bytes);
    // Otherwise the rename could reach the disk before the content.
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Removes temporary files of this target that killed processes left behind. */
async function removeAbandoned(target: string): Promise<void> {
  const prefix = prefixOf(target);
  for (const name of await readdir(dirname(target))) {
    if (!name.startsWith(prefix) || !name.endsWith(suffix)) continue;
    const [, owner] = /^(\d+)-\d+$/.exec(name.slice(prefix.length, -suffix.length)) ?? [];
    if (owner !== undefined && !isRunning(Number(owner))) await rm(join(dirname(target), name));
  }
}

function isRunning(owner: number): boolean {
  try {
    process.kill(owner, 0);
    return true;
  } catch (error) {
    // EPERM: the process belongs to another user, so it exists.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

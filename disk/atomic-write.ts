/**
 * @file Atomic writes: a file is written beside its target, synced, and renamed. A reader finds the old file or the new
 * one, never a part, whether the disk is full or the process is killed half-way.
 */
import { open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

const suffix = ".part";
let writes = 0;

/** Where one write puts what is to become `target`: hidden, and no other write's. */
function asideOf(target: string): string {
  writes += 1;
  return join(dirname(target), `${prefixOf(target)}${process.pid}-${writes}${suffix}`);
}

const prefixOf = (target: string) => `.${basename(target)}.`;

/** Replaces `target`, which must be no link, by these bytes. Rejects as `node:fs` does, with the old file as it was. */
export async function writeAtomically(target: string, bytes: Uint8Array): Promise<void> {
  const found = await stat(target).catch(() => undefined);
  // As root, a rename would replace even /dev/null.
  if (found !== undefined && !found.isFile() && !found.isDirectory()) throw new Error("not a regular file");
  const aside = asideOf(target);
  try {
    await writeSynced(aside, bytes);
    await rename(aside, target);
  } catch (error) {
    await rm(aside, { force: true }).catch(() => undefined);
    throw error;
  }
  await removeAbandoned(target).catch(() => undefined);
}

/** Whether `target` could be written now, found out by making and removing the file beside it. Rejects as `node:fs` does. */
export async function tryWriting(target: string): Promise<void> {
  const aside = asideOf(target);
  try {
    await writeSynced(aside, new Uint8Array());
  } finally {
    await rm(aside, { force: true }).catch(() => undefined);
  }
}

async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  // A killed process may have had this number before; a link that was put there is not followed.
  await rm(path, { force: true });
  const file = await open(path, "wx");
  try {
    await file.writeFile(bytes);
    // A rename may reach the disk before the contents do.
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Parts of this target that were left by processes which are no more: killed ones. */
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
    // A process of another user may not be asked, and runs.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

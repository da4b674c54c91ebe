/** @file What the system says of a file that cannot be read or written, in words. */
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { messageOf, oneLine, UserError } from "../compiler/graph/errors.ts";

/** What the system says of a file, which messages call `name`, in words: for errors of `node:fs`. */
export function fileFault(name: string, error: unknown): UserError {
  const { code } = error as { code?: string };
  const known: Record<string, string> = {
    ENOENT: "no such file",
    ENOTDIR: "a part of the path is not a directory",
    EISDIR: "this is a directory, not a file",
    EACCES: "permission denied",
    EPERM: "permission denied",
    EROFS: "the file system is read-only",
    ENOSPC: "the disk is full",
    ENAMETOOLONG: "the name is too long",
    ELOOP: "too many symbolic links",
    ERR_FS_FILE_TOO_LARGE: "the file is larger than 2 GiB",
  };
  return new UserError(`${name === "" ? '""' : name}: ${known[code ?? ""] ?? oneLine(messageOf(error))}`, {
    cause: error,
  });
}

/** What the system says of a place that cannot be written; `name` is what the message calls it. */
export async function outputFault(name: string, path: string, error: unknown): Promise<UserError> {
  // Some file systems answer so for a file that they will not make, though the directory is there.
  const isDirectory = await stat(dirname(path)).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isDirectory) return new UserError(`${name}: the directory ${dirname(path)} does not exist`, { cause: error });
  if ((error as NodeJS.ErrnoException).code === "ENOENT")
    return new UserError(`${name}: no file can be made in ${dirname(path)}`, { cause: error });
  return fileFault(name, error);
}

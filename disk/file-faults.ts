/** @file Turns `node:fs` errors about a file into readable UserErrors. */
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { messageOf, oneLine, UserError } from "../compiler/graph/errors.ts";

/** The UserError for a `node:fs` error; the message calls the file `name`. */
export function fileFault(name: string, error: unknown): UserError {
  const { code } = error as { code?: string };
  const known: Record<string, string> = {
    ENOENT: ": no such file",
    ENOTDIR: ": a part of the path is not a directory",
    EISDIR: " is a directory, not a file",
    EACCES: ": permission denied",
    EPERM: ": permission denied",
    EROFS: ": the file system is read-only",
    ENOSPC: ": the disk is full",
    ENAMETOOLONG: ": the name is too long",
    ELOOP: ": too many symbolic links",
    ERR_FS_FILE_TOO_LARGE: ": the file is larger than 2 GiB",
  };
  return new UserError(`${name === "" ? '""' : name}${known[code ?? ""] ?? `: ${oneLine(messageOf(error))}`}`, {
    cause: error,
  });
}

/** The UserError for a `node:fs` error while writing `path`; the message calls it `name`. */
export async function outputFault(name: string, path: string, error: unknown): Promise<UserError> {
  // Some file systems also report ENOENT for a file they cannot create in an existing directory.
  const isDirectory = await stat(dirname(path)).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isDirectory) return new UserError(`${name}: the directory ${dirname(path)} does not exist`, { cause: error });
  if ((error as NodeJS.ErrnoException).code === "ENOENT")
    return new UserError(`${name}: cannot create a file in ${dirname(path)}`, { cause: error });
  return fileFault(name, error);
}

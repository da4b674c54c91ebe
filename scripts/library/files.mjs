/** @file Lists the files of a folder recursively. */
import { readdirSync } from "node:fs";
import { join } from "node:path";

/** Paths of all files in `folder` whose names have this ending. */
export function filesUnder(folder, end) {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) =>
    entry.isFile() && entry.name.endsWith(end) ? [join(entry.parentPath, entry.name)] : [],
  );
}

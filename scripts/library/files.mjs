/** @file Files of a folder and of the folders in it. */
import { readdirSync } from "node:fs";
import { join } from "node:path";

/** Paths of all files under `folder` whose names end so. */
export function filesUnder(folder, end) {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) =>
    entry.isFile() && entry.name.endsWith(end) ? [join(entry.parentPath, entry.name)] : [],
  );
}

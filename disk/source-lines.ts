/** @file The lines of the user's files, and of the built-in cells, where the nodes of a graph were written. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder that sites of the library are relative to. */
const libraryRoot = fileURLToPath(new URL("..", import.meta.url));

/** A function from a site such as `cells/gru.ts:24` to the text of that line; undefined if the file cannot be read. */
export function sourceLines(): (site: string) => string | undefined {
  const files = new Map<string, readonly string[]>();
  return (site) => {
    const [, file, line] = /^(.*?):(\d+)(?::\d+)?$/.exec(site) ?? [];
    if (file === undefined) return undefined;
    const lines = files.get(file) ?? linesOf(file);
    files.set(file, lines);
    return lines[Number(line) - 1];
  };
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(resolve(libraryRoot, file), "utf8").split("\n");
  } catch {
    return [];
  }
}

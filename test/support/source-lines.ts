/** @file The lines of this repository's files at the sites of a graph. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../docs/pages.ts";

const files = new Map<string, readonly string[]>();

/** The text of the line at a site such as `cells/gru.ts:12`. */
export function sourceLines(site: string): string | undefined {
  const [, file = "", line = ""] = /^(.*?):(\d+)/.exec(site) ?? [];
  if (!file.startsWith("cells/")) return undefined;
  const lines = files.get(file) ?? readFileSync(join(root, file), "utf8").split("\n");
  files.set(file, lines);
  return lines[Number(line) - 1];
}

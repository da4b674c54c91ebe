/** @file What a dropped file or a pasted text is: a table where its name or its form says so, and text otherwise. */
import { byteSize } from "../numbers.ts";
import type { DataChoice } from "../session/workspace.ts";

/** What a page can hold several times over without trouble. */
const largest = 64e6;

let versions = 0;

export async function choiceOfFile(file: File): Promise<DataChoice> {
  if (file.size > largest)
    throw new Error(
      `${file.name} has ${byteSize(file.size)}; a page can learn from ${byteSize(largest)} at most. Take a part of it.`,
    );
  const bytes = new Uint8Array(await file.arrayBuffer());
  return {
    kind: /\.(?:csv|tsv)$/i.test(file.name) ? "csv" : "text",
    name: file.name,
    text: bytes,
    version: ++versions,
  };
}

export function choiceOfPaste(text: string): DataChoice {
  const kind = isTable(text.slice(0, 10_000)) ? "csv" : "text";
  return { kind, name: kind === "csv" ? "pasted table" : "pasted text", text, version: ++versions };
}

/** Every line after the first, which may be names, is numbers with separators between them. */
function isTable(text: string): boolean {
  const lines = text.trim().split(/\r?\n/).slice(1, 20);
  const numbers = /^\s*-?[\d.]+(?:e[+-]?\d+)?(?:\s*[,;\t]\s*-?[\d.]+(?:e[+-]?\d+)?)*\s*$/i;
  return lines.length >= 2 && lines.every((line) => numbers.test(line));
}

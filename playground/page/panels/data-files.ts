/** @file What a dropped file or a pasted text is: a table where its name or its form says so, and text otherwise. */
import { byteSize } from "../numbers.ts";
import { isTable } from "../pasted.ts";
import type { DataChoice } from "../session/workspace.ts";

/** What a page can hold several times over without trouble. */
const largest = 64e6;

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
  };
}

export function choiceOfPaste(text: string): DataChoice {
  const kind = isTable(text.slice(0, 10_000)) ? "csv" : "text";
  return { kind, name: kind === "csv" ? "pasted table" : "pasted text", text };
}

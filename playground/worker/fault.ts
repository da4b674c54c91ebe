/** @file Whatever was thrown, as one line for the page, with the line of the visitor's source where it is named. */
import { cellFile, type Fault } from "../shared/protocol.ts";

const longest = 600;
const place = new RegExp(`(?:^|[\\s(/])${cellFile.replace(".", "\\.")}:(\\d+)`);

export function faultOf(error: unknown): Fault {
  const text = error instanceof Error ? error.message : String(error);
  const words = text.replaceAll(/\s+/g, " ").trim() || "something went wrong without a word";
  const line = lineOf(text);
  return {
    message: words.length > longest ? `${words.slice(0, longest)}…` : words,
    ...(line === undefined ? {} : { line }),
  };
}

/** The line that a text such as `add at cell.ts:3:9: …` or a node's place `cell.ts:3:9` names. */
export function lineOf(text: string | undefined): number | undefined {
  const digits = place.exec(text ?? "")?.[1];
  return digits === undefined ? undefined : Number(digits);
}

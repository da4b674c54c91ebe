/**
 * @file Messages of the library in the page's words: it names options as programs have them (time, clipNorm), where the
 * page has a field with a label.
 */
import { type NumberKey, ranges } from "../shared/settings.ts";

/** The label of a field, such as “Steps back”. */
const labelled = (key: NumberKey) => `“${ranges[key].label}”`;

/** Names that are English words too, where a message means the option. */
const phrases: readonly (readonly [RegExp, string])[] = [
  [/\bbatch (\d+) x time (\d+)/g, `${labelled("batch")} $1 × ${labelled("time")} $2`],
  [/\bmake batch or time smaller/g, `make ${labelled("batch")} or ${labelled("time")} smaller`],
  [/\btime is (?=\d)/g, `${labelled("time")} is `],
];
/** Names that are no words: `clipNorm`. */
const options = Object.keys(ranges).filter((key): key is NumberKey => /[A-Z]/.test(key));

export function inPageWords(message: string): string {
  const spoken = phrases.reduce((text, [pattern, words]) => text.replace(pattern, words), message);
  return options.reduce((text, key) => text.replace(new RegExp(`\\b${key}\\b`, "g"), labelled(key)), spoken);
}

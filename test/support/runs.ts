/** @file The runs of the tests, by their tags: which tests each has, and so which files it must read. */

/** What filters of tags (`slow`, `!slow`), all of which must hold, say of a test with these tags. */
export const hasTags = (filters: readonly string[], tags: readonly string[]): boolean =>
  filters.every((filter) => (filter.startsWith("!") ? !tags.includes(filter.slice(1)) : tags.includes(filter)));

/** The filters of a command line of Vitest. */
export const filtersOf = (args: readonly string[]): string[] =>
  args.flatMap((arg) => /^--tags-filter=(.+)$/.exec(arg)?.[1] ?? []);

/** The tags that a test of a file may have, by its text: one list for each kind of test. */
export function tagsIn(text: string): string[][] {
  const [, imported = ""] = /^import \{ (.+) \} from ".*\/some-of\.ts";$/m.exec(text) ?? [];
  const isSlow = /^ ?(\/\*)?\* @module-tag slow$/m.test(text);
  const hasLong = /\b(long|someOf)\b/.test(imported);
  const hasSlow = isSlow || /\b(slow|slowUnless|fewOf|someOf)\b/.test(imported);
  return [...(isSlow ? [] : [[]]), ...(hasSlow ? [["slow"]] : []), ...(hasLong ? [["long"], ["slow", "long"]] : [])];
}

/** Whether a run must read a file. */
export const isRead = (filters: readonly string[], text: string): boolean =>
  tagsIn(text).some((tags) => hasTags(filters, tags));

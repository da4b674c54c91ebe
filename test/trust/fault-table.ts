/**
 * @file The table of faults in docs/trust.md: the fault, the one-line message, and what is preserved. The tests read the
 * messages from the page, so that the page is true. `…` stands for variable text. Bad input is in separate tables; the page
 * has their links and numbers of rows.
 */
import { page } from "../docs/pages.ts";

export interface Fault {
  readonly given: string;
  readonly line: RegExp;
  readonly kept: string;
}

const [, section = ""] = /\n## Faults\n(.*?)\n## /s.exec(page("docs/trust.md")) ?? [];

/** Every row of the table. */
export const faults: readonly Fault[] = [...section.matchAll(/^\| ([^|`]+) \| `([^|]+)` \| ([^|]+) \|$/gm)].map(
  ([, given = "", line = "", kept = ""]) => ({ given, line: patternOf(line), kept }),
);

/** The message of a row, as a pattern for one line. */
export function lineOf(given: string): RegExp {
  const row = faults.find((fault) => fault.given === given);
  if (row === undefined) throw new Error(`docs/trust.md has no fault ${JSON.stringify(given)}`);
  return row.line;
}

/** The number of rows that the page states for a test file, given by its path below `test/`. */
export function rowsSaid(file: string): number {
  const [, count] = new RegExp(`\\]\\(\\.\\./test/${file}\\) \\|[^|]+\\| ([\\d,]+) \\|`).exec(section) ?? [];
  if (count === undefined) throw new Error(`docs/trust.md says nothing of the tables of ${file}`);
  return Number(count.replace(",", ""));
}

/** A whole line as a pattern; `…` stands for anything but a line break. */
export function patternOf(line: string): RegExp {
  const literal = line.split("…").map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${literal.join("[^\\n]+")}\\n?$`);
}

/**
 * @file The table of faults in docs/trust.md: what was given, the one line that the user saw, what was kept. The tests read
 * the lines from there, so that what the page says is what was seen. `…` stands for what differs. Bad input has tables of
 * its own, of which the page says where they are and how many rows they have.
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

/** The whole line of a row, in which nothing breaks a line. */
export function lineOf(given: string): RegExp {
  const row = faults.find((fault) => fault.given === given);
  if (row === undefined) throw new Error(`docs/trust.md has no fault ${JSON.stringify(given)}`);
  return row.line;
}

/** How many rows the page says that the tables of a test file have, whose path is that from `test/` on. */
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

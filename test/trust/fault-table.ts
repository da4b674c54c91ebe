/**
 * @file The table of faults in docs/trust.md: what was given, the one line that the user saw, what was kept. The tests read
 * the lines from there, so that what the page says is what was seen. `…` stands for what differs.
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

function patternOf(line: string): RegExp {
  const literal = line.split("…").map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${literal.join("[^\\n]+")}\\n?$`);
}

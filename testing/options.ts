/** @file Validates the options of the checks before they run: a check of nothing must not pass. */

import { inWords, UserError } from "../compiler/graph/errors.ts";
import { unknownOption } from "../compiler/graph/options.ts";

/** Returns what was expected of an option, in a few words; undefined if the value is valid. */
type Rule = (value: unknown) => string | undefined;

/** An integer within bounds. */
export function wholeFrom(least: number, most = Number.MAX_SAFE_INTEGER): Rule {
  const bounds = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`;
  return (value) => {
    const fits = typeof value === "number" && Number.isInteger(value) && value >= least && value <= most;
    return fits ? undefined : `a whole number ${bounds}`;
  };
}

/** One of several values. */
export function oneOf(choices: readonly (string | number)[]): Rule {
  return (value) => (choices.some((choice) => choice === value) ? undefined : choices.map(inWords).join(" or "));
}

/** A non-empty list whose entries satisfy the rule. */
export function listOf(entry: Rule): Rule {
  return (value) => {
    if (!Array.isArray(value) || value.length === 0) return "a list with at least one entry";
    const problem = value.map(entry).find((found) => found !== undefined);
    return problem === undefined ? undefined : `a list of ${problem}`;
  };
}

/** Options that cells and functions share. */
export const commonRules = { cases: wholeFrom(1), seed: wholeFrom(0, 2 ** 32 - 1) } as const;

/** @throws UserError for unknown options and invalid values. */
export function holdOptions(caller: string, options: object, rules: Readonly<Record<string, Rule>>): void {
  for (const [name, value] of Object.entries(options)) {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    if (rule === undefined) throw new UserError(`${caller}: ${unknownOption(name, Object.keys(rules))}`);
    const expected = value === undefined ? undefined : rule(value);
    if (expected !== undefined) throw new UserError(`${caller}: ${name} is ${shown(value)}; expected ${expected}`);
  }
}

function shown(value: unknown): string {
  return Array.isArray(value) ? JSON.stringify(value).slice(0, 60) : inWords(value);
}

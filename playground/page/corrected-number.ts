/** @file What a field for numbers makes of what is typed into it. */

export interface Expected {
  readonly label: string;
  readonly least: number;
  readonly most: number;
  readonly whole: boolean;
}

/** The nearest number that is right, and where another was typed, a line that says so. */
export function correctedNumber(
  typed: string,
  last: number,
  { label, least, most, whole }: Expected,
): { readonly value: number; readonly line?: string } {
  const given = typed.trim() === "" ? Number.NaN : Number(typed);
  const kind = `${whole ? "a whole number" : "a number"} from ${least} to ${most}`;
  if (!Number.isFinite(given)) return { value: last, line: `${label} is ${kind}; it stays ${last}.` };
  const value = Math.min(most, Math.max(least, whole ? Math.round(given) : given));
  return value === given ? { value } : { value, line: `${label} is ${kind}: ${typed.trim()} was taken as ${value}.` };
}

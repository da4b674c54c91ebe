/** @file One way to break the code: a text of a file replaced, or something put behind it. */
export interface Mutant {
  readonly name: string;
  readonly file: string;
  /** A text that stands in the file exactly once, and what takes its place. */
  readonly replace?: readonly [from: string, to: string];
  /** JavaScript that runs after the file's own. */
  readonly append?: string;
  /** Test files of which one at least must fail, the quickest first. */
  readonly tests: readonly string[];
}

/** What is wrong then, and the text that makes it so. */
export type Change = readonly [name: string, from: string, to: string];

/** Mutants of one file. */
export function changed(file: string, tests: readonly string[], changes: readonly Change[]): Mutant[] {
  return changes.map(([name, from, to]) => ({ name, file, replace: [from, to], tests }));
}

/** The file's text with the mutant in it. Throws where the text it replaces is not there, or there more than once. */
export function mutated(text: string, { name, file, replace, append = "" }: Mutant): string {
  if (replace === undefined) return `${text}\n${append}\n`;
  const [from, to] = replace;
  const found = text.split(from).length - 1;
  if (found !== 1) throw new Error(`mutant "${name}": its text stands ${found} times in ${file}`);
  return `${text.replace(from, () => to)}\n${append}\n`;
}

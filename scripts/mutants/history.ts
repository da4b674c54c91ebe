/**
 * @file What earlier runs of the mutants tell: how long each test takes, and which test caught which mutant. It is kept in
 * `node_modules/.cache` and only decides what runs first; without it, the same mutants are caught.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Mutant } from "../../test/mutants/mutant.ts";

/** Tests of a file that run; without names, all. */
export interface Part {
  readonly file: string;
  readonly names?: readonly string[];
}

/** Milliseconds of tests, by their names. */
export type Times = Readonly<Record<string, number>>;

/** Milliseconds of tests of a long file that run before the others; or a share of its time, if that is more. */
const quickTime = 2_000;
const quickShare = 1 / 16;

const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
const idOf = ({ file, name }: Mutant) => `${file}: ${name}`;

export class History {
  readonly #path: string;
  /** By test file. */
  #times: Record<string, Times> = {};
  /** By mutant: the test that caught it. */
  #caught: Record<string, { readonly file: string; readonly test: string }> = {};

  constructor(path: string) {
    this.#path = path;
    try {
      ({ times: this.#times, caught: this.#caught } = JSON.parse(readFileSync(path, "utf8")));
    } catch {
      // The first run, or a file that was not written to its end.
    }
  }

  isTimed(file: string): boolean {
    return this.#times[file] !== undefined;
  }

  /**
   * What to run for a mutant, one after another, until a test fails: of long files the test that caught it last, then those
   * that are quick, and at last each file as a whole.
   */
  partsFor(mutant: Mutant): Part[] {
    const files = [...mutant.tests].sort((a, b) => this.#timeOf(a) - this.#timeOf(b));
    const long = files.filter((file) => this.isLong(file));
    const last = this.#caught[idOf(mutant)];
    return [
      ...(last !== undefined && long.includes(last.file) ? [{ file: last.file, names: [last.test] }] : []),
      ...long.map((file) => ({ file, names: this.#quickOf(file) })).filter(({ names }) => names.length > 0),
      ...files.map((file) => ({ file })),
    ];
  }

  /** Whether some of a file's tests run before the others. */
  isLong(file: string): boolean {
    return this.#timeOf(file) >= 2 * quickTime;
  }

  noteTimes(file: string, times: Times): void {
    this.#times[file] = times;
    this.#save();
  }

  noteCatch(mutant: Mutant, file: string, test: string | undefined): void {
    if (test === undefined) return;
    this.#caught[idOf(mutant)] = { file, test };
    this.#save();
  }

  #timeOf(file: string): number {
    return sum(Object.values(this.#times[file] ?? {}));
  }

  #quickOf(file: string): string[] {
    const most = Math.max(quickTime, quickShare * this.#timeOf(file));
    const names: string[] = [];
    let time = 0;
    for (const [name, each] of Object.entries(this.#times[file] ?? {}).sort(([, a], [, b]) => a - b)) {
      time += each;
      if (time <= most) names.push(name);
    }
    return names;
  }

  #save(): void {
    mkdirSync(dirname(this.#path), { recursive: true });
    writeFileSync(this.#path, JSON.stringify({ times: this.#times, caught: this.#caught }));
  }
}

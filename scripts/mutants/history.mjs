/**
 * @file What earlier runs of the mutants tell: how long each test takes, and which test caught which mutant. It is kept in
 * `node_modules/.cache` and only decides what runs first; without it, the same mutants are caught.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** Milliseconds of tests of a long file that run before the others. */
const quickTime = 2_000;

const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
const idOf = ({ file, name }) => `${file}: ${name}`;

export class History {
  #path;
  /** Test file -> name of the test -> milliseconds. */
  #times = {};
  /** Mutant -> the test that caught it. */
  #caught = {};

  constructor(path) {
    this.#path = path;
    try {
      ({ times: this.#times, caught: this.#caught } = JSON.parse(readFileSync(path, "utf8")));
    } catch {
      // The first run, or a file that was not written to its end.
    }
  }

  isTimed(file) {
    return this.#times[file] !== undefined;
  }

  /**
   * What to run for a mutant, one after another, until a test fails: of long files the test that caught it last, then those
   * that are quick, and at last each file as a whole. Each is `{ file, names }`, where no names are all tests of the file.
   */
  partsFor(mutant) {
    const files = [...mutant.tests].sort((a, b) => this.#timeOf(a) - this.#timeOf(b));
    const long = files.filter((file) => this.isLong(file));
    const last = this.#caught[idOf(mutant)];
    return [
      ...(long.includes(last?.file) ? [{ file: last.file, names: [last.test] }] : []),
      ...long.map((file) => ({ file, names: this.#quickOf(file) })).filter(({ names }) => names.length > 0),
      ...files.map((file) => ({ file })),
    ];
  }

  /** Whether some of a file's tests run before the others. */
  isLong(file) {
    return this.#timeOf(file) >= 2 * quickTime;
  }

  noteTimes(file, times) {
    this.#times[file] = times;
    this.#save();
  }

  noteCatch(mutant, file, test) {
    if (test === undefined) return;
    this.#caught[idOf(mutant)] = { file, test };
    this.#save();
  }

  #timeOf(file) {
    return sum(Object.values(this.#times[file] ?? {}));
  }

  #quickOf(file) {
    const names = [];
    let time = 0;
    for (const [name, each] of Object.entries(this.#times[file]).sort(([, a], [, b]) => a - b)) {
      time += each;
      if (time <= quickTime) names.push(name);
    }
    return names;
  }

  #save() {
    mkdirSync(dirname(this.#path), { recursive: true });
    writeFileSync(this.#path, JSON.stringify({ times: this.#times, caught: this.#caught }));
  }
}

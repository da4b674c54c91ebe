/**
 * @file The adding problem: two numbers of a long random sequence are marked, and the target at its end is their sum.
 * `adding` has the rules of Hochreiter & Schmidhuber 1997, experiment 4 (section 5.4):
 *
 *   a step       a number from [-1, 1], and a mark: 1 for two of them, -1 for the first and the last, otherwise 0
 *   the length   between T and T + T/10, sampled for each batch
 *   the marks    one in the first ten steps, one in the first T/2 - 1; a marked first step has the number 0
 *   the target   0.5 + (X1 + X2) / 4
 *
 * Later work uses the simpler rules of `addingHalves`: Arjovsky, Shah & Bengio 2016, arXiv:1511.06464, section 4.2,
 * after Le, Jaitly & Hinton 2015, arXiv:1504.00941, section 4.1:
 *
 *   a step       a number from [0, 1], and a mark: 1 for two of them, otherwise 0; T steps
 *   the marks    one in each half
 *   the target   X1 + X2, whose variance is 1/6: the 0.167 of those papers
 */
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import type { Batch } from "../data/batches.ts";
import type { RandomStream } from "../random.ts";
import { below, checkSizes, drawnBatches, drawnLength, freshBatch } from "./drawn.ts";
import { parameterValues, type Task, type TaskParameter } from "./task.ts";

const parameters: readonly TaskParameter[] = [];
const named = { columns: ["number", "mark"], targets: ["sum"] } as const;

/** The adding problem: Hochreiter & Schmidhuber 1997, experiment 4. */
export const adding: Task = {
  name: "adding",
  about: "Add the two marked numbers of a long sequence, and tell the sum at its end.",
  source: "Hochreiter & Schmidhuber 1997, experiment 4",
  kind: "regression",
  parameters,
  batches: (seed, sizes) => {
    parameterValues(adding.name, parameters, sizes);
    const { batch, time } = sizes;
    checkSizes(adding.name, batch, time, 6, "for two marks in its first half");
    return {
      ...drawnBatches(adding.name, seed, (random) => batchOf1997(batch, time, random)),
      ...named,
      // The variance of the target: two numbers of variance 1/3 each, divided by 4.
      baseline: 2 / 3 / 16,
      best: 0,
    };
  },
};

/** The adding problem with a mark in each half: Arjovsky, Shah & Bengio 2016, section 4.2. */
export const addingHalves: Task = {
  name: "adding-halves",
  about: "Add the two marked numbers of a sequence, one in each half, and tell the sum at its end.",
  source: "Arjovsky, Shah & Bengio 2016, section 4.2; Le, Jaitly & Hinton 2015",
  kind: "regression",
  parameters,
  batches: (seed, sizes) => {
    parameterValues(addingHalves.name, parameters, sizes);
    const { batch, time } = sizes;
    checkSizes(addingHalves.name, batch, time, 2, "for a mark in each half");
    return {
      ...drawnBatches(addingHalves.name, seed, (random) => batchOfHalves(batch, time, random)),
      ...named,
      // The variance of the target: two numbers of variance 1/12 each.
      baseline: 1 / 6,
      best: 0,
    };
  },
};

function batchOf1997(batch: number, time: number, random: RandomStream): Batch {
  const sequences = new Sequences(drawnLength(random, time), batch);
  const { steps } = sequences;
  for (let row = 0; row < batch; row++) {
    for (let step = 0; step < steps; step++) sequences.setNumber(step, row, Math.fround(2 * random.uniform() - 1));
    const half = Math.floor(time / 2) - 1;
    const first = below(random, Math.min(10, half));
    // Different from the first, so that two are always marked.
    const other = below(random, half - 1);
    const second = other < first ? other : other + 1;
    sequences.setMark(0, row, -1);
    sequences.setMark(steps - 1, row, -1);
    for (const marked of [first, second]) {
      if (marked === 0) sequences.setNumber(0, row, 0);
      sequences.setMark(marked, row, 1);
    }
    sequences.setAnswer(row, 0.5 + (sequences.number(first, row) + sequences.number(second, row)) / 4);
  }
  return sequences.batch();
}

function batchOfHalves(batch: number, time: number, random: RandomStream): Batch {
  const sequences = new Sequences(time, batch);
  const half = Math.floor(time / 2);
  for (let row = 0; row < batch; row++) {
    for (let step = 0; step < time; step++) sequences.setNumber(step, row, Math.fround(random.uniform()));
    const [first, second] = [below(random, half), half + below(random, time - half)];
    sequences.setMark(first, row, 1);
    sequences.setMark(second, row, 1);
    sequences.setAnswer(row, sequences.number(first, row) + sequences.number(second, row));
  }
  return sequences.batch();
}

/** Numbers and marks in x [T, B, 2], and the target with its weight at the last step of targets [T, B, 2]. */
class Sequences {
  readonly steps: number;
  readonly #rows: number;
  readonly #x: Float64Array;
  readonly #targets: Float64Array;

  constructor(steps: number, rows: number) {
    this.steps = steps;
    this.#rows = rows;
    this.#x = new Float64Array(steps * rows * 2);
    this.#targets = new Float64Array(steps * rows * 2);
  }

  #offset(step: number, row: number): number {
    return (step * this.#rows + row) * 2;
  }

  number(step: number, row: number): number {
    return this.#x[this.#offset(step, row)] ?? Number.NaN;
  }

  setNumber(step: number, row: number, value: number): void {
    this.#x[this.#offset(step, row)] = value;
  }

  setMark(step: number, row: number, mark: number): void {
    this.#x[this.#offset(step, row) + 1] = mark;
  }

  setAnswer(row: number, answer: number): void {
    this.#targets.set([answer, 1], this.#offset(this.steps - 1, row));
  }

  batch(): Batch {
    const array = (data: Float64Array): NdArray => ({ dtype: "f32", shape: [this.steps, this.#rows, 2], data });
    return freshBatch(array(this.#x), array(this.#targets));
  }
}

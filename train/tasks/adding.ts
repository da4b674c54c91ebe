/**
 * @file The adding problem: of a long sequence of random numbers two are marked, and their sum is asked for at its end.
 * Hochreiter & Schmidhuber 1997, experiment 4 (section 5.4), whose rules these are:
 *
 *   a step       a number from [-1, 1], and a mark: 1 for two of them, -1 for the first and the last, 0 else
 *   the length   between T and T + T/10, drawn anew for each batch
 *   the marks    one among the first ten steps, one among the first T/2 - 1; a marked first step has the number 0
 *   the answer   0.5 + (X1 + X2) / 4
 */
import { UserError } from "../../compiler/graph/errors.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { type Batch, trainingLength } from "../data/batches.ts";
import { type RandomStream, randomStream } from "../random.ts";
import { parameterValues, type Task, type TaskParameter } from "./task.ts";

/** Batches of what is held out. */
const heldOutBatches = 4;
const shortest = 6;

const parameters: readonly TaskParameter[] = [];

/** The adding problem: Hochreiter & Schmidhuber 1997, experiment 4. */
export const adding: Task = {
  name: "adding",
  about: "Add the two marked numbers of a long sequence, and tell the sum at its end.",
  source: "Hochreiter & Schmidhuber 1997, experiment 4",
  kind: "regression",
  parameters,
  batches: (seed, { batch, time, parameters: given }) => {
    parameterValues(adding.name, parameters, given);
    trainingLength(0, { batch, time });
    if (time < shortest)
      throw new UserError(
        `${adding.name}: time is ${time}; expected ${shortest} or more, for two marks in its first half`,
      );
    const batchOf = (stream: string) => addingBatch(batch, time, randomStream(seed, `${adding.name}/${stream}`));
    return {
      // Sequences are never seen twice, so there is no end.
      training: {
        *[Symbol.iterator]() {
          for (let i = 0; ; i++) yield batchOf(`training ${i}`);
        },
      },
      validation: Array.from({ length: heldOutBatches }, (_, i) => batchOf(`validation ${i}`)),
      stepsPerEpoch: Number.POSITIVE_INFINITY,
      columns: ["number", "mark"],
      targets: ["sum"],
      // The variance of the answer: two numbers of variance 1/3 each, divided by 4.
      baseline: 2 / 3 / 16,
      best: 0,
    };
  },
};

function addingBatch(batch: number, time: number, random: RandomStream): Batch {
  const whole = (below: number) => Math.floor(random.uniform() * below);
  const steps = time + whole(Math.floor(time / 10) + 1);
  const x = new Float64Array(steps * batch * 2);
  const targets = new Float64Array(steps * batch * 2);
  for (let row = 0; row < batch; row++) {
    const place = (step: number) => (step * batch + row) * 2;
    for (let step = 0; step < steps; step++) x[place(step)] = Math.fround(2 * random.uniform() - 1);
    const half = Math.floor(time / 2) - 1;
    const first = whole(Math.min(10, half));
    // One of the others, so that two are always marked.
    const other = whole(half - 1);
    const second = other < first ? other : other + 1;
    x[place(0) + 1] = -1;
    x[place(steps - 1) + 1] = -1;
    for (const marked of [first, second]) {
      if (marked === 0) x[place(0)] = 0;
      x[place(marked) + 1] = 1;
    }
    targets[place(steps - 1)] = 0.5 + ((x[place(first)] ?? 0) + (x[place(second)] ?? 0)) / 4;
    targets[place(steps - 1) + 1] = 1;
  }
  const array = (data: Float64Array): NdArray => ({ dtype: "f32", shape: [steps, batch, 2], data });
  return { x: array(x), targets: array(targets), fresh: true };
}

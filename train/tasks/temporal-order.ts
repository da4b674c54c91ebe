/**
 * @file Temporal order: identify two distant symbols in a long sequence, and their order. Hochreiter & Schmidhuber 1997,
 * experiment 6a (section 5.6):
 *
 *   a sequence   E, then random symbols a, b, c, d, then B; T to T + T/10 steps, sampled for each batch
 *   the two      X or Y each, one between the steps T/10 and T/5, one between T/2 and 6T/10
 *   the target   one of four classes, for XX, XY, YX and YY, at the last step
 */
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import type { Batch } from "../data/batches.ts";
import type { RandomStream } from "../random.ts";
import { below, checkSizes, drawnBatches, drawnLength, freshBatch } from "./drawn.ts";
import { parameterValues, type Task, type TaskParameter } from "./task.ts";

const symbols = ["E", "B", "a", "b", "c", "d", "X", "Y"] as const;
const [start, end, firstDistractor, distractors, firstRelevant] = [0, 1, 2, 4, 6];
const classes = ["XX", "XY", "YX", "YY"] as const;
const parameters: readonly TaskParameter[] = [];

/** Temporal order: Hochreiter & Schmidhuber 1997, experiment 6a. */
export const temporalOrder: Task = {
  name: "temporal-order",
  about: "Tell at the end of a long sequence which two symbols stood in it, and in which order.",
  source: "Hochreiter & Schmidhuber 1997, experiment 6a",
  kind: "regression",
  parameters,
  batches: (seed, sizes) => {
    parameterValues(temporalOrder.name, parameters, sizes);
    const { batch, time } = sizes;
    checkSizes(temporalOrder.name, batch, time, 10, "for two symbols apart from each other");
    return {
      ...drawnBatches(temporalOrder.name, seed, (random) => draw(batch, time, random)),
      columns: symbols,
      targets: classes,
      // The variance of a class: 1 in a quarter of all sequences.
      baseline: 3 / 16,
      best: 0,
    };
  },
};

function draw(batch: number, time: number, random: RandomStream): Batch {
  const steps = drawnLength(random, time);
  const x = new Float64Array(steps * batch * symbols.length);
  const targets = new Float64Array(steps * batch * (classes.length + 1));
  for (let row = 0; row < batch; row++) {
    const sequence = Array.from({ length: steps }, () => firstDistractor + below(random, distractors));
    sequence[0] = start;
    sequence[steps - 1] = end;
    const [first, second] = [below(random, 2), below(random, 2)];
    sequence[between(random, time / 10, time / 5)] = firstRelevant + first;
    sequence[between(random, time / 2, (6 * time) / 10)] = firstRelevant + second;
    for (const [step, symbol] of sequence.entries()) x[(step * batch + row) * symbols.length + symbol] = 1;
    const last = ((steps - 1) * batch + row) * (classes.length + 1);
    targets[last + 2 * first + second] = 1;
    targets[last + classes.length] = 1;
  }
  const array = (data: Float64Array, width: number): NdArray => ({ dtype: "f32", shape: [steps, batch, width], data });
  return freshBatch(array(x, symbols.length), array(targets, classes.length + 1));
}

/** A random integer from floor(low) to floor(high). */
function between(random: RandomStream, low: number, high: number): number {
  return Math.floor(low) + below(random, Math.floor(high) - Math.floor(low) + 1);
}

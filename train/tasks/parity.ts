/**
 * @file Parity: whether a sequence of bits has an odd number of ones. One bit of memory is enough, but every bit of the
 * sequence flips the target, so no part of the task can be learned first. Minsky & Papert 1969; for sequences
 * Hochreiter & Schmidhuber 1996, "Bridging long time lags by weight guessing and LSTM":
 *
 *   a step       1 or -1; T to T + T/10 steps, sampled for each batch
 *   the target   1 if the number of ones is odd, 0 if it is even, at the last step
 */
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import type { Batch } from "../data/batches.ts";
import type { RandomStream } from "../random.ts";
import { checkSizes, drawnBatches, drawnLength, freshBatch } from "./drawn.ts";
import { parameterValues, type Task, type TaskParameter } from "./task.ts";

const parameters: readonly TaskParameter[] = [];

/** Parity: Hochreiter & Schmidhuber 1996. */
export const parity: Task = {
  name: "parity",
  about: "Tell at the end whether the number of ones was odd.",
  source: "Minsky & Papert 1969; Hochreiter & Schmidhuber 1996",
  kind: "regression",
  parameters,
  batches: (seed, sizes) => {
    parameterValues(parity.name, parameters, sizes);
    const { batch, time } = sizes;
    checkSizes(parity.name, batch, time, 1, "for a bit");
    return {
      ...drawnBatches(parity.name, seed, (random) => draw(batch, time, random)),
      columns: ["bit"],
      targets: ["odd"],
      baseline: 1 / 4,
      best: 0,
    };
  },
};

function draw(batch: number, time: number, random: RandomStream): Batch {
  const steps = drawnLength(random, time);
  const x = Float64Array.from({ length: steps * batch }, () => (random.uniform() < 0.5 ? 1 : -1));
  const targets = new Float64Array(steps * batch * 2);
  for (let row = 0; row < batch; row++) {
    const ones = x.filter((bit, i) => i % batch === row && bit === 1).length;
    targets.set([ones % 2, 1], ((steps - 1) * batch + row) * 2);
  }
  const array = (data: Float64Array, width: number): NdArray => ({ dtype: "f32", shape: [steps, batch, width], data });
  return freshBatch(array(x, 1), array(targets, 2));
}

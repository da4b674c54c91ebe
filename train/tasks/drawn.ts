/** @file Sequences that are sampled for every batch: no sequence is seen twice, so an epoch has no end. */
import { UserError } from "../../compiler/graph/errors.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { type Batch, type Batches, trainingLength } from "../data/batches.ts";
import { type RandomStream, randomStream } from "../random.ts";

/** Number of held-out batches. */
const heldOutBatches = 4;

/** Samples every batch from its own random stream, so that it does not depend on the batches before it. */
export function drawnBatches(task: string, seed: number, draw: (random: RandomStream) => Batch): Batches {
  const batchOf = (stream: string) => draw(randomStream(seed, `${task}/${stream}`));
  return {
    training: {
      *[Symbol.iterator]() {
        for (let i = 0; ; i++) yield batchOf(`training ${i}`);
      },
    },
    validation: Array.from({ length: heldOutBatches }, (_, i) => batchOf(`validation ${i}`)),
    stepsPerEpoch: Number.POSITIVE_INFINITY,
  };
}

/** Throws for invalid sizes, and for a time that is too short for a sequence of the task. */
export function checkSizes(task: string, batch: number, time: number, shortest: number, why: string): void {
  trainingLength(0, { batch, time });
  if (time < shortest) throw new UserError(`${task}: time is ${time}; expected ${shortest} or more, ${why}`);
}

/** A uniform random integer from 0 on, below `below`. */
export function below(random: RandomStream, below: number): number {
  return Math.floor(random.uniform() * below);
}

/** Between T and T + T/10, the lengths of Hochreiter & Schmidhuber 1997. */
export function drawnLength(random: RandomStream, time: number): number {
  return time + below(random, Math.floor(time / 10) + 1);
}

/** A batch [T, B, …] that does not continue the previous one. */
export function freshBatch(x: NdArray, targets: NdArray): Batch {
  return { x, targets, fresh: true };
}

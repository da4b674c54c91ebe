/** @file Sequences that are drawn anew for every batch: they are never seen twice, so training has no end. */
import { UserError } from "../../compiler/graph/errors.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { type Batch, type Batches, trainingLength } from "../data/batches.ts";
import { type RandomStream, randomStream } from "../random.ts";

/** Batches of what is held out. */
const heldOutBatches = 4;

/** Every batch is drawn from a stream of its own, so that any of them can be made without those before it. */
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

/** Refuses sizes that are none, and a time that leaves no room for a sequence of the task. */
export function checkSizes(task: string, batch: number, time: number, shortest: number, why: string): void {
  trainingLength(0, { batch, time });
  if (time < shortest) throw new UserError(`${task}: time is ${time}; expected ${shortest} or more, ${why}`);
}

/** A whole number from 0 on, below `below`, all equally likely. */
export function below(random: RandomStream, below: number): number {
  return Math.floor(random.uniform() * below);
}

/** Between T and T + T/10, the lengths of Hochreiter & Schmidhuber 1997. */
export function drawnLength(random: RandomStream, time: number): number {
  return time + below(random, Math.floor(time / 10) + 1);
}

/** A batch [T, B, …] that does not go on from the one before. */
export function freshBatch(x: NdArray, targets: NdArray): Batch {
  return { x, targets, fresh: true };
}

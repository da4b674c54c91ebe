/** @file Shared by the scores of tasks. */
import type { NdArray } from "../../compiler/graph/ndarray.ts";

/** Number of sequences of a score. */
export const sequencesOfScore = 1000;

/** The class with the largest logit at each position of logits [..., classes]; the first one in a tie. */
export function mostLikely({ shape, data }: NdArray): number[] {
  const classes = shape[shape.length - 1] ?? 1;
  return Array.from({ length: data.length / classes }, (_, position) => {
    const logits = data.subarray(position * classes, (position + 1) * classes);
    return logits.indexOf(logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY));
  });
}

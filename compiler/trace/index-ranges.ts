/**
 * @file Whole numbers that a function takes as places of something: classes, lengths, labels. A device could not tell that
 * one of them is none, so the functions say here what they expect, and those who are given numbers check them first. What
 * `gather` looks up needs no word: the graph tells.
 */
import type { Dim } from "../graph/dim.ts";
import { enclosingFrame } from "./frame.ts";
import type { Tensor } from "./tensor.ts";

/** What the numbers of a tensor must be, where they count. */
export interface IndexRange {
  readonly index: Tensor;
  /** What they are in words, such as "classes". */
  readonly what: string;
  /** The largest; the smallest is 0. */
  readonly to: Dim;
  /** How much less than `to` the largest is. */
  readonly below?: number;
  /** True where an index counts; its axes are the first ones of the index. */
  readonly mask?: Tensor<"bool"> | undefined;
  /** A number in the range that is none all the same. */
  readonly except?: number;
}

let collected: IndexRange[] | undefined;

/** Declares the range of an index; kept where a collector is active. */
export function expectIndex(range: IndexRange): void {
  collected?.push(range);
}

/** What `body` gives, and what the functions in it expect of indices of the trace in progress, those of its loops not among them. */
export function collectingIndices<T>(body: () => T): { readonly result: T; readonly ranges: readonly IndexRange[] } {
  const before = collected;
  const ranges: IndexRange[] = [];
  collected = ranges;
  try {
    const [frame, result] = [enclosingFrame(), body()];
    return { result, ranges: ranges.filter(({ index }) => index.frame === frame) };
  } finally {
    collected = before;
  }
}

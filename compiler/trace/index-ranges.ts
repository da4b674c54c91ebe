/**
 * @file Ranges of integer arguments: classes, lengths, labels. A device cannot report an index out of range, so
 * functions declare their ranges here, and callers check the numbers before they reach a device. Indices of `gather`
 * need no declaration: the graph has the size of its table.
 */
import type { Dim } from "../graph/dim.ts";
import { enclosingFrame } from "./frame.ts";
import type { Tensor } from "./tensor.ts";

/** The range of an index tensor. */
export interface IndexRange {
  readonly index: Tensor;
  /** What the numbers are, for messages, such as "classes". */
  readonly what: string;
  /** The largest number; the smallest is 0. */
  readonly to: Dim;
  /** How far below `to` the largest number is. */
  readonly below?: number;
  /** True where an index is used; its axes are the leading axes of the index. */
  readonly mask?: Tensor<"bool"> | undefined;
  /** A number in the range that is not allowed. */
  readonly except?: number;
}

let collected: IndexRange[] | undefined;

/** Declares the range of an index; recorded if a collector is active. */
export function expectIndex(range: IndexRange): void {
  collected?.push(range);
}

/**
 * Runs `body` and returns its result, with the ranges declared for indices of the current trace; those inside its loops
 * are excluded.
 */
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

/**
 * @file Stages. A stage is a set of values that one invocation can compute for one position: loops (products,
 * reductions) followed by elementwise functions of their results.
 *
 *   stage ::= level size loops roots, and, derived from these: form, accumulators, reads
 *
 * Stages of one level do not depend on each other.
 */
import type { Dim } from "../../graph/dim.ts";
import type { NodeId } from "../../graph/graph.ts";
import type { Accumulator } from "./accumulators.ts";
import type { StageForm } from "./forms.ts";
import type { Read } from "./reads.ts";

export interface Stage {
  readonly kind: "stage";
  readonly level: number;
  /** Number of positions. */
  readonly size: Dim;
  /** Products, reductions and scatters that are computed here, in topological order. */
  readonly loops: readonly NodeId[];
  /** Values that are stored here, in topological order, including loops that other stages read. */
  readonly roots: readonly NodeId[];
  readonly form: StageForm;
  readonly accumulators: readonly Accumulator[];
  readonly reads: readonly Read[];
}

/** Whether there is anything to compute: a value with an axis of extent 0 has no elements. */
export const hasPositions = ({ size }: Stage): boolean => size !== 0;

export interface ScanStage {
  readonly kind: "scan";
  readonly level: number;
  readonly scan: NodeId;
  /** The `result` nodes that read its outputs. */
  readonly results: readonly NodeId[];
  readonly reads: readonly Read[];
}

/** @file Messages between the page and the sandbox. The sandbox's answers come from untrusted code. */
import type { StackSize } from "../../compiler/dsl/traced-cell.ts";

/** Traces the cell that `source` exports. */
export interface Job {
  readonly id: number;
  readonly source: string;
  readonly sizes: readonly StackSize[];
  /** Some cells exist only at some sizes: those at which this one fails are left out, unless all do. */
  readonly anySize?: boolean;
}

export type Answer =
  /** Once, when the sandbox can take jobs: the names that a cell can import. */
  | { readonly kind: "ready"; readonly names: readonly string[] }
  /** The text that `encodeCell` made. */
  | { readonly kind: "traced"; readonly id: number; readonly cell: string }
  | { readonly kind: "fault"; readonly id: number; readonly fault: SourceFault };

export interface SourceFault {
  readonly message: string;
  /** From 1; missing where the fault is not of one line. */
  readonly line?: number;
  /** From 1. */
  readonly column?: number;
}

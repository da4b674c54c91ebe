/** @file Steps that hang on how large a dimension is, for schedules that do: in one program, in one memory. */
import { bucketOf, type Dim } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import type { Lowering } from "../lowering.ts";
import type { ScanStep } from "../program.ts";

/** What runs where the dimension is `atMost` at the most, or at any size. */
export interface BranchPlan {
  readonly atMost: number | undefined;
  readonly steps: () => readonly ScanStep[];
}

/**
 * Lowers every branch, from the smallest bucket on; the last has no bound. Of a dimension that is known only its own is
 * lowered.
 */
export function chooseSteps({ memory }: Lowering, dim: Dim, branches: readonly BranchPlan[]): readonly ScanStep[] {
  if (typeof dim === "number") return bucketOf(branches, dim)?.steps() ?? [];
  const lowered = memory.alternatives(branches.map(({ steps }) => steps));
  return [{ kind: "choose", dim, branches: branches.map(({ atMost }, i) => ({ atMost, steps: at(lowered, i) })) }];
}

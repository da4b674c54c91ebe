/** @file Steps that depend on the size of a dimension, for schedules that need them: one program, shared memory. */
import { bucketOf, type Dim } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import type { Lowering } from "../lowering.ts";
import type { ScanStep } from "../program.ts";

/** What runs if the dimension is at most `atMost`, or at any size if that is undefined. */
export interface BranchPlan {
  readonly atMost: number | undefined;
  readonly steps: () => readonly ScanStep[];
}

/**
 * Lowers every branch, in ascending order of `atMost`; the last has no bound. If the dimension is a known number, only
 * its own branch is lowered.
 */
export function chooseSteps({ memory }: Lowering, dim: Dim, branches: readonly BranchPlan[]): readonly ScanStep[] {
  if (typeof dim === "number") return bucketOf(branches, dim)?.steps() ?? [];
  const lowered = memory.alternatives(branches.map(({ steps }) => steps));
  return [{ kind: "choose", dim, branches: branches.map(({ atMost }, i) => ({ atMost, steps: at(lowered, i) })) }];
}

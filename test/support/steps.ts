/** @file The steps of a program with those of its choices, of all branches or of those that given sizes select. */
import { bucketOf, type DimSizes, evaluateDim } from "../../compiler/graph/dim.ts";
import type { Program, Step } from "../../compiler/plan/program.ts";

export function stepsIn({ steps }: Pick<Program<unknown>, "steps">, sizes?: DimSizes): readonly Step[] {
  return steps.flatMap((step): readonly Step[] => {
    if (step.kind !== "choose") return [step];
    const branches = sizes === undefined ? step.branches : [bucketOf(step.branches, evaluateDim(step.dim, sizes))];
    return branches.flatMap((branch) => (branch === undefined ? [] : stepsIn(branch, sizes)));
  });
}

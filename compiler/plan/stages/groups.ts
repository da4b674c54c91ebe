/** @file Which stages run together: stages of one level share a dispatch, scans and tree reductions run alone. */
import type { ScanStage, Stage } from "./stages.ts";

/** What runs as one step of the program: stages that share a dispatch, or a scan. */
export type Group = { readonly kind: "stages"; readonly stages: readonly Stage[] } | ScanStage;

/** Groups stages that are sorted by level. */
export function groupStages(stages: readonly (Stage | ScanStage)[]): Group[] {
  const levels = new Map<number, (Stage | ScanStage)[]>();
  for (const stage of stages) {
    const here = levels.get(stage.level);
    if (here === undefined) levels.set(stage.level, [stage]);
    else here.push(stage);
  }
  return [...levels.values()].flatMap((here): Group[] => {
    const plain = here.filter((stage) => stage.kind === "stage");
    const shared = shareDispatches(plain).map((group): Group => ({ kind: "stages", stages: group }));
    return [...shared, ...here.filter((stage) => stage.kind === "scan")];
  });
}

export function membersOf(group: Group): readonly (Stage | ScanStage)[] {
  return group.kind === "scan" ? [group] : group.stages;
}

/** Stages of one level that can share a dispatch, in order; stages that use barriers run alone. */
function shareDispatches(stages: readonly Stage[]): Stage[][] {
  const alone = stages.filter(({ form }) => form === "tree");
  const together = stages.filter(({ form }) => form !== "tree");
  return [...(together.length > 0 ? [together] : []), ...alone.map((stage) => [stage])];
}

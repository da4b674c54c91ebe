/** @file Which stages run together: those of one level share a dispatch, scans and tree reductions stand alone. */
import type { ScanStage, Stage } from "./stages.ts";

/** What runs as one step of the program: stages that share a dispatch, or a scan. */
export type Group = { readonly kind: "stages"; readonly stages: readonly Stage[] } | ScanStage;

/** The groups of stages that are ordered by their levels. */
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

/** Stages of one level that can share a dispatch, in order; those that use barriers stand alone. */
function shareDispatches(stages: readonly Stage[]): Stage[][] {
  const alone = stages.filter(({ form }) => form === "tree");
  const together = stages.filter(({ form }) => form !== "tree");
  return [...(together.length > 0 ? [together] : []), ...alone.map((stage) => [stage])];
}

/** @file Which stages run together: those of one level share a dispatch, scans and tree reductions stand alone. */
import { formOf } from "./emit-stage.ts";
import type { Region } from "./emit-values.ts";
import type { ScanStage, Stage } from "./stages.ts";

/** What runs as one step of the program: stages that share a dispatch, or a scan. */
export type Group = { readonly kind: "stages"; readonly stages: readonly Stage[] } | ScanStage;

export function groupStages(region: Region, stages: readonly (Stage | ScanStage)[]): Group[] {
  const levels = [...new Set(stages.map(({ level }) => level))];
  return levels.flatMap((level): Group[] => {
    const here = stages.filter((stage) => stage.level === level);
    const plain = here.filter((stage) => stage.kind === "stage");
    const shared = shareDispatches(region, plain).map((group): Group => ({ kind: "stages", stages: group }));
    return [...shared, ...here.filter((stage) => stage.kind === "scan")];
  });
}

export function membersOf(group: Group): readonly (Stage | ScanStage)[] {
  return group.kind === "scan" ? [group] : group.stages;
}

/** Stages of one level that can share a dispatch, in order; those that use barriers stand alone. */
function shareDispatches(region: Region, stages: readonly Stage[]): Stage[][] {
  const alone = stages.filter((stage) => formOf(region, stage) === "tree");
  const together = stages.filter((stage) => !alone.includes(stage));
  return [...(together.length > 0 ? [together] : []), ...alone.map((stage) => [stage])];
}

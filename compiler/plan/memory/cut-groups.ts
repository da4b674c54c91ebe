/**
 * @file Where values are in several buffers, a stage can read and write more of them than one kernel may bind. It is cut: into
 * parts that share nothing, which need not be in one kernel; or, if there are none, into one group for each stored value, which
 * load what the earlier ones have stored. What overwrites an input stays together with all that reads it, as long as that
 * fits: after that, it is computed beside the input and copied.
 */
import { at } from "../../graph/errors.ts";
import type { Graph, NodeId } from "../../graph/graph.ts";
import { cutStage, cutStageInOrder } from "../stages/components.ts";
import type { Group } from "../stages/groups.ts";
import type { Stage } from "../stages/stages.ts";

export interface CutContext {
  readonly graph: Graph;
  readonly stored: ReadonlySet<NodeId>;
  /** Output index -> the input whose buffer it reuses. */
  readonly donated: ReadonlyMap<number, NodeId>;
}

/** The ways to cut a group, in the order in which they are tried. */
export const cuts = ["apart", "in order", "beside inputs"] as const;

/** The groups to run in place of one; undefined if it cannot be cut so. */
export function cutGroup(
  group: Group,
  { graph, stored, donated }: CutContext,
  how: (typeof cuts)[number],
): readonly Group[] | undefined {
  if (group.kind === "scan") return undefined;
  const overwrittenBy = ({ roots }: Stage): ReadonlySet<NodeId> =>
    new Set([...donated].flatMap(([output, input]) => (roots.includes(at(graph.outputs, output)) ? [input] : [])));
  if (how === "apart") {
    const apart = group.stages.flatMap((stage) => cutStage(graph, stage, stored, overwrittenBy(stage), () => true));
    return apart.length === group.stages.length ? undefined : [{ kind: "stages", stages: apart }];
  }
  const together = (stage: Stage) => (how === "in order" ? overwrittenBy(stage) : new Set<NodeId>());
  const parts = group.stages.flatMap((stage) => cutStageInOrder(graph, stage, stored, together(stage)));
  if (parts.length === group.stages.length) return undefined;
  return parts.map((stage) => ({ kind: "stages", stages: [stage] }));
}

/**
 * @file Which stages of a step the lanes of a workgroup share, and in teams of how many: one lane that walked a row alone
 * would wait for every element. Where a workgroup has one row, all lanes have the values of stages of one position, such
 * as a mean of the row: what each lane computes for itself waits for nothing. A pure function of shapes, for GPUs.
 */
import { sizeOf } from "../../graph/dim.ts";
import { type DType, type Graph, nodeAt } from "../../graph/graph.ts";
import { storages } from "../../graph/storage.ts";
import { exchangedElements, type TeamLayout } from "../emit/lane-teams.ts";
import { loopExtentsOf } from "../stages/loops.ts";
import type { Stage } from "../stages/stages.ts";
import type { TileOptions } from "../stages/tiles.ts";

/** Terms from which lanes share a reduction, and lanes of a team, at least. */
const fewTerms = 8;
const fewLanes = 4;

export interface WorkgroupShape {
  /** Rows that a workgroup has, and those for which its lanes are arranged: more, where memory is short. */
  readonly rows: number;
  readonly arrangedRows: number;
  readonly workgroupSize: number;
  readonly widthOf: (stage: Stage) => number;
  readonly neighbours: number;
  /** Whether there is workgroup memory in which lanes can exchange. */
  readonly isShared: boolean;
}

/** The teams of each stage that lanes share. */
export function teamsOf(
  body: Graph,
  stages: readonly Stage[],
  shape: WorkgroupShape,
  { target }: TileOptions,
): ReadonlyMap<Stage, TeamLayout> {
  if (target !== "gpu") return new Map();
  const shared = stages.flatMap((stage): [Stage, TeamLayout][] => {
    const layout = shape.isShared ? sharedLayout(body, stage, shape) : undefined;
    return layout === undefined ? [] : [[stage, layout]];
  });
  const alone = { size: 1, count: 1, inARow: true, neighbours: 1, lanes: shape.workgroupSize };
  const isUniform = (stage: Stage) => stage.form !== "tile" && shape.rows === 1 && shape.widthOf(stage) === 1;
  const others = stages.filter(isUniform).map((stage) => [stage, alone] as const);
  return new Map([...others, ...shared]);
}

/** The teams of a stage whose reductions are worth it. How many terms a lane adds up depends on the arranged rows only. */
function sharedLayout(
  body: Graph,
  stage: Stage,
  { rows, arrangedRows, workgroupSize, widthOf, neighbours }: WorkgroupShape,
): TeamLayout | undefined {
  const { loops } = stage;
  const isReduction = loops.every((id) => ["sum", "reduceMax"].includes(nodeAt(body, id).op));
  if (loops.length === 0 || !isReduction) return undefined;
  const terms = Math.max(...loops.map((id) => Number(sizeOf(loopExtentsOf({ graph: body }, id)))));
  const width = widthOf(stage);
  const most = 2 ** Math.floor(Math.log2(workgroupSize / Math.max(1, arrangedRows * width)));
  if (terms < fewTerms || most < fewLanes) return undefined;
  let near = neighbours;
  while (workgroupSize % near !== 0) near /= 2;
  // Lanes without an element of the only row need the result too: they read it in workgroup memory.
  const fewest = arrangedRows * width === 1 ? Math.min(most, 2 * near) : fewLanes;
  const size = Math.min(most, Math.max(fewest, 2 ** Math.ceil(Math.log2(terms))));
  return { size, count: rows * width, inARow: true, neighbours: near, lanes: workgroupSize };
}

/** Bytes of workgroup memory in which teams exchange, at most: those of one layout share arrays of one type. */
export function exchangedBytes(body: Graph, teams: ReadonlyMap<Stage, TeamLayout>): number {
  const elements = new Map<string, number>();
  for (const [{ loops }, layout] of teams)
    for (const id of loops) {
      const { dtype } = nodeAt(body, id).aval;
      const key = `${layout.size} ${layout.count} ${dtype}`;
      elements.set(key, Math.max(elements.get(key) ?? 0, exchangedElements(layout, loops.length)));
    }
  return [...elements].reduce((sum, [key, count]) => sum + storages[key.split(" ").at(-1) as DType].bytes * count, 0);
}

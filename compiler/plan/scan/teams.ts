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
  readonly rowsPerWorkgroup: number;
  readonly workgroupSize: number;
  readonly widthOf: (stage: Stage) => number;
  /** Bytes of workgroup memory that are left for exchanges. */
  readonly bytesLeft: number;
}

/** The teams of each stage that lanes share, and the bytes of workgroup memory in which they exchange. */
export function teamsOf(
  body: Graph,
  stages: readonly Stage[],
  shape: WorkgroupShape,
  tiles: TileOptions,
): { readonly teams: ReadonlyMap<Stage, TeamLayout>; readonly bytes: number } {
  if (tiles.target !== "gpu") return { teams: new Map(), bytes: 0 };
  const shared = stages.flatMap((stage): [Stage, TeamLayout][] => {
    const layout = sharedLayout(body, stage, shape, tiles.neighbours ?? 1);
    return layout === undefined ? [] : [[stage, layout]];
  });
  const bytes = exchangedBytes(body, shared);
  const isPossible = bytes <= shape.bytesLeft;
  const alone = { size: 1, count: 1, inARow: true, neighbours: 1, lanes: shape.workgroupSize };
  const isUniform = (stage: Stage) =>
    stage.form !== "tile" && shape.rowsPerWorkgroup === 1 && shape.widthOf(stage) === 1;
  const others = stages.filter(isUniform).map((stage) => [stage, alone] as const);
  return { teams: new Map([...others, ...(isPossible ? shared : [])]), bytes: isPossible ? bytes : 0 };
}

/** The teams of a stage whose reductions are worth it. */
function sharedLayout(
  body: Graph,
  stage: Stage,
  { rowsPerWorkgroup, workgroupSize, widthOf }: WorkgroupShape,
  neighbours: number,
): TeamLayout | undefined {
  const { loops } = stage;
  const isReduction = loops.every((id) => ["sum", "reduceMax"].includes(nodeAt(body, id).op));
  if (loops.length === 0 || !isReduction) return undefined;
  const terms = Math.max(...loops.map((id) => Number(sizeOf(loopExtentsOf({ graph: body }, id)))));
  const count = rowsPerWorkgroup * widthOf(stage);
  const most = 2 ** Math.floor(Math.log2(workgroupSize / Math.max(1, count)));
  if (terms < fewTerms || most < fewLanes) return undefined;
  let near = neighbours;
  while (workgroupSize % near !== 0) near /= 2;
  // Lanes without an element of the only row need the result too: they read it in workgroup memory.
  const fewest = count === 1 ? Math.min(most, 2 * near) : fewLanes;
  const size = Math.min(most, Math.max(fewest, 2 ** Math.ceil(Math.log2(terms))));
  return { size, count, inARow: true, neighbours: near, lanes: workgroupSize };
}

/** Bytes of workgroup memory in which teams exchange, at most: those of one layout share arrays of one type. */
function exchangedBytes(body: Graph, teams: readonly (readonly [Stage, TeamLayout])[]): number {
  const elements = new Map<string, number>();
  for (const [{ loops }, layout] of teams)
    for (const id of loops) {
      const { dtype } = nodeAt(body, id).aval;
      const key = `${layout.size} ${layout.count} ${dtype}`;
      elements.set(key, Math.max(elements.get(key) ?? 0, exchangedElements(layout, loops.length)));
    }
  return [...elements].reduce((sum, [key, count]) => sum + storages[key.split(" ").at(-1) as DType].bytes * count, 0);
}

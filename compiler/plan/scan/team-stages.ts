/**
 * @file Stages of a step by all lanes of a workgroup (teams.ts). Where there is one position, such as the mean of a row,
 * every lane has its value afterwards, in a register: no stage reads it in memory.
 */
import { sizeOf } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import { nodeAt } from "../../graph/graph.ts";
import type { LaneTeams } from "../emit/lane-teams.ts";
import { loopGroups, type Position, rememberLoop, runLoops, startLoop, termOf } from "../emit/loops.ts";
import { combineSums, sumTerms } from "../emit/shared-reduction.ts";
import { Emitter } from "../emit/values.ts";
import type { Accumulator } from "../stages/accumulators.ts";
import { loopExtentsOf } from "../stages/loops.ts";
import type { Stage } from "../stages/stages.ts";
import { type StageContext, sizePerRow } from "./persistent-stages.ts";

export function writeTeamStage(context: StageContext, stage: Stage, teams: LaneTeams): void {
  const { plan, writer: w, region, rows, stores } = context;
  rows.enterBlock();
  const emitter = new Emitter(w, { region, ids: stage.roots });
  const width = sizePerRow(region, stage, plan.rows);
  const { count } = teams.layout;
  const own = w.index.of(teams.team, count);
  const [local, column] = [w.index.div(own, w.index.dim(width)), w.index.mod(own, w.index.dim(width))];
  const position = rows.at(local, column);
  for (const group of loopGroups(region, stage.accumulators)) {
    if (teams.layout.size === 1) {
      for (const { id, registers } of runLoops(emitter, region, group, [position]))
        rememberLoop(emitter, region, id, position, at(registers, 0));
      continue;
    }
    const sums = partsOf(context, emitter, group, position, teams);
    rows.enterBlock();
    for (const [i, total] of combineSums(w, region, teams, group, sums).entries())
      rememberLoop(emitter, region, at(group, i).result, position, total);
  }
  const values = stage.roots.map((id) => {
    const index = position.indexIn(nodeAt(region.graph, id).aval.shape);
    const value = emitter.compute(region, id, index);
    // A copy, since it may be the register of a carry, which changes before the last stage reads the value.
    return { id, index, value: count === 1 ? w.let(w.fresh("uniform"), value) : value };
  });
  if (count === 1) for (const { id, value } of values) stores.inAllLanes(id, value);
  w.if(teams.isFirst, () => {
    for (const { id, index, value } of values) stores.everywhere(emitter, id, index, value);
  });
}

/** What a lane adds to the results of some accumulators. */
function partsOf(
  { plan, writer: w, region, rows }: StageContext,
  emitter: Emitter,
  group: readonly Accumulator[],
  position: Position,
  teams: LaneTeams,
) {
  const extents = loopExtentsOf(region, at(at(group, 0).loops, 0));
  const terms = Number(sizeOf(extents));
  const { size, count } = teams.layout;
  if (plan.arrangedRows * count > 1 || terms > size) {
    const share = { work: { down: size, chunks: 1 }, teams, chunk: w.u32(0) };
    return sumTerms(emitter, region, share, group, position);
  }
  // A lane reads the element that it computes in a stage of this width, which it has in a register.
  const registers = group.map(({ loops }) => startLoop(w, region, at(loops, 0)));
  const index = emitter.indexAt(rows.element(terms), extents);
  w.if(w.less(w.lane, w.u32(terms)), () => {
    rows.enterBlock();
    for (const [i, { loops }] of group.entries())
      w.assign(at(registers, i), termOf(emitter, region, at(loops, 0), position, { index }));
  });
  return registers;
}

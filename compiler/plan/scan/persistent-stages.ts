/** @file The stages of a step in the persistent schedule: which lane computes which elements, and when it stores them. */
import { type Dim, sizeOf } from "../../graph/dim.ts";
import { at, InternalError } from "../../graph/errors.ts";
import { type NodeId, nodeAt } from "../../graph/graph.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import type { Expr } from "../../kernel/ir.ts";
import type { PlacedBuilder } from "../emit/placed-builder.ts";
import { emitPositions } from "../emit/stage.ts";
import { Emitter, type Region, valueKey } from "../emit/values.ts";
import type { Location } from "../program.ts";
import type { Stage } from "../stages/stages.ts";
import { sharesRows } from "../stages/tiles.ts";
import type { PersistentPlan } from "./persistent-plan.ts";
import type { WorkgroupRows } from "./workgroup-rows.ts";

/** Stores elements of roots. */
export interface RootStores {
  /** In the registers of all lanes of a column; in uniform control flow. */
  readonly inRegisters: (id: NodeId, index: readonly Index[], value: Expr) => void;
  /** In a register of every lane of the workgroup: the only element of a value to a row, which all of them have. */
  readonly inAllLanes: (id: NodeId, value: Expr) => void;
  /** Where other stages and the next step read it. */
  readonly inWorkgroup: (emitter: Emitter, id: NodeId, index: readonly Index[], value: Expr) => void;
  /** The results of the scan that it is part of at every step, and where an element is in them. */
  readonly results: (id: NodeId) => readonly Location[];
  readonly placeInResult: (emitter: Emitter, id: NodeId, index: readonly Index[]) => Index;
  /** All of these. */
  readonly everywhere: (emitter: Emitter, id: NodeId, index: readonly Index[], value: Expr) => void;
}

export interface StageContext {
  readonly plan: PersistentPlan;
  readonly writer: PlacedBuilder;
  readonly region: Region;
  readonly rows: WorkgroupRows;
  readonly stores: RootStores;
}

export function writeStage(context: StageContext, stage: Stage): void {
  const { plan, writer: w, region } = context;
  const emitter = new Emitter(w, { region, ids: stage.roots });
  const width = sizePerRow(region, stage, plan.rows);
  if (stage.form !== "tile") {
    writeElements(context, stage, emitter, width);
    return;
  }
  w.stage(() => writeTiles(context, stage, emitter, width));
}

function writeTiles(
  { plan, writer: w, region, rows, stores }: StageContext,
  stage: Stage,
  emitter: Emitter,
  width: number,
): void {
  const { tiles, tileOf, workgroupSize, rowsPerWorkgroup } = plan;
  const storeRoot = (id: NodeId, index: readonly Index[], value: Expr) => stores.everywhere(emitter, id, index, value);
  if (tiles.target === "cpu") {
    rows.overVectors(width, tileOf(stage), (owned) => emitPositions(emitter, region, stage, owned, storeRoot));
    return;
  }
  const { columns } = tileOf(stage);
  const lanes = width / columns;
  const sharing = sharesRows({ rows: rowsPerWorkgroup, columns }, lanes, tiles);
  const turns = Math.ceil(lanes / workgroupSize);
  const isExact = lanes === turns * workgroupSize;
  // Every lane takes part in every iteration, since lanes may share their loads; lanes beyond the last column store
  // nothing.
  const axis = { extent: turns, role: "columns" } as const;
  const inTurns = (write: (own: Expr) => void) => {
    const loop = { axis, name: "turn", first: w.u32(0), end: w.u32(turns), step: w.u32(1) };
    if (turns === 1) write(w.lane);
    else w.for(loop, (turn) => write(w.add(w.lane, w.mul(turn, w.u32(workgroupSize)))));
  };
  inTurns((own) => {
    const column0 = w.let("column0", isExact ? own : w.min(own, w.u32(lanes - 1)));
    rows.enterBlock();
    const exists = isExact ? undefined : w.less(own, w.u32(lanes));
    emitPositions(emitter, region, stage, rows.tile(column0, columns, lanes, sharing, exists), storeRoot);
  });
}

/**
 * A stage of one element to a lane. Where a lane has one element of every stage of a width, what it computes stays in a
 * register for those stages; others read it in workgroup memory. A width of 1, which is at one index in all lanes, is
 * that of a team (teams.ts).
 */
function writeElements(
  { plan, writer: w, region, rows, stores }: StageContext,
  stage: Stage,
  emitter: Emitter,
  width: number,
): void {
  const isKept = (id: NodeId) => rows.hasElement(width) && plan.teams.size > 0 && plan.slots.has(id);
  const kept = new Map(
    stage.roots.filter(isKept).map((id) => {
      const { dtype } = nodeAt(region.graph, id).aval;
      return [id, w.var(w.fresh("kept"), w.literal(0, dtype))] as const;
    }),
  );
  w.stage(() =>
    rows.overElements(width, (position) =>
      emitPositions(emitter, region, stage, { positions: [position] }, (id, index, value) => {
        const register = kept.get(id);
        if (register !== undefined) w.assign(register, value);
        stores.everywhere(emitter, id, index, register ?? value);
      }),
    ),
  );
  if (kept.size === 0) return;
  const position = rows.single(rows.element(width));
  for (const [id, register] of kept)
    w.remember(valueKey(region, id, position.indexIn(nodeAt(region.graph, id).aval.shape)), register);
}

/** Positions of a stage in one row. */
export function sizePerRow(region: Region, stage: Stage, rows: Dim): number {
  const id = at([...stage.loops, ...stage.roots], 0);
  const { shape } = nodeAt(region.graph, id).aval;
  if (shape[0] !== rows) throw new InternalError(`%${id} has no rows`);
  return Number(sizeOf(shape.slice(1)));
}

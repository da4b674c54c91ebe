/**
 * @file Whether a scan can run persistently, and how: the rows of a workgroup, what is in workgroup memory, how wide
 * the tiles are.
 */

import { type Dim, sizeOf } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import { type NodeId, nodeAt, type ScanNode } from "../../graph/graph.ts";
import { storages } from "../../graph/storage.ts";
import type { TeamLayout } from "../emit/lane-teams.ts";
import type { Lowering, ScanContext } from "../lowering.ts";
import { areWordsTorn, nodesOfBodyInHalf } from "../memory/halves.ts";
import type { Location } from "../program.ts";
import { formStages } from "../stages/form-stages.ts";
import type { Group } from "../stages/groups.ts";
import type { Stage } from "../stages/stages.ts";
import { chooseTile, type Target, type Tile, type TileOptions, vectorLanes } from "../stages/tiles.ts";
import type { Tuning } from "../tuning.ts";
import { arrangeRows, headsApart, type SeparableRows } from "./arrange-rows.ts";
import { type Arrangement, fitRows } from "./fit-rows.ts";
import type { HeadsAsRows } from "./heads.ts";
import { haveParts, layoutOf, type Panels, planPanels, withFewerRows } from "./panels.ts";
import { type Crowding, planResidency, type Residency } from "./residency.ts";
import { resultPlaces, scanOf } from "./scan-context.ts";
import { findSlots, type Slots } from "./slots.ts";
import { teamsOf } from "./teams.ts";

export interface PersistentPlan {
  readonly node: ScanNode;
  /** Number of rows: of the batch, or of the batch times heads. */
  readonly rows: Dim;
  /** If a row is one head of a row of the batch. */
  readonly heads: HeadsAsRows | undefined;
  readonly rowsPerWorkgroup: number;
  /** Rows for which the lanes are arranged: more than there are, where memory is short. */
  readonly arrangedRows: number;
  readonly workgroupSize: number;
  readonly stages: readonly Stage[];
  readonly groups: readonly Group[];
  /** Keyed by carry input or by value. */
  readonly slots: ReadonlyMap<NodeId, Slots>;
  /** Where the results are stored, by their index. */
  readonly results: ReadonlyMap<number, Location>;
  /** Rows and columns of a product that an invocation computes together. */
  readonly tileOf: (stage: Stage) => Tile;
  readonly tiles: TileOptions;
  /** The teams of lanes that share the reductions of a stage. */
  readonly teams: ReadonlyMap<Stage, TeamLayout>;
  /** Bytes of workgroup memory. */
  readonly bytes: number;
  /** How lanes hold the weights of products for the whole sequence; undefined if they read them in every step. */
  readonly residency: Residency | undefined;
  /** How lanes of a GPU share products whose weights they read in every step. */
  readonly panels: Panels | undefined;
}

/** Whether the lanes of a column compute the values of a stage at that column: those that its products give. */
export function isOfColumns(
  { node, residency, teams, stages }: Pick<PersistentPlan, "node" | "residency" | "teams" | "stages">,
  stage: Stage,
): boolean {
  if (residency === undefined || stage.form === "tile") return stage.form === "tile";
  const { body } = node.attrs;
  // With one lane to a column, or teams, which read elements of lanes in a row, each lane has an element. After the only
  // product of a step, lanes wait for each other whatever they read next.
  const inARow = stages.filter(({ form }) => form === "tile").length > 1;
  const isElement = stage.loops.length === 0 && teams.size === 0 && residency.slices > 1 && inARow;
  return (
    isElement &&
    stage.roots.every(
      (id) => Number(sizeOf(nodeAt(body, id).aval.shape.slice(1))) * residency.slices === residency.lanes,
    )
  );
}

export type PersistentChoice =
  | { readonly plan: PersistentPlan; readonly reason: string; readonly against: string | undefined }
  | { readonly plan: undefined; readonly reason: string };

const maxLanes: Record<Target, number> = { gpu: 256, software: 256, cpu: vectorLanes };
const minLanes: Record<Target, number> = { gpu: 32, software: 4, cpu: vectorLanes };
const preferredRows: Record<Target, number> = { gpu: 1, software: 8, cpu: 4 };

/**
 * Bytes of weights above which one workgroup that reads all of them in every step is slower than one dispatch per step,
 * which spreads them over the device.
 */
const mostWeightBytes = 4 * 2 ** 20;

/** The same where the lanes load vectors of weights that are packed for them (panels.ts), for several rows at once. */
const mostPanelBytes = 8 * 2 ** 20;

/**
 * Bytes of weights that the cache of a CPU core keeps from step to step; if there are more, rows must share the loads.
 */
const cachedBytes = 2 ** 19;

/**
 * `weightsStay` asks for the weights in registers, for few or many rows of the batch; `rowsAtMost` for fewer or more rows
 * of a workgroup than the target prefers.
 */
export function planPersistent(
  lowering: Lowering,
  context: ScanContext,
  weightsStay?: Crowding,
  rowsAtMost?: number,
): PersistentChoice {
  if (scanOf(context).attrs.length === 0) return { plan: undefined, reason: "it has no steps" };
  const results = resultPlaces(context);
  const { target } = lowering.tiles;
  const together = arrangeRows(scanOf(context), results, target !== "cpu");
  if (together.node === undefined) return { plan: undefined, reason: together.reason };
  if (weightsStay === undefined) {
    const arranged = target === "gpu" ? headsApart(together, results) : together;
    return planRows(lowering, context, arranged, undefined, rowsAtMost);
  }
  // Apart, heads are more workgroups than there are cores, where a batch is large.
  const choice = planRows(lowering, context, together, weightsStay);
  if (choice.plan !== undefined) return choice;
  const apart = headsApart(together, results);
  return apart.heads === undefined && apart.joined === undefined
    ? choice
    : planRows(lowering, context, apart, weightsStay);
}

function planRows(
  lowering: Lowering,
  context: ScanContext,
  { node, analysis, outputs, isMoved, heads, joined }: SeparableRows,
  weightsStay: Crowding | undefined,
  rowsAtMost?: number,
): PersistentChoice {
  const results = resultPlaces(context);
  const { target, tuning = {} } = lowering.tiles;
  const { attrs } = node;
  const { body } = attrs;
  const { stages: formed, stored, groups } = formStages(body, outputs);
  const stages = formed.filter((stage) => stage.kind === "stage");
  if (areWordsTorn(body, stages, results))
    return {
      plan: undefined,
      reason: "two results in f16 share a word, and its stages for single rows compute them apart",
    };
  const order = new Map<Stage, number>();
  for (const [i, group] of groups.entries())
    if (group.kind === "stages") for (const stage of group.stages) order.set(stage, i);
  const inMemory = findSlots(node, stages, order, stored);
  const choice =
    weightsStay !== undefined
      ? planResidency(
          lowering,
          body,
          attrs.consts,
          stages,
          (id) => inMemory.get(id)?.width,
          nodesOfBodyInHalf(context.outer.graph, node),
          weightsStay,
        )
      : undefined;
  if (choice !== undefined && choice.residency === undefined)
    return { plan: undefined, reason: aboutHeads(choice.reason, heads, joined) };
  const residency = choice?.residency;
  const limit = lowering.workgroupBytes;
  const weights = weightBytes(node) / (heads?.heads ?? 1);
  const preferred = target === "cpu" && weights > cachedBytes ? 2 * preferredRows.cpu : preferredRows[target];
  const known = typeof analysis.rows === "number" ? analysis.rows : Number.POSITIVE_INFINITY;
  const mostRows = residency === undefined ? Number.POSITIVE_INFINITY : 1;
  const most = Math.min(
    mostRows,
    tuning.persistentRows ?? rowsAtMost ?? preferred,
    lowering.tiles.maxRows ?? Number.POSITIVE_INFINITY,
    known,
  );
  const wantedRows = 2 ** Math.floor(Math.log2(Math.max(1, most)));
  const widthOf = (stage: Stage) =>
    Number(sizeOf(nodeAt(body, at([...stage.loops, ...stage.roots], 0)).aval.shape.slice(1)));
  const tileFor = (rows: number, stage: Stage): Tile => {
    const own = { ...tuning, tileColumns: tuning.persistentColumns };
    const choose = (tuned: Tuning) =>
      chooseTile(rows, widthOf(stage), stage.accumulators.length, { ...lowering.tiles, tuning: tuned });
    // On a CPU the rows of a workgroup need not fit in registers.
    if (target === "cpu") return choose(own);
    // A GPU hides latency with lanes; a software adapter saves loads with columns.
    const isNarrow = target === "gpu" && tuning.persistentColumns === undefined;
    return { rows, columns: isNarrow ? 1 : choose({ ...own, tileRows: rows }).columns };
  };
  const tiled = stages.filter(({ form }) => form === "tile");
  const lanesFor = (rows: number, panels: Panels | undefined) => {
    // As many lanes as the widest product has columns: more lanes would repeat its work.
    const widest = Math.max(
      1,
      ...(tiled.length > 0 ? tiled : stages).map((stage) => widthOf(stage) / tileFor(rows, stage).columns),
    );
    return (
      residency?.lanes ??
      panels?.lanes ??
      Math.min(maxLanes[target], Math.max(minLanes[target], 2 ** Math.ceil(Math.log2(widest))))
    );
  };
  const isWide = weightsStay !== undefined || tuning.persistentColumns !== undefined;
  const arrangementOf = (arrangedRows: number, lanesAtMost: number): Arrangement => {
    const some = { ...lowering, maxInvocations: lanesAtMost };
    const panels = isWide ? undefined : planPanels(some, body, attrs.consts, stages, arrangedRows);
    const workgroupSize = lanesFor(arrangedRows, panels);
    return {
      residency,
      panels,
      slots:
        residency === undefined && panels === undefined
          ? inMemory
          : findSlots(node, stages, order, stored, residency, panels),
      teamsOf: (rows, neighbours, isShared) =>
        teamsOf(body, stages, { rows, arrangedRows, workgroupSize, widthOf, neighbours, isShared }, lowering.tiles),
    };
  };
  // With fewer lanes there are fewer sums to leave in memory.
  const arrangementsFor = (rows: number) =>
    [1, 2, 4].map((part) => arrangementOf(rows, lowering.maxInvocations / part));
  const fit = fitRows(body, arrangementsFor, wantedRows, lowering.neighbours, limit);
  const memory = target === "cpu" ? "a thread's memory" : "workgroup memory";
  if (typeof fit === "number")
    return { plan: undefined, reason: `one row needs ${fit} bytes of ${memory}, the device has ${limit}` };
  const { rows, arrangedRows, bytes, teams } = fit;
  const { slots } = fit.arrangement;
  const panels = fit.arrangement.panels && withFewerRows(fit.arrangement.panels, lowering, rows);
  const tileOf = (stage: Stage) => tileFor(rows, stage);
  const workgroupSize = lanesFor(target === "gpu" ? arrangedRows : rows, panels);
  // Every lane has these values in registers. A carry that is one of them is stored for the next step.
  for (const [{ roots }, { count }] of teams)
    if (count === 1) for (const id of roots) if (nodeAt(body, id).op !== "input") slots.delete(id);
  // So have the lanes of a column, of what they read at that column only.
  const ofColumns = stages.filter((stage) => isOfColumns({ node, residency, teams, stages }, stage));
  for (const { roots } of residency === undefined ? [] : ofColumns)
    for (const id of roots)
      if (
        nodeAt(body, id).op !== "input" &&
        stages.every((reader) =>
          reader.reads.every((read) => read.id !== id || (read.samePosition && ofColumns.includes(reader))),
        )
      )
        slots.delete(id);
  return {
    plan: {
      node,
      rows: analysis.rows,
      heads,
      rowsPerWorkgroup: rows,
      arrangedRows,
      workgroupSize,
      stages,
      groups,
      slots,
      results,
      tileOf,
      tiles: lowering.tiles,
      teams,
      bytes,
      residency: residency && { ...residency, mostSums: fit.sumsTogether },
      panels,
    },
    reason: aboutHeads(
      residency === undefined
        ? `rows of the batch are independent, and ${rows} of them take ${bytes} bytes of ${memory}`
        : `${residency.lanes} lanes hold the weights of a step in registers, ${residency.weights} to a lane${residency.registers < residency.weights ? ", two to a register" : ""}`,
      heads,
      joined,
    ),
    against: reasonAgainst(lowering.tiles, weights, isMoved, residency, panels),
  };
}

/** What the order of sums follows from: plans of a scan in which it is equal have the same results, bit for bit. */
export function orderOfSums({ panels, teams }: PersistentPlan): string {
  const sizes = [...teams.values()].map(({ size }) => size);
  const parts = panels !== undefined && haveParts(panels) ? panels.together : 0;
  return JSON.stringify([panels && layoutOf(panels), parts, sizes]);
}

/** A reason, with what it says about heads: that each is a row, or why they are not. */
function aboutHeads(reason: string, heads: HeadsAsRows | undefined, joined: string | undefined): string {
  if (heads !== undefined) return `${reason}; each of ${heads.heads} heads of the batch's rows is a row`;
  return joined === undefined ? reason : `${reason}; heads share a workgroup, since ${joined}`;
}

function reasonAgainst(
  { target, tuning = {} }: TileOptions,
  weights: number,
  isMoved: boolean,
  residency: Residency | undefined,
  panels: Panels | undefined,
): string | undefined {
  if (residency !== undefined) {
    if (target !== "gpu") return "a software adapter has no registers to keep weights in";
    const isTuned = tuning.persistentRows !== undefined || tuning.persistentColumns !== undefined;
    return isTuned ? "its tuning is that of a persistent workgroup" : undefined;
  }
  if (isMoved && target === "software")
    return "rows share the matrices of a stack in tiles, and a software adapter needs that";
  const most = panels === undefined ? mostWeightBytes : mostPanelBytes;
  return target !== "cpu" && weights > most
    ? `${weights} bytes of weights are too many for one workgroup to read in every step`
    : undefined;
}

/** Bytes that the body reads in every step, whatever the row: its consts of known size. */
function weightBytes({ attrs }: ScanNode): number {
  const { body, consts } = attrs;
  return body.inputs.slice(0, consts).reduce((sum, id) => {
    const { aval } = at(body.nodes, id);
    const size = sizeOf(aval.shape);
    return sum + (typeof size === "number" ? storages[aval.dtype].bytes * size : 0);
  }, 0);
}

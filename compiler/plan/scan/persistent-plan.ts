/**
 * @file Whether a scan can run persistently, and how: the rows of a workgroup, what is in workgroup memory, how wide
 * the tiles are.
 *
 * Workgroup memory holds each carry and each value that crosses invocations within a step. A carry that is read only at
 * its own position, and not after its next value is written, needs one slot; any other needs two that alternate.
 */

import { type Dim, sizeOf } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import { type NodeId, nodeAt, type ScanNode } from "../../graph/graph.ts";
import { storages } from "../../graph/storage.ts";
import { bodyInputs } from "../../ops/scan.ts";
import type { TeamLayout } from "../emit/lane-teams.ts";
import type { Lowering, ScanContext } from "../lowering.ts";
import { areWordsTorn, nodesOfBodyInHalf } from "../memory/halves.ts";
import type { Location } from "../program.ts";
import { formStages } from "../stages/form-stages.ts";
import type { Group } from "../stages/groups.ts";
import { readsAfterLoops } from "../stages/reads.ts";
import type { Stage } from "../stages/stages.ts";
import { chooseTile, type Target, type Tile, type TileOptions, vectorLanes } from "../stages/tiles.ts";
import type { Tuning } from "../tuning.ts";
import { arrangeRows, headsApart, type SeparableRows } from "./arrange-rows.ts";
import type { HeadsAsRows } from "./heads.ts";
import { type Panels, planPanels, rowInSlot, slotPadding } from "./panels.ts";
import { type Crowding, padding, planResidency, type Residency } from "./residency.ts";
import { resultPlaces, scanOf } from "./scan-context.ts";
import { teamsOf } from "./teams.ts";

/** Workgroup memory for one value of the body: elements per row, and how many copies alternate. */
export interface Slots {
  readonly width: number;
  readonly count: 1 | 2;
  /** Into how many slices a row is cut, one for each lane of a column; 1 unless weights stay in registers. */
  readonly slices: number;
}

export interface PersistentPlan {
  readonly node: ScanNode;
  /** Number of rows: of the batch, or of the batch times heads. */
  readonly rows: Dim;
  /** If a row is one head of a row of the batch. */
  readonly heads: HeadsAsRows | undefined;
  readonly rowsPerWorkgroup: number;
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
  let rows = 2 ** Math.floor(Math.log2(Math.max(1, most)));
  const layoutOf = (count: number) => {
    const isWide = weightsStay !== undefined || tuning.persistentColumns !== undefined;
    const panels = isWide ? undefined : planPanels(lowering, body, attrs.consts, stages, count);
    const slots =
      residency === undefined && panels === undefined
        ? inMemory
        : findSlots(node, stages, order, stored, residency, panels);
    const ofValues = [...slots].reduce(
      (sum, [id, of]) =>
        sum + storages[nodeAt(body, id).aval.dtype].bytes * slotLength(of, count, panels) * of.count * of.slices,
      0,
    );
    return { panels, slots, bytes: ofValues + exchangeBytes(residency) + sumBytes(panels, count) };
  };
  let layout = layoutOf(rows);
  while (rows > 1 && layout.bytes > limit) {
    rows /= 2;
    layout = layoutOf(rows);
  }
  const { panels, slots, bytes } = layout;
  const memory = target === "cpu" ? "a thread's memory" : "workgroup memory";
  if (bytes > limit)
    return { plan: undefined, reason: `one row needs ${bytes} bytes of ${memory}, the device has ${limit}` };
  const widthOf = (stage: Stage) =>
    Number(sizeOf(nodeAt(body, at([...stage.loops, ...stage.roots], 0)).aval.shape.slice(1)));
  const tileOf = (stage: Stage): Tile => {
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
  // As many lanes as the widest product has columns: more lanes would repeat its work.
  const widest = Math.max(
    1,
    ...(tiled.length > 0 ? tiled : stages).map((stage) => widthOf(stage) / tileOf(stage).columns),
  );
  const workgroupSize =
    residency?.lanes ??
    panels?.lanes ??
    Math.min(maxLanes[target], Math.max(minLanes[target], 2 ** Math.ceil(Math.log2(widest))));
  const bytesLeft = limit - bytes;
  const shared = teamsOf(body, stages, { rowsPerWorkgroup: rows, workgroupSize, widthOf, bytesLeft }, lowering.tiles);
  // Every lane has these values in registers. A carry that is one of them is stored for the next step.
  for (const [{ roots }, { count }] of shared.teams)
    if (count === 1) for (const id of roots) if (nodeAt(body, id).op !== "input") slots.delete(id);
  return {
    plan: {
      node,
      rows: analysis.rows,
      heads,
      rowsPerWorkgroup: rows,
      workgroupSize,
      stages,
      groups,
      slots,
      results,
      tileOf,
      tiles: lowering.tiles,
      teams: shared.teams,
      bytes: bytes + shared.bytes,
      residency,
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

/** Bytes of workgroup memory in which the lanes of a column exchange their partial sums. */
function exchangeBytes(residency: Residency | undefined): number {
  if (residency === undefined || residency.inSubgroup || residency.slices === 1) return 0;
  return storages.f32.bytes * residency.lanes * residency.mostSums;
}

/** Bytes of workgroup memory in which lanes leave the sums of products for those that go on with them. */
function sumBytes(panels: Panels | undefined, rows: number): number {
  return panels === undefined ? 0 : storages.f32.bytes * (panels.slices / panels.neighbours) * rows * panels.sums;
}

/** Elements of a value in one slot, of all rows of a workgroup. */
export function slotLength({ width, slices }: Slots, rows: number, panels: Panels | undefined): number {
  if (panels === undefined || slices === 1) return (rows * width) / slices + padding(width, slices);
  const length = rows * rowInSlot(width, slices);
  return length + slotPadding(length, slices);
}

function findSlots(
  node: ScanNode,
  stages: readonly Stage[],
  order: ReadonlyMap<Stage, number>,
  stored: ReadonlySet<NodeId>,
  residency?: Residency,
  panels?: Panels,
): Map<NodeId, Slots> {
  const { attrs } = node;
  const { body } = attrs;
  const { carries } = bodyInputs(attrs);
  const reads = stages.flatMap((stage) =>
    stage.reads.map((read) => ({ ...read, stage, order: order.get(stage) ?? 0 })),
  );
  const writerOf = (id: NodeId) => stages.find((stage) => stage.roots.includes(id));
  const widthOf = (id: NodeId) => Number(sizeOf(nodeAt(body, id).aval.shape.slice(1)));
  const slots = new Map<NodeId, Slots>();
  const sharing = residency ?? panels;
  const slicesOf = (id: NodeId) => (sharing?.sliced.has(id) ? sharing.slices : 1);
  // Where lanes share the depth, products have read everything, and waited, before their stage stores.
  const waits = (stage: Stage, carry: NodeId) => {
    if (residency !== undefined && stage.form === "tile") return true;
    if (!panels?.groups.has(stage)) return false;
    const results = stage.accumulators.map(({ result }) => result);
    const later = readsAfterLoops(body, stage, results, stored);
    return later.every(({ id, samePosition }) => id !== carry || samePosition);
  };
  for (const [i, carry] of carries.entries()) {
    const writer = writerOf(at(body.outputs, i));
    const written = writer === undefined ? 0 : (order.get(writer) ?? 0);
    const isSafe = reads.every(
      (read) =>
        read.id !== carry ||
        read.order < written ||
        (read.stage === writer && (read.samePosition || waits(writer, carry))),
    );
    slots.set(carry, { width: widthOf(carry), count: isSafe ? 1 : 2, slices: slicesOf(carry) });
  }
  for (const id of stored) {
    const writer = writerOf(id);
    if (nodeAt(body, id).op !== "input" && reads.some((read) => read.id === id && read.stage !== writer))
      slots.set(id, { width: widthOf(id), count: 1, slices: slicesOf(id) });
  }
  return slots;
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

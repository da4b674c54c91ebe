/**
 * @file The persistent schedule: one dispatch for a whole sequence. A workgroup owns some rows of the batch and walks
 * all steps; its states and the values that cross invocations are in workgroup memory, and barriers separate stages.
 * Rows of a batch are independent inside a recurrence, so no barrier across workgroups is needed.
 *
 * A long sequence is cut into chunks (chunks.ts): dispatches of the same kernel, each with a range of steps. Each one
 * loads the carries that the previous one stored, and stores its own at the end; those of the last are the scan's
 * results. Steps are counted from the start of the sequence, so slots alternate as in an uncut run.
 */

import { mulDims, sizeOf } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import { type NodeId, nodeAt } from "../../graph/graph.ts";
import { globalArray } from "../../kernel/builder.ts";
import type { SharedPlace } from "../../kernel/ir.ts";
import { bodyInputs } from "../../ops/scan.ts";
import { finishKernel } from "../emit/kernel.ts";
import { PlacedBuilder } from "../emit/placed-builder.ts";
import type { Lowering, ScanContext, ScanPlan, ScanSchedule } from "../lowering.ts";
import type { Dispatch, Location, ScanStep } from "../program.ts";
import { wholeLoopWork } from "../work.ts";
import { type BranchPlan, chooseSteps } from "./choose.ts";
import { chunkSteps, flopsOfRow, type StepWork } from "./chunks.ts";
import { type PackedConst, packConsts } from "./packed-consts.ts";
import { packPanels } from "./panel-packing.ts";
import { layoutOf, mostPanelRows } from "./panels.ts";
import { orderOfSums, type PersistentChoice, type PersistentPlan, planPersistent } from "./persistent-plan.ts";
import { mostSteps } from "./scan-time.ts";
import { addLoop } from "./shared-loop.ts";

export const persistent: ScanSchedule = {
  plan: (lowering, context) => scanPlanOf(lowering, context, planPersistent(lowering, context)),
};

/** The same with the weights of products in registers, for the whole sequence (residency.ts). */
export const resident: ScanSchedule = {
  plan: (lowering, context) => {
    const few = planPersistent(lowering, context, "few rows");
    const many = planPersistent(lowering, context, "many rows");
    const plan = scanPlanOf(lowering, context, few);
    if (few.plan === undefined || many.plan === undefined || plan.steps === undefined) return plan;
    const isSame = few.plan.residency?.slices === many.plan.residency?.slices;
    if (isSame || few.plan.rows !== many.plan.rows) return plan;
    const [forFew, forMany] = [few.plan, many.plan];
    const steps = () =>
      chooseSteps(lowering, forFew.rows, [
        { atMost: fewRows, steps: () => lowerPersistent(lowering, context, forFew) },
        { atMost: undefined, steps: () => lowerPersistent(lowering, context, forMany) },
      ]);
    return { ...plan, steps, reason: `${few.reason}; above ${fewRows} rows ${forMany.workgroupSize} lanes` };
  },
};

/** Rows that a device has a core for each, roughly: with more, workgroups of fewer lanes get more done together. */
const fewRows = 64;

function scanPlanOf(lowering: Lowering, context: ScanContext, choice: PersistentChoice): ScanPlan {
  if (choice.plan === undefined) return { steps: undefined, reason: choice.reason };
  const { plan, reason, against } = choice;
  const steps = () => lowerPersistent(lowering, context, plan);
  return { steps, reason, ...(against === undefined ? {} : { against }) };
}

/**
 * Lowers a scan to one dispatch, cut into chunks. `plan` has checked that its rows are separable and that its states
 * fit.
 */
function lowerPersistent(lowering: Lowering, context: ScanContext, plan: PersistentPlan): readonly ScanStep[] {
  const { tuning, maxRows } = lowering.tiles;
  if (plan.panels === undefined || tuning?.persistentRows !== undefined || maxRows === 1)
    return lowerLoop(lowering, context, plan);
  // Weights that pass by serve all rows of a workgroup; few workgroups leave a GPU without work.
  const known = typeof plan.rows === "number" ? plan.rows : Number.POSITIVE_INFINITY;
  const plans: { readonly atMost: number | undefined; readonly own: PersistentPlan }[] = [];
  for (const { atMost, rows } of rowsByBatch) {
    const wanted = Math.min(rows, mostPanelRows(lowering), known);
    const { plan: own = plan } = planPersistent(lowering, context, undefined, wanted);
    // The largest that fits serves all larger batches, unless its sums are others.
    const before = plans.at(-1)?.own;
    const isSame = before?.rowsPerWorkgroup === own.rowsPerWorkgroup && orderOfSums(before) === orderOfSums(own);
    if (isSame) plans.pop();
    plans.push({ atMost, own });
  }
  const layouts = new Set(plans.map(({ own }) => own.panels && layoutOf(own.panels)));
  const packed = layouts.size === 1 ? packPanels(lowering, context, plan.node, plan.panels) : undefined;
  const branches = plans.map(({ atMost, own }): BranchPlan => {
    return { atMost, steps: () => lowerLoop(lowering, context, own, packed?.places) };
  });
  const loop = branches.length === 1 ? at(branches, 0).steps() : chooseSteps(lowering, plan.rows, branches);
  return [...(packed?.steps ?? []), ...loop];
}

/** Rows of a workgroup whose weights pass by, by the rows of the batch. */
const rowsByBatch = [
  { atMost: 4, rows: 1 },
  { atMost: 16, rows: 2 },
  { atMost: 64, rows: 4 },
  { atMost: undefined, rows: 8 },
] as const;

/** `places`: where the weights that pass by are packed already. */
function lowerLoop(
  lowering: Lowering,
  context: ScanContext,
  plan: PersistentPlan,
  places?: readonly Location[],
): readonly Dispatch[] {
  const none = { packed: new Map<NodeId, PackedConst>(), steps: [] };
  const { packed, steps } = lowering.tiles.target === "cpu" ? packConsts(lowering, context, plan) : none;
  const panels =
    plan.panels === undefined || places !== undefined
      ? undefined
      : packPanels(lowering, context, plan.node, plan.panels);

  const writer = new PlacedBuilder(lowering.buffers, lowering.tiles);
  const grid = { rows: [plan.rows], rowsPer: plan.rowsPerWorkgroup, columns: [1], lanes: 1 };
  const carries = carryPlaces(lowering, context, plan);
  addLoop(lowering, context, plan, { carries, packed, panels: places ?? panels?.places ?? [] }, writer, grid);
  const ids = plan.stages.flatMap((stage) => [...stage.loops, ...stage.roots]);
  const work = wholeLoopWork(context.work, plan.node, plan.stages, (result) => plan.results.has(result));
  const { body, length } = plan.node.attrs;
  const step: StepWork = {
    flops: plan.rowsPerWorkgroup * flopsOfRow(work.flops, plan.rows, length),
    barriers: plan.groups.length,
    lanes: plan.workgroupSize,
  };
  const place = sharedPlace(lowering, context, plan, writer);
  const region = { ...context.outer, graph: body };
  const loop: Dispatch = {
    kind: "dispatch",
    kernel: finishKernel(lowering, writer, region, ids, plan.workgroupSize, work, place),
    grid: [grid],
    phase: context.phase,
    chunks: {
      scan: body.name,
      length,
      steps: Math.min(lowering.chunkSteps ?? chunkSteps(step, lowering.tiles.target), mostSteps),
    },
  };
  return [...steps, ...(panels?.steps ?? []), loop];
}

/** Elements of workgroup memory that are compiled in little time even if they are cleared. */
const fewElements = 512;

/** Where workgroup memory lies, if not with the workgroup: on an adapter that would compile a store for every element. */
function sharedPlace(
  { clearsWorkgroups, tiles, memory, buffers }: Lowering,
  { order }: ScanContext,
  { rows, rowsPerWorkgroup }: PersistentPlan,
  { sharedFloats }: PlacedBuilder,
): SharedPlace | undefined {
  if (!clearsWorkgroups || tiles.target !== "software" || sharedFloats <= fewElements) return undefined;
  // The last workgroup may have fewer rows than memory for them.
  const perRow = Math.ceil(sharedFloats / rowsPerWorkgroup);
  const { buffer, offset } = memory.scratch(mulDims(perRow, rows), perRow * rowsPerWorkgroup, order);
  return { array: globalArray(buffer, at(buffers(), buffer)), offset };
}

/** Where each carry is stored between chunks and after the last one: in the result that it becomes, if that is read. */
function carryPlaces(
  { memory }: Lowering,
  { order }: ScanContext,
  { node, results }: PersistentPlan,
): ReadonlyMap<NodeId, Location> {
  return new Map(
    bodyInputs(node.attrs).carries.map((id, i) => {
      const { dtype, shape } = nodeAt(node.attrs.body, id).aval;
      return [id, results.get(i) ?? memory.place(dtype, sizeOf(shape), order, order)];
    }),
  );
}

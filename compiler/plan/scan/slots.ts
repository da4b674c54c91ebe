/**
 * @file Workgroup memory for the values of a step that cross invocations. A carry that is read only at its own position,
 * and not after its next value is written, needs one slot; any other needs two that alternate.
 */
import { sizeOf } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import { type NodeId, nodeAt, type ScanNode } from "../../graph/graph.ts";
import { bodyInputs } from "../../ops/scan.ts";
import { readsAfterLoops } from "../stages/reads.ts";
import type { Stage } from "../stages/stages.ts";
import { type Panels, rowInSlot, slotPadding } from "./panels.ts";
import { padding, type Residency } from "./residency.ts";

/** Workgroup memory for one value of the body: elements per row, and how many copies alternate. */
export interface Slots {
  readonly width: number;
  readonly count: 1 | 2;
  /** Into how many slices a row is cut, one for each lane of a column; 1 unless weights stay in registers. */
  readonly slices: number;
}

/** Elements of a value in one slot, of all rows of a workgroup. */
export function slotLength({ width, slices }: Slots, rows: number, panels: Panels | undefined): number {
  if (panels === undefined || slices === 1) return (rows * width) / slices + padding(width, slices);
  const length = rows * rowInSlot(width, slices);
  return length + slotPadding(length, slices);
}

export function findSlots(
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

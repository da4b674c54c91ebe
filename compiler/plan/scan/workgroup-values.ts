/**
 * @file Where the values of a persistent workgroup live: each has an array in workgroup memory with its elements of all
 * rows, and a carry that is read after its next value is written has two, which alternate from step to step.
 */
import type { Dim } from "../../graph/dim.ts";
import { InternalError } from "../../graph/errors.ts";
import { type NodeId, nodeAt } from "../../graph/graph.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import type { Expr, LocalArray } from "../../kernel/ir.ts";
import { fromStorage, toStorage } from "../../kernel/storage.ts";
import type { PlacedBuilder } from "../emit/placed-builder.ts";
import type { Emitter } from "../emit/values.ts";
import type { PanelLanes } from "./panel-products.ts";
import type { PersistentPlan } from "./persistent-plan.ts";
import type { LaneSlices } from "./resident-products.ts";
import { type Slots, slotLength } from "./slots.ts";
import type { WorkgroupRows } from "./workgroup-rows.ts";

export class WorkgroupValues {
  readonly #plan: PersistentPlan;
  readonly #writer: PlacedBuilder;
  readonly #rows: WorkgroupRows;
  readonly #arrays = new Map<NodeId, LocalArray>();
  /** How lanes share the depth of products, if weights stay in registers. */
  #lanes: LaneSlices | undefined;
  /** How they share it, if weights pass by. */
  #panels: PanelLanes | undefined;

  constructor(plan: PersistentPlan, writer: PlacedBuilder, rows: WorkgroupRows) {
    this.#plan = plan;
    this.#writer = writer;
    this.#rows = rows;
  }

  declare(): void {
    const { rowsPerWorkgroup, slots, panels } = this.#plan;
    const w = this.#writer;
    for (const [id, of] of slots) {
      const { dtype } = nodeAt(this.#plan.node.attrs.body, id).aval;
      const element = dtype === "f32" ? "f32" : dtype === "i32" ? "i32" : "u32";
      this.#arrays.set(id, w.sharedArray(element, slotLength(of, rowsPerWorkgroup, panels), of.count * of.slices));
    }
  }

  shareDepth(lanes: LaneSlices): void {
    this.#lanes = lanes;
  }

  sharePanels(panels: PanelLanes): void {
    this.#panels = panels;
  }

  /** The elements of a value to a row, or undefined if it is not in workgroup memory. */
  widthOf(id: NodeId): number | undefined {
    return this.#plan.slots.get(id)?.width;
  }

  /** An element of a value; of a carry, that after a number of steps of the sequence. */
  load(id: NodeId, index: readonly Index[], steps: Expr | undefined, emitter: Emitter): Expr {
    const { dtype, shape } = nodeAt(this.#plan.node.attrs.body, id).aval;
    const place = this.#place(this.#slots(id), index, steps, shape, emitter);
    const stored = this.#writer.load(this.#array(id), place.index, place.slot);
    const depth = Math.max(stored.depth, this.#rows.blockDepth);
    const key = `local ${id} ${place.index.id} ${place.slot?.id}`;
    return this.#writer.bind(key, fromStorage(this.#writer, stored, dtype), depth);
  }

  /** An element of a carry before the loop over time. */
  loadInitial(id: NodeId, index: readonly Index[], steps: Expr, emitter: Emitter): Expr {
    const { dtype, shape } = nodeAt(this.#plan.node.attrs.body, id).aval;
    const place = this.#place(this.#slots(id), index, steps, shape, emitter);
    return fromStorage(this.#writer, this.#writer.load(this.#array(id), place.index, place.slot), dtype);
  }

  store(id: NodeId, index: readonly Index[], steps: Expr | undefined, value: Expr, emitter: Emitter): void {
    const { shape } = nodeAt(this.#plan.node.attrs.body, id).aval;
    const w = this.#writer;
    const place = this.#place(this.#slots(id), index, steps, shape, emitter);
    const stored = value.type === "bool" ? toStorage(w, value, "u32") : value;
    if (place.slot === undefined) w.storeElement(this.#array(id), place.index, stored);
    else w.storeInSlot(this.#array(id), place.slot, place.index, stored);
  }

  /** Where an element is in its array: of the two that alternate, in the one after `steps`. */
  #place(
    { width, slices, count }: Slots,
    index: readonly Index[],
    steps: Expr | undefined,
    shape: readonly Dim[],
    emitter: Emitter,
  ): { readonly index: Expr; readonly slot: Expr | undefined } {
    const w = this.#writer;
    const slot = count === 1 || steps === undefined ? undefined : w.bitAnd(steps, w.u32(1));
    const { local } = this.#rows.rowAt(index);
    const inRow = emitter.positionOf(index.slice(1), shape.slice(1));
    const inSlice = (which: Expr) => (slot === undefined ? which : w.add(w.mul(slot, w.u32(slices)), which));
    if (this.#panels !== undefined && slices > 1) {
      const place = this.#panels.place(width, inRow, local);
      return { index: place.index, slot: inSlice(place.slot) };
    }
    if (this.#lanes === undefined || slices === 1)
      return { index: w.bound(w.index.add(w.index.mul(local, w.index.dim(width)), inRow)), slot };
    const { slice, within } = this.#lanes.place(width, inRow);
    return { index: within, slot: inSlice(slice) };
  }

  #slots(id: NodeId): Slots {
    const slots = this.#plan.slots.get(id);
    if (slots === undefined) throw new InternalError(`%${id} has no array in workgroup memory`);
    return slots;
  }

  #array(id: NodeId): LocalArray {
    const array = this.#arrays.get(id);
    if (array === undefined) throw new InternalError(`%${id} has no array in workgroup memory`);
    return array;
  }
}

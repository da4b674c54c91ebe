/**
 * @file The kernel of the persistent schedule: it loads states, runs stage after stage in a loop over time, and stores
 * states.
 */
import { type Dim, sizeOf } from "../../graph/dim.ts";
import { at, InternalError } from "../../graph/errors.ts";
import { type NodeId, nodeAt, type ScanNode } from "../../graph/graph.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import type { Expr, LocalArray, Variable } from "../../kernel/ir.ts";
import { fromStorage, toStorage } from "../../kernel/storage.ts";
import { bodyInputs } from "../../ops/scan.ts";
import type { PlacedBuilder } from "../emit/placed-builder.ts";
import { emitPositions, storeRoots } from "../emit/stage.ts";
import { Emitter, type Region } from "../emit/values.ts";
import type { ScanContext } from "../lowering.ts";
import type { Location } from "../program.ts";
import { hasPositions, type Stage } from "../stages/stages.ts";
import { sharesRows } from "../stages/tiles.ts";
import { type PackedConst, packedPosition } from "./packed-consts.ts";
import type { PersistentPlan, Slots } from "./persistent-plan.ts";
import { padding } from "./residency.ts";
import { LaneSlices, runResidentProducts } from "./resident-products.ts";
import { WorkgroupRows } from "./workgroup-rows.ts";

/** An element of a carry, in a loop over all elements that the workgroup owns. */
interface CarryElement {
  /** The carry's number, its input of the body, its slots, and where it is stored between chunks. */
  readonly number: number;
  readonly id: NodeId;
  readonly slots: Slots;
  readonly place: Location;
  readonly index: readonly Index[];
  readonly emitter: Emitter;
}

/** A value of an x at the lane's position, in a register that holds it from one step to the next. */
interface AheadOfTime {
  readonly variable: Variable;
  readonly valueAt: (time: Index) => Expr;
}

/** Steps of a chunk, at most: enough for any, and a bound that a compiler can rely on. */
export const mostSteps = 2 ** 20;

export class PersistentKernel {
  readonly region: Region;
  readonly #context: ScanContext;
  readonly #plan: PersistentPlan;
  readonly #writer: PlacedBuilder;
  readonly #node: ScanNode;
  readonly #carryPlaces: ReadonlyMap<NodeId, Location>;
  readonly #packed: ReadonlyMap<NodeId, PackedConst>;
  readonly #arrays = new Map<NodeId, LocalArray>();
  /** The number of steps before the current one, inside the loop over time. */
  #count: Variable | undefined;
  readonly #rows: WorkgroupRows;
  /** Values of the next step that are loaded during this one, if weights stay in registers. */
  readonly #ahead = new Map<string, AheadOfTime>();
  /** The steps that the kernel runs. */
  #chunk: { readonly first: Expr; readonly end: Expr } | undefined;
  /** How lanes share the depth of products, if weights stay in registers. */
  #lanes: LaneSlices | undefined;

  constructor(
    context: ScanContext,
    plan: PersistentPlan,
    writer: PlacedBuilder,
    carryPlaces: ReadonlyMap<NodeId, Location>,
    packed: ReadonlyMap<NodeId, PackedConst>,
  ) {
    this.#context = context;
    this.#plan = plan;
    this.#writer = writer;
    this.#node = plan.node;
    this.#carryPlaces = carryPlaces;
    this.#packed = packed;
    this.region = {
      key: `${context.outer.key}${context.scan}/`,
      graph: this.#node.attrs.body,
      read: (id, index, emitter) => this.#read(id, index, emitter),
    };
    this.#rows = new WorkgroupRows(plan, writer, this.region);
  }

  write(): void {
    const { rowsPerWorkgroup, slots, workgroupSize, residency } = this.#plan;
    const { body } = this.#node.attrs;
    const w = this.#writer;
    const { first, end } = w.chunk(this.#context.nesting);
    this.#chunk = { first, end };
    for (const [id, { width, count, slices }] of slots) {
      const element =
        nodeAt(body, id).aval.dtype === "f32" ? "f32" : nodeAt(body, id).aval.dtype === "i32" ? "i32" : "u32";
      this.#arrays.set(
        id,
        w.sharedArray(element, (rowsPerWorkgroup * width) / slices + padding(width, slices), count * slices),
      );
    }
    this.#rows.declare();
    if (residency !== undefined) this.#lanes = new LaneSlices(w, residency);
    w.if(w.equal(first, w.u32(0)), () => this.#loadInitial());
    w.if(w.less(w.u32(0), first), () => this.#loadSaved(first));
    const axis = { extent: this.#node.attrs.length, role: "time" } as const;
    const bound = residency === undefined ? {} : { most: mostSteps };
    w.for({ axis, mapping: "time", name: "count", first, end, step: w.u32(1), ...bound }, (count) => {
      this.#count = count;
      for (const group of this.#plan.groups) {
        if (group.kind === "scan") throw new InternalError("a scan inside a persistent scan");
        for (const stage of group.stages.filter(hasPositions)) {
          if (residency !== undefined && stage.form === "tile") this.#residentStage(stage, residency.slices);
          else w.stage(() => this.#stage(stage, workgroupSize));
        }
      }
      this.#loadAhead(count, end);
    });
    this.#saveCarries(end);
  }

  #loadInitial(): void {
    const { attrs, operands } = this.#node;
    this.#overCarries(({ number, id, slots, index, emitter }) => {
      const value = emitter.value(this.#context.outer, at(operands, attrs.consts + number), index);
      this.#storeLocal(id, slots, index, this.#slotAfter(this.#writer.u32(0), slots), value, emitter);
    });
  }

  /** Loads the carries that the previous chunk stored. */
  #loadSaved(first: Expr): void {
    this.#overCarries(({ id, slots, index, place, emitter }) => {
      const { dtype, shape } = nodeAt(this.#node.attrs.body, id).aval;
      const value = this.#writer.loadValue(place, emitter.positionOf(index, shape), dtype);
      this.#storeLocal(id, slots, index, this.#slotAfter(first, slots), value, emitter);
    });
  }

  #saveCarries(end: Expr): void {
    this.#overCarries(({ id, slots, index, place, emitter }) => {
      const { shape } = nodeAt(this.#node.attrs.body, id).aval;
      const value = this.#loadLocal(id, slots, index, this.#slotAfter(end, slots), emitter);
      this.#ifExists(index, () => this.#writer.storeValue(place, emitter.positionOf(index, shape), value));
    });
  }

  /** Writes a loop over the elements of each carry. */
  #overCarries(body: (element: CarryElement) => void): void {
    const { attrs } = this.#node;
    for (const [number, id] of bodyInputs(attrs).carries.entries()) {
      const slots = this.#plan.slots.get(id);
      const place = this.#carryPlaces.get(id);
      if (slots === undefined || place === undefined) throw new InternalError(`carry %${id} has no location`);
      const emitter = new Emitter(this.#writer, { region: this.region, ids: [] });
      this.#rows.overElements(slots.width, ({ indexIn }) =>
        body({ number, id, slots, place, emitter, index: indexIn(nodeAt(attrs.body, id).aval.shape) }),
      );
    }
  }

  /** The slot that holds a carry after a number of steps of the sequence. */
  #slotAfter(steps: Expr, { count }: Slots): Expr | undefined {
    return count === 1 ? undefined : this.#writer.bitAnd(steps, this.#writer.u32(1));
  }

  #ifExists(index: readonly Index[], write: () => void): void {
    const { exists } = this.#rows.rowAt(index);
    if (exists === undefined) write();
    else this.#writer.if(exists, write);
  }

  /**
   * A stage of products whose weights stay. Every lane of a column computes all values, and reads what they need, before
   * one of them stores them.
   */
  #residentStage(stage: Stage, slices: number): void {
    const w = this.#writer;
    const lanes = this.#lanes;
    if (lanes === undefined) throw new InternalError("lanes share no columns");
    this.#rows.enterBlock();
    const emitter = new Emitter(w, { region: this.region, ids: stage.roots });
    const width = Number(sizePerRow(this.region, stage, this.#plan.rows));
    const position = this.#rows.single(lanes.columnOf(width));
    const { first, end } = this.#chunk ?? { first: w.u32(0), end: w.u32(0) };
    const hasSteps = w.bind("has steps", w.less(first, end), 0);
    runResidentProducts(emitter, this.region, stage, position, lanes, { slices, hasSteps });
    const stores: (() => void)[] = [];
    storeRoots(emitter, this.region, stage, position, (id, index, value) => {
      const bound = w.let(w.fresh("root"), value);
      stores.push(() => this.#store(emitter, id, index, bound));
    });
    w.if(lanes.ownsColumn(width), () => {
      for (const store of stores) store();
    });
  }

  #stage(stage: Stage, workgroupSize: number): void {
    const emitter = new Emitter(this.#writer, { region: this.region, ids: stage.roots });
    const store = (id: NodeId, index: readonly Index[], value: Expr) => this.#store(emitter, id, index, value);
    const width = Number(sizePerRow(this.region, stage, this.#plan.rows));
    if (stage.form !== "tile") {
      this.#rows.overElements(width, (position) =>
        emitPositions(emitter, this.region, stage, { positions: [position] }, store),
      );
      return;
    }
    const { tiles, tileOf } = this.#plan;
    if (tiles.target === "cpu") {
      this.#rows.overVectors(width, tileOf(stage), (owned) => emitPositions(emitter, this.region, stage, owned, store));
      return;
    }
    const { columns } = tileOf(stage);
    const lanes = width / columns;
    const w = this.#writer;
    const sharing = sharesRows({ rows: this.#plan.rowsPerWorkgroup, columns }, lanes, this.#plan.tiles);
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
      this.#rows.enterBlock();
      const exists = isExact ? undefined : w.less(own, w.u32(lanes));
      emitPositions(emitter, this.region, stage, this.#rows.tile(column0, columns, lanes, sharing, exists), store);
    });
  }

  #steps(): Variable {
    if (this.#count === undefined) throw new InternalError("a step is read outside the loop over time");
    return this.#count;
  }

  /** The index of a step in the sequence; of the current one by default. */
  #time(steps: Expr = this.#steps()): Index {
    const { length, reverse } = this.#node.attrs;
    const w = this.#writer;
    const count = w.index.of(steps, length);
    if (!reverse) return count;
    return w.index.of(w.bound(w.index.sub(w.index.sub(w.index.dim(length), w.index.dim(1)), count)), length);
  }

  #read(id: NodeId, index: readonly Index[], emitter: Emitter): Expr | undefined {
    const { attrs, operands } = this.#node;
    const { outer } = this.#context;
    const role = attrs.body.inputs.indexOf(id);
    const packed = this.#packed.get(id);
    if (packed !== undefined)
      return this.#writer.loadValue(packed.place, packedPosition(this.#writer, packed, index), "f32");
    if (role >= 0 && role < attrs.consts) return emitter.value(outer, at(operands, role), index);
    if (role >= attrs.consts + attrs.carries) return this.#x(at(operands, role), index, emitter);
    const slots = this.#plan.slots.get(id);
    if (slots === undefined) return undefined;
    return this.#loadLocal(id, slots, index, this.#slotAfter(this.#steps(), slots), emitter);
  }

  /** An element of an x at the current step. */
  #x(operand: NodeId, index: readonly Index[], emitter: Emitter): Expr {
    const { outer } = this.#context;
    const w = this.#writer;
    const valueAt = (time: Index) => emitter.value(outer, operand, [time, ...index]);
    const lanes = this.#lanes;
    const isOfLane = index.every((each) => each.expr.depth === 0 && !lanes?.isAlongDepth(each));
    if (lanes === undefined || this.#chunk === undefined || !isOfLane) return valueAt(this.#time());
    const key = `${operand} ${index.map(({ expr }) => expr.id).join()}`;
    const known = this.#ahead.get(key);
    if (known !== undefined) return known.variable;
    // A step would wait for memory: the first value is loaded before the loop, the others one step ahead.
    const variable = w.kept(w.fresh("ahead"), valueAt(this.#time(this.#chunk.first)));
    this.#ahead.set(key, { variable, valueAt });
    return variable;
  }

  /** Loads what the next step reads; after the last step, its values again. */
  #loadAhead(count: Expr, end: Expr): void {
    if (this.#ahead.size === 0) return;
    const w = this.#writer;
    const next = w.let("next", w.min(w.add(count, w.u32(1)), w.sub(end, w.u32(1))));
    const time = this.#time(next);
    const values = [...this.#ahead.values()].map(({ variable, valueAt }) => ({ variable, value: valueAt(time) }));
    for (const { variable, value } of values) w.assign(variable, value);
  }

  /** Where an element is in its array. `slot` is that of the step, if two alternate. */
  #place(
    { width, slices }: Slots,
    index: readonly Index[],
    slot: Expr | undefined,
    shape: readonly Dim[],
    emitter: Emitter,
  ): { readonly index: Expr; readonly slot: Expr | undefined } {
    const w = this.#writer;
    const { local } = this.#rows.rowAt(index);
    const inRow = emitter.positionOf(index.slice(1), shape.slice(1));
    if (this.#lanes === undefined || slices === 1)
      return { index: w.bound(w.index.add(w.index.mul(local, w.index.dim(width)), inRow)), slot };
    const { slice, within } = this.#lanes.place(width, inRow);
    return { index: within, slot: slot === undefined ? slice : w.add(w.mul(slot, w.u32(slices)), slice) };
  }

  #loadLocal(id: NodeId, slots: Slots, index: readonly Index[], slot: Expr | undefined, emitter: Emitter): Expr {
    const { dtype, shape } = nodeAt(this.#node.attrs.body, id).aval;
    const place = this.#place(slots, index, slot, shape, emitter);
    const stored = this.#writer.load(this.#array(id), place.index, place.slot);
    const depth = Math.max(stored.depth, this.#rows.blockDepth);
    const key = `local ${id} ${place.index.id} ${place.slot?.id}`;
    return this.#writer.bind(key, fromStorage(this.#writer, stored, dtype), depth);
  }

  #storeLocal(
    id: NodeId,
    slots: Slots,
    index: readonly Index[],
    slot: Expr | undefined,
    value: Expr,
    emitter: Emitter,
  ): void {
    const { shape } = nodeAt(this.#node.attrs.body, id).aval;
    const w = this.#writer;
    const place = this.#place(slots, index, slot, shape, emitter);
    const stored = value.type === "bool" ? toStorage(w, value, "u32") : value;
    if (place.slot === undefined) w.storeElement(this.#array(id), place.index, stored);
    else w.storeInSlot(this.#array(id), place.slot, place.index, stored);
  }

  #array(id: NodeId): LocalArray {
    const array = this.#arrays.get(id);
    if (array === undefined) throw new InternalError(`%${id} has no array in workgroup memory`);
    return array;
  }

  /** Stores a value in workgroup memory if other stages read it, and in the results that it is part of. */
  #store(emitter: Emitter, id: NodeId, index: readonly Index[], value: Expr): void {
    const { attrs } = this.#node;
    const { body, length } = attrs;
    const { aval } = nodeAt(body, id);
    const w = this.#writer;
    const { carries } = bodyInputs(attrs);
    const own = body.inputs.includes(id) ? undefined : this.#plan.slots.get(id);
    if (own !== undefined) this.#storeLocal(id, own, index, undefined, value, emitter);
    for (const [i, output] of body.outputs.entries()) {
      if (output !== id) continue;
      const location = this.#plan.results.get(i);
      const carry = i < attrs.carries ? at(carries, i) : undefined;
      const slots = carry === undefined ? undefined : this.#plan.slots.get(carry);
      if (carry !== undefined && slots !== undefined) {
        this.#storeLocal(carry, slots, index, this.#slotAfter(w.add(this.#steps(), w.u32(1)), slots), value, emitter);
      }
      if (carry !== undefined || location === undefined) continue;
      this.#ifExists(index, () => {
        const place = emitter.positionOf([this.#time(), ...index], [length, ...aval.shape]);
        w.storeValue(location, place, value);
      });
    }
  }
}

function sizePerRow(region: Region, stage: Stage, rows: Dim): Dim {
  const id = at([...stage.loops, ...stage.roots], 0);
  const { shape } = nodeAt(region.graph, id).aval;
  if (shape[0] !== rows) throw new InternalError(`%${id} has no rows`);
  return sizeOf(shape.slice(1));
}

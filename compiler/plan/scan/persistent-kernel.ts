/**
 * @file The kernel of the persistent schedule: it loads states, runs stage after stage in a loop over time, and stores
 * states.
 */
import { at, InternalError } from "../../graph/errors.ts";
import { type NodeId, nodeAt, type ScanNode } from "../../graph/graph.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import type { Expr } from "../../kernel/ir.ts";
import { bodyInputs } from "../../ops/scan.ts";
import { LaneTeams } from "../emit/lane-teams.ts";
import type { PlacedBuilder } from "../emit/placed-builder.ts";
import { Emitter, type Region } from "../emit/values.ts";
import type { ScanContext } from "../lowering.ts";
import type { Location } from "../program.ts";
import { hasPositions, type Stage } from "../stages/stages.ts";
import { Ahead } from "./ahead.ts";
import { indexOfRow } from "./heads.ts";
import { KeptCarries } from "./kept-carries.ts";
import { type PackedConst, packedPosition } from "./packed-consts.ts";
import { PanelLanes } from "./panel-products.ts";
import { writePanelStage } from "./panel-stages.ts";
import { isOfColumns, type PersistentPlan } from "./persistent-plan.ts";
import { type RootStores, writeStage } from "./persistent-stages.ts";
import { LaneSlices } from "./resident-products.ts";
import { writeResidentStage } from "./resident-stages.ts";
import { ScanTime } from "./scan-time.ts";
import { writeTeamStage } from "./team-stages.ts";
import { WorkgroupRows } from "./workgroup-rows.ts";
import { WorkgroupValues } from "./workgroup-values.ts";

/** An element of a carry, in a loop over all elements that the workgroup owns. */
interface CarryElement {
  /** The carry's number, its input of the body, and where it is stored between chunks. */
  readonly number: number;
  readonly id: NodeId;
  readonly place: Location;
  readonly index: readonly Index[];
  readonly emitter: Emitter;
}

/** What a loop needs in memory, beside its operands and results. */
export interface LoopPlaces {
  /** Where each carry is stored between chunks and after the last one. */
  readonly carries: ReadonlyMap<NodeId, Location>;
  /** Matrices that are packed for it, on a CPU. */
  readonly packed: ReadonlyMap<NodeId, PackedConst>;
  /** Where the weights that pass by are packed. */
  readonly panels: readonly Location[];
}

/** Where a loop is. */
export type LoopContext = Pick<ScanContext, "outer" | "scan" | "nesting">;

export class PersistentKernel {
  readonly region: Region;
  readonly #context: LoopContext;
  readonly #plan: PersistentPlan;
  readonly #writer: PlacedBuilder;
  readonly #node: ScanNode;
  readonly #places: LoopPlaces;
  readonly #rows: WorkgroupRows;
  readonly #values: WorkgroupValues;
  readonly #time: ScanTime;
  readonly #ahead: Ahead;
  readonly #teams = new Map<string, LaneTeams>();
  /** Values of which every lane has the only element. */
  readonly #inAllLanes = new Map<NodeId, Expr>();
  /** How lanes share the depth of products, and which carries they keep, if weights stay in registers. */
  #lanes: LaneSlices | undefined;
  #kept: KeptCarries | undefined;
  /** How lanes share the depth, if weights pass by. */
  #panels: PanelLanes | undefined;

  constructor(context: LoopContext, plan: PersistentPlan, writer: PlacedBuilder, places: LoopPlaces) {
    this.#context = context;
    this.#plan = plan;
    this.#writer = writer;
    this.#node = plan.node;
    this.#places = places;
    this.region = {
      key: `${context.outer.key}${context.scan}/`,
      graph: this.#node.attrs.body,
      read: (id, index, emitter) => this.#read(id, index, emitter),
    };
    this.#rows = new WorkgroupRows(plan, writer, this.region);
    this.#values = new WorkgroupValues(plan, writer, this.#rows);
    this.#time = new ScanTime(writer, plan.node, context.nesting);
    this.#ahead = new Ahead(writer, this.#time, context.outer);
  }

  write(): void {
    const { residency, panels, groups, rowsPerWorkgroup } = this.#plan;
    const w = this.#writer;
    const { first } = this.#time;
    this.#values.declare();
    this.#rows.declare();
    if (residency !== undefined) {
      this.#lanes = new LaneSlices(w, residency);
      this.#values.shareDepth(this.#lanes);
      this.#kept = new KeptCarries(w, this.#plan, this.#lanes);
    }
    if (panels !== undefined) {
      this.#panels = new PanelLanes(w, panels, this.#places.panels, rowsPerWorkgroup);
      this.#values.sharePanels(this.#panels);
    }
    const lanes = this.#lanes;
    const context = {
      plan: this.#plan,
      writer: w,
      region: this.region,
      rows: this.#rows,
      stores: this.#stores(),
    };
    w.if(w.equal(first, w.u32(0)), () => this.#loadInitial());
    w.if(w.less(w.u32(0), first), () => this.#loadSaved());
    this.#time.overSteps(residency !== undefined, () => {
      for (const group of groups) {
        if (group.kind === "scan") throw new InternalError("a scan inside a persistent scan");
        for (const stage of group.stages.filter(hasPositions)) {
          const teams = this.#teamsOf(stage);
          if (lanes !== undefined && isOfColumns(this.#plan, stage))
            writeResidentStage(context, stage, lanes, this.#time, this.#ahead);
          else if (this.#panels !== undefined && panels?.groups.has(stage))
            writePanelStage(context, stage, panels.groups.get(stage) ?? [], this.#panels, this.#ahead);
          else if (teams !== undefined) writeTeamStage(context, stage, teams);
          else writeStage(context, stage);
        }
      }
      this.#ahead.finish();
    });
    this.#saveKept();
    this.#saveCarries();
  }

  /** The teams of lanes that share a stage's reductions; those of equal layout are the same, and share memory. */
  #teamsOf(stage: Stage): LaneTeams | undefined {
    const layout = this.#plan.teams.get(stage);
    if (layout === undefined) return undefined;
    const key = `${layout.size} ${layout.count}`;
    const teams = this.#teams.get(key) ?? new LaneTeams(this.#writer, layout);
    this.#teams.set(key, teams);
    return teams;
  }

  #loadInitial(): void {
    const { attrs, operands } = this.#node;
    this.#overCarries(({ number, id, index, emitter }) => {
      const outside = this.#indexOutside(id, index);
      const value = emitter.value(this.#context.outer, at(operands, attrs.consts + number), outside);
      this.#values.store(id, index, this.#writer.u32(0), value, emitter);
    });
  }

  /** Loads the carries that the previous chunk stored. */
  #loadSaved(): void {
    this.#overCarries(({ id, index, place, emitter }) => {
      const { dtype, shape } = nodeAt(this.#node.attrs.body, id).aval;
      const value = this.#writer.loadValue(place, emitter.positionOf(index, shape), dtype);
      this.#values.store(id, index, this.#time.first, value, emitter);
    });
  }

  /** Stores in workgroup memory what only registers have. */
  #saveKept(): void {
    const lanes = this.#lanes;
    const emitter = new Emitter(this.#writer, { region: this.region, ids: [] });
    for (const { id, index, value } of this.#kept?.unsaved() ?? [])
      this.#writer.if(lanes?.ownsColumn(this.#values.widthOf(id) ?? 0) ?? this.#writer.bool(true), () =>
        this.#values.store(id, index, this.#time.end, value, emitter),
      );
  }

  #saveCarries(): void {
    this.#overCarries(({ id, index, place, emitter }) => {
      const { shape } = nodeAt(this.#node.attrs.body, id).aval;
      const value = this.#values.load(id, index, this.#time.end, emitter);
      this.#ifExists(index, () => this.#writer.storeValue(place, emitter.positionOf(index, shape), value));
    });
  }

  /** Writes a loop over the elements of each carry. */
  #overCarries(body: (element: CarryElement) => void): void {
    const { attrs } = this.#node;
    for (const [number, id] of bodyInputs(attrs).carries.entries()) {
      const width = this.#values.widthOf(id);
      const place = this.#places.carries.get(id);
      if (width === undefined || place === undefined) throw new InternalError(`carry %${id} has no location`);
      const emitter = new Emitter(this.#writer, { region: this.region, ids: [] });
      this.#rows.overElements(width, ({ indexIn }) =>
        body({ number, id, place, emitter, index: indexIn(nodeAt(attrs.body, id).aval.shape) }),
      );
    }
  }

  #ifExists(index: readonly Index[], write: () => void): void {
    const { exists } = this.#rows.rowAt(index);
    if (exists === undefined) write();
    else this.#writer.if(exists, write);
  }

  #read(id: NodeId, index: readonly Index[], emitter: Emitter): Expr | undefined {
    const { attrs, operands } = this.#node;
    const { outer } = this.#context;
    const role = attrs.body.inputs.indexOf(id);
    const packed = this.#places.packed.get(id);
    if (packed !== undefined)
      return this.#writer.loadValue(packed.place, packedPosition(this.#writer, packed, index), "f32");
    if (role >= 0 && role < attrs.consts) return emitter.value(outer, at(operands, role), index);
    if (role >= attrs.consts + attrs.carries) return this.#x(id, at(operands, role), index, emitter);
    if (this.#values.widthOf(id) === undefined) return this.#inAllLanes.get(id);
    const initial = () => this.#values.loadInitial(id, index, this.#time.first, emitter);
    return this.#kept?.read(id, index, initial) ?? this.#values.load(id, index, this.#time.steps, emitter);
  }

  /** An element of an x at the current step. */
  #x(id: NodeId, operand: NodeId, index: readonly Index[], emitter: Emitter): Expr {
    const { outer } = this.#context;
    const outside = this.#indexOutside(id, index);
    const lanes = this.#lanes;
    const isOfLane = index.every((each) => each.expr.depth === 0 && !lanes?.isAlongDepth(each));
    const sharing = lanes ?? (this.#panels?.isMultiplying ? undefined : this.#panels);
    if (sharing === undefined || !isOfLane) return emitter.value(outer, operand, [this.#time.index(), ...outside]);
    return this.#ahead.value(operand, outside, emitter);
  }

  /** The index of an element of an input in the operand that it comes from. */
  #indexOutside(id: NodeId, index: readonly Index[]): readonly Index[] {
    const { heads } = this.#plan;
    if (heads === undefined) return index;
    const { shape } = nodeAt(this.#node.attrs.body, id).aval;
    return indexOfRow(this.#writer.index, heads.heads, heads.whole.has(id), shape, index);
  }

  #stores(): RootStores {
    const { attrs } = this.#node;
    const { body, length } = attrs;
    const w = this.#writer;
    const { carries } = bodyInputs(attrs);
    const outputsOf = (id: NodeId) => [...body.outputs.keys()].filter((i) => body.outputs[i] === id);
    /** The carries whose next value it is. */
    const nextOf = (id: NodeId) => outputsOf(id).flatMap((i) => (i < attrs.carries ? [at(carries, i)] : []));
    const inWorkgroup: RootStores["inWorkgroup"] = (emitter, id, index, value) => {
      if (!body.inputs.includes(id) && this.#values.widthOf(id) !== undefined)
        this.#values.store(id, index, undefined, value, emitter);
      for (const carry of nextOf(id).filter((each) => this.#kept?.isStored(each) ?? true))
        this.#values.store(carry, index, w.add(this.#time.steps, w.u32(1)), value, emitter);
    };
    const inRegisters: RootStores["inRegisters"] = (id, index, value) => {
      for (const carry of nextOf(id)) this.#kept?.assign(carry, index, value);
    };
    const results: RootStores["results"] = (id) =>
      outputsOf(id).flatMap((i) => (i < attrs.carries ? [] : (this.#plan.results.get(i) ?? [])));
    const placeInResult: RootStores["placeInResult"] = (emitter, id, index) =>
      emitter.positionOf([this.#time.index(), ...index], [length, ...nodeAt(body, id).aval.shape]);
    return {
      ...{ inRegisters, inWorkgroup, results, placeInResult },
      inAllLanes: (id, value) => this.#inAllLanes.set(id, value),
      everywhere: (emitter, id, index, value) => {
        inWorkgroup(emitter, id, index, value);
        for (const location of results(id))
          this.#ifExists(index, () => w.storeValue(location, placeInResult(emitter, id, index), value));
      },
    };
  }
}

/**
 * @file A stage of products whose weights stay: the lanes of a column all compute its values, and share what costs most,
 * transcendental functions and stores to memory.
 */
import { at } from "../../graph/errors.ts";
import { type NodeId, nodeAt } from "../../graph/graph.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import type { Expr } from "../../kernel/ir.ts";
import type { KernelOperands } from "../../ops/entry.ts";
import { entryOf, type TableOp } from "../../ops/table.ts";
import type { Position } from "../emit/loops.ts";
import { storeRoots } from "../emit/stage.ts";
import { Emitter, valueKey } from "../emit/values.ts";
import type { Location } from "../program.ts";
import type { Stage } from "../stages/stages.ts";
import type { Ahead } from "./ahead.ts";
import { type StageContext, sizePerRow } from "./persistent-stages.ts";
import { type LaneSlices, runResidentProducts } from "./resident-products.ts";
import type { ScanTime } from "./scan-time.ts";
import { functionGroups, groupsBy, quad } from "./shared-functions.ts";

/** An element to be stored in a result of the scan. */
interface ResultStore {
  readonly location: Location;
  readonly place: Index;
  /** Its value, or the two numbers of f16 that share its word, the low half first. */
  readonly values: readonly Expr[];
  /** If lanes share its function: the lane of four that computes it. */
  readonly shared: SharedValue | undefined;
}

/** A value that one lane of four has computed, in the register that each of the four has for its own. */
interface SharedValue {
  readonly lane: number;
  readonly own: Expr;
}

/** Every lane of a column computes all values, and reads what they need, before one of them stores them. */
export function writeResidentStage(
  context: StageContext,
  stage: Stage,
  lanes: LaneSlices,
  time: ScanTime,
  ahead: Ahead,
): void {
  const { plan, writer: w, region, rows, stores } = context;
  rows.enterBlock();
  const emitter = new Emitter(w, { region, ids: stage.roots });
  const width = sizePerRow(region, stage, plan.rows);
  const position = rows.single(lanes.columnOf(width));
  const hasSteps = w.bind("has steps", w.less(time.first, time.end), 0);
  runResidentProducts(emitter, region, stage, position, lanes, hasSteps);
  ahead.here();
  const shared = lanes.formQuads
    ? shareFunctions(context, emitter, stage, position, lanes)
    : new Map<Expr, SharedValue>();
  const inRegisters: (() => void)[] = [];
  const inWorkgroup: (() => void)[] = [];
  const inResults: ResultStore[] = [];
  storeRoots(emitter, region, stage, position, (id, index, value) => {
    const bound = w.let(w.fresh("root"), value);
    w.remember(valueKey(region, id, index), bound);
    inRegisters.push(() => stores.inRegisters(id, index, bound));
    inWorkgroup.push(() => stores.inWorkgroup(emitter, id, index, bound));
    for (const location of stores.results(id)) {
      const place = stores.placeInResult(emitter, id, index);
      inResults.push({ location, place, values: [bound], shared: shared.get(value) });
    }
  });
  for (const store of inRegisters) store();
  w.if(lanes.ownsColumn(width), () => {
    for (const store of inWorkgroup) store();
  });
  storeAmongLanes(context, lanes, width, inWords(context, inResults));
}

/** Joins the stores of two numbers that share a word. */
function inWords({ writer: w }: StageContext, all: readonly ResultStore[]): ResultStore[] {
  const wordOf = ({ location: { buffer, offset }, place }: ResultStore) =>
    `${buffer} ${offset.join("+")} ${w.bound(place).id}`;
  const highs = new Map(all.flatMap((each) => (each.location.half === 1 ? [[wordOf(each), each]] : [])));
  return all.flatMap((store): ResultStore[] => {
    const { half, ...location } = store.location;
    if (half === undefined) return [store];
    return half === 1
      ? []
      : [{ ...store, location, values: [...store.values, ...(highs.get(wordOf(store))?.values ?? [])] }];
  });
}

/**
 * Stores results: each lane of a column one of them, as far as they are in one buffer at the same place of arrays that
 * begin elsewhere. A store is an instruction for the whole subgroup, however few of its lanes take part.
 */
function storeAmongLanes({ writer: w }: StageContext, lanes: LaneSlices, width: number, all: ResultStore[]): void {
  const groups = groupsBy(all, ({ location, place, values }) => {
    return `${location.buffer} ${w.bound(place).id} ${values.map(({ type }) => type).join()}`;
  });
  for (const group of groups)
    for (let start = 0; start < group.length; start += lanes.slices) {
      const some = byLane(group.slice(start, start + lanes.slices));
      const { location, place, values } = at(some, 0);
      const chosen = (half: number, of: (store: ResultStore, lane: number) => Expr) =>
        lanes.choose(some.map((store, lane) => of({ ...store, values: [at(store.values, half)] }, lane)));
      const whole = (store: ResultStore, lane: number) =>
        store.shared?.lane === lane % quad ? store.shared.own : at(store.values, 0);
      const unrounded = (store: ResultStore) => w.beforeRounding(at(store.values, 0));
      const value = values.length === 1 ? chosen(0, whole) : w.halves(chosen(0, unrounded), chosen(1, unrounded));
      const offsets = some.map((each) => w.uniform(each.location.offset));
      const offset = w.bind(`offset ${offsets.map(({ id }) => id).join()}`, lanes.choose(offsets), 0);
      const write = () => w.storeValue({ ...location, offset: [] }, w.index.add(place, w.index.of(offset)), value);
      const takesPart = lanes.ownsAmong(width, some.length);
      if (takesPart === undefined) write();
      else w.if(takesPart, write);
    }
}

/** The stores in an order of lanes in which shared values are where they were computed, as far as that goes. */
function byLane(stores: readonly ResultStore[]): readonly ResultStore[] {
  const free = new Set(stores.keys());
  const placed = new Map<number, ResultStore>();
  const put = (store: ResultStore, lane: number | undefined) => {
    if (lane === undefined) return false;
    free.delete(lane);
    placed.set(lane, store);
    return true;
  };
  const others = stores.filter(
    (store) =>
      store.shared === undefined ||
      !put(
        store,
        [...free].find((lane) => lane % quad === store.shared?.lane),
      ),
  );
  for (const store of others) put(store, [...free][0]);
  return stores.map((_, lane) => placed.get(lane) as ResultStore);
}

/**
 * Functions of one kind that do not depend on each other, such as the sigmoids of several gates: each lane of four
 * computes one of them, and has the others from its neighbours.
 */
function shareFunctions(
  { plan, writer: w, region }: StageContext,
  emitter: Emitter,
  stage: Stage,
  position: Position,
  lanes: LaneSlices,
): ReadonlyMap<Expr, SharedValue> {
  const shared = new Map<Expr, SharedValue>();
  const isStored = (id: NodeId) =>
    plan.slots.has(id) || plan.stages.some((other) => other !== stage && other.roots.includes(id));
  for (const group of functionGroups(region.graph, stage, isStored)) {
    if (group.length < 2) continue;
    const first = nodeAt(region.graph, at(group, 0));
    const index = position.indexIn(first.aval.shape);
    const arguments_ = group.map((id) => emitter.value(region, at(nodeAt(region.graph, id).operands, 0), index));
    const entry = entryOf(first.op as TableOp);
    if (entry.kind !== "elementwise") continue;
    const operands: readonly Expr[] = [w.let(w.fresh("shared"), lanes.chooseInQuad(arguments_))];
    const own = entry.kernel(w, operands as KernelOperands, first.aval.dtype, first.attrs as never);
    const value = w.let(w.fresh("own"), own);
    for (const [lane, id] of group.entries()) {
      const result = w.let(w.fresh("shared"), w.fromQuad(value, lane));
      w.remember(valueKey(region, id, index), result);
      shared.set(result, { lane, own: value });
    }
  }
  return shared;
}

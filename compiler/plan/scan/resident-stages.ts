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
import { Emitter, type Region, valueKey } from "../emit/values.ts";
import type { Location } from "../program.ts";
import type { Stage } from "../stages/stages.ts";
import { type StageContext, sizePerRow } from "./persistent-stages.ts";
import { type LaneSlices, runResidentProducts } from "./resident-products.ts";
import type { ScanTime } from "./scan-time.ts";

/** An element to be stored in a result of the scan. */
interface ResultStore {
  readonly location: Location;
  readonly place: Index;
  /** Its value, or the two numbers of f16 that share its word, the low half first. */
  readonly values: readonly Expr[];
}

/** Every lane of a column computes all values, and reads what they need, before one of them stores them. */
export function writeResidentStage(context: StageContext, stage: Stage, lanes: LaneSlices, time: ScanTime): void {
  const { plan, writer: w, region, rows, stores } = context;
  rows.enterBlock();
  const emitter = new Emitter(w, { region, ids: stage.roots });
  const width = sizePerRow(region, stage, plan.rows);
  const position = rows.single(lanes.columnOf(width));
  const hasSteps = w.bind("has steps", w.less(time.first, time.end), 0);
  runResidentProducts(emitter, region, stage, position, lanes, hasSteps);
  if (lanes.formQuads) shareFunctions(context, emitter, stage, position, lanes);
  const inWorkgroup: (() => void)[] = [];
  const inResults: ResultStore[] = [];
  storeRoots(emitter, region, stage, position, (id, index, value) => {
    const bound = w.let(w.fresh("root"), value);
    w.remember(valueKey(region, id, index), bound);
    inWorkgroup.push(() => stores.inWorkgroup(emitter, id, index, bound));
    for (const location of stores.results(id)) {
      const place = stores.placeInResult(emitter, id, index);
      inResults.push({ location, place, values: [bound] });
    }
  });
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
    return `${location.buffer} ${w.bound(place).id} ${values.length}`;
  });
  for (const group of groups)
    for (let start = 0; start < group.length; start += lanes.slices) {
      const some = group.slice(start, start + lanes.slices);
      const { location, place, values } = at(some, 0);
      const chosen = (i: number, of = (value: Expr) => value) =>
        lanes.choose(some.map((each) => of(at(each.values, i))));
      const unrounded = (value: Expr) => w.beforeRounding(value);
      const value = values.length === 1 ? chosen(0) : w.halves(chosen(0, unrounded), chosen(1, unrounded));
      const offsets = some.map((each) => w.uniform(each.location.offset));
      const offset = w.bind(`offset ${offsets.map(({ id }) => id).join()}`, lanes.choose(offsets), 0);
      const write = () => w.storeValue({ ...location, offset: [] }, w.index.add(place, w.index.of(offset)), value);
      const takesPart = lanes.ownsAmong(width, some.length);
      if (takesPart === undefined) write();
      else w.if(takesPart, write);
    }
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
): void {
  for (const group of alikeFunctions(region, stage, (id) => plan.slots.has(id))) {
    const first = nodeAt(region.graph, at(group, 0));
    const index = position.indexIn(first.aval.shape);
    const arguments_ = group.map((id) => emitter.value(region, at(nodeAt(region.graph, id).operands, 0), index));
    const entry = entryOf(first.op as TableOp);
    if (entry.kind !== "elementwise") continue;
    const operands: readonly Expr[] = [w.let(w.fresh("shared"), lanes.chooseInQuad(arguments_))];
    const own = entry.kernel(w, operands as KernelOperands, first.aval.dtype, first.attrs as never);
    const value = w.let(w.fresh("own"), own);
    for (const [lane, id] of group.entries())
      w.remember(valueKey(region, id, index), w.let(w.fresh("shared"), w.fromQuad(value, lane)));
  }
}

/** Lanes that share functions. */
const quad = 4;

/** Groups of two to four calls of one costly function that a stage computes at its own position, callees first. */
function alikeFunctions(region: Region, stage: Stage, isStored: (id: NodeId) => boolean): readonly NodeId[][] {
  const { graph } = region;
  const { shape } = nodeAt(graph, at([...stage.loops, ...stage.roots], 0)).aval;
  const levels = new Map<NodeId, number>();
  const costly: { readonly id: NodeId; readonly level: number; readonly kind: string }[] = [];
  /** The costly functions, at most, from the stage's sums to a value. */
  const visit = (id: NodeId): number => {
    const known = levels.get(id);
    if (known !== undefined) return known;
    const node = nodeAt(graph, id);
    const isRoot = stage.roots.includes(id);
    const isOp = node.op !== "input" && node.op !== "result" && node.op !== "scan";
    const entry = isOp ? entryOf(node.op as TableOp) : undefined;
    if (entry?.kind !== "elementwise" || (isStored(id) && !isRoot)) return 0;
    const below = node.operands.reduce((most, operand) => Math.max(most, visit(operand)), 0);
    const isCostly = !entry.cheap && node.operands.length === 1 && node.aval.shape.join() === shape.join();
    const level = isCostly ? below + 1 : below;
    levels.set(id, level);
    if (isCostly)
      costly.push({ id, level, kind: `${level} ${node.op} ${JSON.stringify(node.attrs)} ${node.aval.dtype}` });
    return level;
  };
  for (const root of stage.roots) visit(root);
  return groupsBy(costly, ({ kind }) => kind)
    .sort((a, b) => at(a, 0).level - at(b, 0).level)
    .flatMap((alike) =>
      Array.from({ length: Math.ceil(alike.length / quad) }, (_, i) =>
        alike.slice(i * quad, (i + 1) * quad).map(({ id }) => id),
      ),
    )
    .filter(({ length }) => length > 1);
}

/** Groups in the order of their first members. */
function groupsBy<T>(all: readonly T[], keyOf: (each: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const each of all) {
    const key = keyOf(each);
    groups.set(key, [...(groups.get(key) ?? []), each]);
  }
  return [...groups.values()];
}

/**
 * @file Writes one stage into a kernel: which position an invocation owns, the loops, and the stores of the roots.
 */
import { sizeOf } from "../graph/dim.ts";
import { at, InternalError } from "../graph/errors.ts";
import { type NodeId, nodeAt } from "../graph/graph.ts";
import { accumulatorsOf } from "./accumulators.ts";
import {
  accumulation,
  combine,
  loopGroups,
  overReduced,
  type Position,
  rememberLoop,
  startLoop,
  stepsPerTurn,
} from "./emit-loops.ts";
import type { Emitter, Region } from "./emit-values.ts";
import type { Index } from "./index-expression.ts";
import { loopExtentsOf } from "./loops.ts";
import type { Stage } from "./stages.ts";

/** Puts a root's value where it belongs, or adds it to what is there. */
export type StoreRoot = (id: NodeId, index: readonly Index[], value: string, how?: "=" | "+=") => void;

/** How an invocation of the stage's kernel finds its work. */
export type StageForm = "element" | "tile" | "tree" | "scatter";

/** Lanes of a workgroup that reduces one output together. */
export const treeLanes = 256;

const smallOutput = 32;

const longReduction = 512;

export function formOf(region: Region, stage: Stage): StageForm {
  const [first] = stage.loops;
  if (first !== undefined && nodeAt(region.graph, first).op === "scatterAdd") return "scatter";
  const plain = stage.loops.some((id) => nodeAt(region.graph, id).op === "dot") ? "tile" : "element";
  if (typeof stage.size !== "number" || stage.size > smallOutput) return plain;
  const isLong = stage.loops.some((id) => {
    const extent = sizeOf(loopExtentsOf(region, id));
    return typeof extent !== "number" || extent >= longReduction;
  });
  return isLong ? "tree" : plain;
}

/** The positions that an invocation owns. */
export interface Owned {
  readonly positions: readonly Position[];
  /** Walks over them at run time, leaving out those that lie outside; `number` counts as `positions` does. */
  readonly walk?: (body: (position: Position, number: string) => void) => void;
}

/**
 * One invocation computes some positions of the stage, alone. Loops run for all of them at once, so that what they
 * share is loaded once; what follows is written once and walks over them.
 */
export function emitPositions(emitter: Emitter, region: Region, stage: Stage, owned: Owned, store: StoreRoot): void {
  const { writer } = emitter;
  const { positions, walk } = owned;
  const sums: Sums[] = [];
  for (const group of loopGroups(region, accumulatorsOf(region, stage))) {
    const started = group.map(({ result, loops }) => {
      return { id: result, loops, names: positions.map(() => startLoop(emitter, region, at(loops, 0))) };
    });
    const first = at(at(group, 0).loops, 0);
    overReduced(emitter, loopExtentsOf(region, first), stepsPerTurn(emitter, region, group), (turn) => {
      const terms = started.flatMap(({ loops, names }) =>
        positions.map((position, i) => accumulation(emitter, region, loops, at(names, i), position, turn)),
      );
      // All loads first, then all sums: the loads do not wait for each other.
      for (const term of terms) writer.line(term);
    });
    for (const { id, names } of started) {
      for (const [i, position] of positions.entries()) rememberLoop(emitter, region, id, position, at(names, i));
    }
    sums.push(...started);
  }
  if (walk === undefined) {
    for (const position of positions) storeRoots(emitter, region, stage, position, store);
    return;
  }
  storeWalking(emitter, region, stage, sums, store, walk);
}

/** The results of a loop for all positions of a tile. */
export interface Sums {
  readonly id: NodeId;
  readonly names: readonly string[];
}

/** Writes what follows the loops once, and walks over the positions with it. */
export function storeWalking(
  emitter: Emitter,
  region: Region,
  stage: Stage,
  sums: readonly Sums[],
  store: StoreRoot,
  walk: (body: (position: Position, number: string) => void) => void,
): void {
  const { writer } = emitter;
  const results = sums.map(({ id, names }) => ({ id, array: keepAll(emitter, region, id, names) }));
  walk((position, number) => {
    for (const { id, array } of results) {
      const name = writer.fresh("sum");
      writer.line(`let ${name} = ${array}[${number}];`);
      rememberLoop(emitter, region, id, position, name);
    }
    storeRoots(emitter, region, stage, position, store);
  });
}

/** Puts the results of a loop for all positions into an array, to be walked over. */
function keepAll(emitter: Emitter, region: Region, id: NodeId, names: readonly string[]): string {
  const array = emitter.writer.fresh("sums");
  const { dtype } = nodeAt(region.graph, id).aval;
  emitter.writer.line(`var ${array} = array<${dtype}, ${names.length}>(${names.join(", ")});`);
  return array;
}

/** A workgroup computes the position together: each lane a strided part, then a tree over the lanes. */
export function emitTree(emitter: Emitter, region: Region, stage: Stage, position: Position, store: StoreRoot): void {
  const { writer } = emitter;
  // The loops take turns with one array of each dtype.
  const arrays = new Map<string, string>();
  for (const id of stage.loops) {
    const node = nodeAt(region.graph, id);
    const accumulator = startLoop(emitter, region, id);
    const extents = loopExtentsOf(region, id);
    const extent = sizeOf(extents);
    const k = writer.fresh("k");
    writer.block(`for (var ${k}: u32 = lane; ${k} < ${writer.index.dim(extent).text}; ${k} += ${treeLanes}u)`, () => {
      const flat = writer.index.variable(k, writer.depth, extent);
      writer.line(
        accumulation(emitter, region, [id], accumulator, position, [{ index: emitter.indexAt(flat, extents) }]),
      );
    });
    const { dtype } = node.aval;
    const used = arrays.get(dtype);
    if (used !== undefined) writer.line("workgroupBarrier();");
    const shared = used ?? writer.workgroupArray(dtype, treeLanes);
    arrays.set(dtype, shared);
    writer.line(`${shared}[lane] = ${accumulator};`);
    const half = writer.fresh("half");
    writer.block(`for (var ${half}: u32 = ${treeLanes / 2}u; ${half} > 0u; ${half} = ${half} / 2u)`, () => {
      writer.line("workgroupBarrier();");
      writer.block(`if (lane < ${half})`, () => {
        writer.line(`${shared}[lane] = ${combine(node, `${shared}[lane]`, `${shared}[lane + ${half}]`)};`);
      });
    });
    writer.line("workgroupBarrier();");
    const total = writer.fresh("total");
    writer.line(`let ${total} = ${shared}[0];`);
    rememberLoop(emitter, region, id, position, total);
  }
  writer.block("if (lane == 0u)", () => storeRoots(emitter, region, stage, position, store));
}

/**
 * One invocation owns a column of the result and adds every update to it in order: no two write to one place, and the
 * order of the sums is fixed.
 */
export function emitScatter(emitter: Emitter, region: Region, stage: Stage, column: Index, store: StoreRoot): void {
  const { writer } = emitter;
  const scatter = at(stage.loops, 0);
  const node = nodeAt(region.graph, scatter);
  if (node.op !== "scatterAdd") throw new InternalError("a scatter stage without a scatter");
  const indices = at(node.operands, 0);
  const updates = at(node.operands, 1);
  const { rows } = node.attrs;
  const indexShape = nodeAt(region.graph, indices).aval.shape;
  const width = node.aval.shape.slice(1);
  const rest = emitter.indexAt(column, width);
  const placeOf = (row: Index) => [row, ...rest];
  const row = writer.fresh("row");
  writer.block(`for (var ${row}: u32 = 0u; ${row} < ${rows}u; ${row}++)`, () => {
    store(scatter, placeOf(writer.index.variable(row, writer.depth, rows)), "0.0");
  });
  const count = sizeOf(indexShape);
  const n = writer.fresh("k");
  writer.block(`for (var ${n}: u32 = 0u; ${n} < ${writer.index.dim(count).text}; ${n}++)`, () => {
    const source = emitter.indexAt(writer.index.variable(n, writer.depth, count), indexShape);
    const target = emitter.value(region, indices, source);
    const update = emitter.value(region, updates, [...source, ...rest]);
    const rowIndex = writer.index.min(
      writer.index.variable(`u32(${target.text})`, target.depth),
      writer.index.dim(rows - 1),
    );
    store(scatter, placeOf(rowIndex), update.text, "+=");
  });
}

/**
 * One invocation owns an element of the result and adds what belongs to it, in order: where lanes are many, looking at
 * every index in parallel takes less time than adding all updates of a column one after the other.
 */
export function emitScatterByElement(
  emitter: Emitter,
  region: Region,
  stage: Stage,
  element: Index,
  store: StoreRoot,
): void {
  const { writer } = emitter;
  const scatter = at(stage.loops, 0);
  const node = nodeAt(region.graph, scatter);
  if (node.op !== "scatterAdd") throw new InternalError("a scatter stage without a scatter");
  const [indices, updates] = [at(node.operands, 0), at(node.operands, 1)];
  const indexShape = nodeAt(region.graph, indices).aval.shape;
  const place = emitter.indexAt(element, node.aval.shape);
  const [row, ...rest] = place;
  const total = startLoop(emitter, region, scatter);
  const count = sizeOf(indexShape);
  const n = writer.fresh("k");
  writer.block(`for (var ${n}: u32 = 0u; ${n} < ${writer.index.dim(count).text}; ${n}++)`, () => {
    const source = emitter.indexAt(writer.index.variable(n, writer.depth, count), indexShape);
    const target = emitter.value(region, indices, source);
    const found = `min(u32(${target.text}), ${node.attrs.rows - 1}u)`;
    writer.block(`if (${found} == ${writer.indexText(row ?? writer.index.dim(0))})`, () => {
      writer.line(`${total} += ${emitter.value(region, updates, [...source, ...rest]).text};`);
    });
  });
  store(scatter, place, total);
}

/** All values are computed before the first is stored: a root may take over the memory of what another one reads. */
function storeRoots(emitter: Emitter, region: Region, stage: Stage, position: Position, store: StoreRoot): void {
  const values = stage.roots.map((id) => {
    const index = position.indexIn(nodeAt(region.graph, id).aval.shape);
    return { id, index, text: emitter.compute(region, id, index).text };
  });
  for (const { id, index, text } of values) store(id, index, text);
}

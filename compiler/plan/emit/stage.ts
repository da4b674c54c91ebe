/**
 * @file Writes one stage into a kernel: which position an invocation owns, the loops, and the stores of the roots.
 */
import { sizeOf } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import { type NodeId, nodeAt } from "../../graph/graph.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import type { Expr, LocalArray } from "../../kernel/ir.ts";
import { loopExtentsOf } from "../stages/loops.ts";
import type { Stage } from "../stages/stages.ts";
import { overBlocks, RunningSums } from "./long-sums.ts";
import {
  accumulated,
  combine,
  loopGroups,
  type Position,
  rememberLoop,
  runLoops,
  runningSum,
  type Sums,
  startLoop,
} from "./loops.ts";
import type { PlacedBuilder } from "./placed-builder.ts";
import type { Emitter, Region } from "./values.ts";

/** Puts a root's value where it belongs, or adds it to what is there. */
export type StoreRoot = (id: NodeId, index: readonly Index[], value: Expr, how?: "set" | "add") => void;

/** Lanes of a workgroup that reduces one output together. */
export const treeLanes = 256;

/** The positions that an invocation owns. */
export interface Owned {
  readonly positions: readonly Position[];
  /** Walks over them at run time, leaving out those that lie outside; `number` counts as `positions` does. */
  readonly walk?: (body: (position: Position, number: Expr) => void) => void;
}

/**
 * One invocation computes some positions of the stage, alone. Loops run for all of them at once, so that what they
 * share is loaded once; what follows is written once and walks over them.
 */
export function emitPositions(emitter: Emitter, region: Region, stage: Stage, owned: Owned, store: StoreRoot): void {
  const { positions, walk } = owned;
  const sums: Sums[] = [];
  for (const group of loopGroups(region, stage.accumulators)) {
    const results = runLoops(emitter, region, group, positions);
    for (const { id, registers } of results) {
      for (const [i, position] of positions.entries()) rememberLoop(emitter, region, id, position, at(registers, i));
    }
    sums.push(...results);
  }
  if (walk === undefined) {
    for (const position of positions) storeRoots(emitter, region, stage, position, store);
    return;
  }
  storeWalking(emitter, region, stage, sums, store, walk);
}

/** Writes what follows the loops once, and walks over the positions with it. */
export function storeWalking(
  emitter: Emitter,
  region: Region,
  stage: Stage,
  sums: readonly { readonly id: NodeId; readonly registers: readonly Expr[] }[],
  store: StoreRoot,
  walk: (body: (position: Position, number: Expr) => void) => void,
): void {
  const { writer } = emitter;
  const results = sums.map(({ id, registers }) => ({ id, array: keepAll(emitter, region, id, registers) }));
  walk((position, number) => {
    for (const { id, array } of results) {
      rememberLoop(emitter, region, id, position, writer.let(writer.fresh("sum"), writer.load(array, number)));
    }
    storeRoots(emitter, region, stage, position, store);
  });
}

/** Puts the results of a loop for all positions into an array, to be walked over. */
function keepAll({ writer }: Emitter, region: Region, id: NodeId, registers: readonly Expr[]): LocalArray {
  return writer.registers(writer.fresh("sums"), nodeAt(region.graph, id).aval.dtype, registers);
}

/** A workgroup computes the position together: each lane a strided part, then a tree over the lanes. */
export function emitTree(emitter: Emitter, region: Region, stage: Stage, position: Position, store: StoreRoot): void {
  const { writer } = emitter;
  const { lane } = writer;
  // The loops take turns with one array of each dtype.
  const arrays = new Map<string, LocalArray>();
  for (const id of stage.loops) {
    const node = nodeAt(region.graph, id);
    const accumulator = startLoop(writer, region, id);
    const extents = loopExtentsOf(region, id);
    const extent = sizeOf(extents);
    const running = new RunningSums(writer, [runningSum(writer, region, id, [accumulator])]);
    const [axis, step] = [{ extent, role: "depth" } as const, writer.u32(treeLanes)];
    overBlocks(writer, { start: lane, count: extent, stride: treeLanes }, running, (first, end) => {
      writer.for({ axis, mapping: "lanes", name: writer.fresh("k"), first, end, step }, (k) => {
        const own = running.register(0, 0);
        const turn = [{ index: emitter.indexAt(writer.index.of(k, extent), extents) }];
        writer.assign(own, accumulated(emitter, region, [id], own, position, turn));
      });
    });
    const { dtype } = node.aval;
    const used = arrays.get(dtype);
    const shared = used ?? writer.sharedArray(dtype, treeLanes);
    arrays.set(dtype, shared);
    writer.storeElement(shared, lane, accumulator);
    overHalves(writer, (half) => {
      const own = writer.load(shared, lane);
      writer.storeElement(shared, lane, combine(writer, node, own, writer.load(shared, writer.add(lane, half))));
    });
    rememberLoop(emitter, region, id, position, writer.let(writer.fresh("total"), writer.load(shared, writer.u32(0))));
  }
  writer.if(writer.equal(lane, writer.u32(0)), () => storeRoots(emitter, region, stage, position, store));
}

/** Writes what joins the second half of the lanes that are left to the first, until one is left. */
function overHalves(writer: PlacedBuilder, join: (half: Expr) => void): void {
  const levels = Math.log2(treeLanes);
  const axis = { extent: levels, role: "tree" } as const;
  const [first, step] = [writer.u32(0), writer.u32(1)];
  writer.for({ axis, name: writer.fresh("level"), first, end: writer.u32(levels), step }, (level) => {
    const half = writer.let(writer.fresh("half"), writer.shiftRight(writer.u32(treeLanes / 2), level));
    writer.if(writer.less(writer.lane, half), () => join(half));
  });
}

/** All values are computed before the first is stored: a root may take over the memory of what another one reads. */
function storeRoots(emitter: Emitter, region: Region, stage: Stage, position: Position, store: StoreRoot): void {
  const values = stage.roots.map((id) => {
    const index = position.indexIn(nodeAt(region.graph, id).aval.shape);
    return { id, index, value: emitter.compute(region, id, index) };
  });
  for (const { id, index, value } of values) store(id, index, value);
}

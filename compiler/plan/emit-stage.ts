/**
 * @file Writes one stage into a kernel: which position an invocation owns, the loops, and the stores of the roots.
 */
import { sizeOf } from "../graph/dim.ts";
import { at } from "../graph/errors.ts";
import { type NodeId, nodeAt } from "../graph/graph.ts";
import {
  accumulation,
  combine,
  loopGroups,
  type Position,
  rememberLoop,
  runLoops,
  runningSum,
  type Sums,
  startLoop,
} from "./emit-loops.ts";
import type { Emitter, Region } from "./emit-values.ts";
import type { Index } from "./index-expression.ts";
import { overBlocks, RunningSums } from "./long-sums.ts";
import { loopExtentsOf } from "./loops.ts";
import type { Stage } from "./stages.ts";

/** Puts a root's value where it belongs, or adds it to what is there. */
export type StoreRoot = (id: NodeId, index: readonly Index[], value: string, how?: "=" | "+=") => void;

/** Lanes of a workgroup that reduces one output together. */
export const treeLanes = 256;

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
  const { positions, walk } = owned;
  const sums: Sums[] = [];
  for (const group of loopGroups(region, stage.accumulators)) {
    const results = runLoops(emitter, region, group, positions);
    for (const { id, names } of results) {
      for (const [i, position] of positions.entries()) rememberLoop(emitter, region, id, position, at(names, i));
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
  sums: readonly Pick<Sums, "id" | "names">[],
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
    const running = new RunningSums(writer, [runningSum(emitter, region, id, [accumulator])]);
    overBlocks(writer, { start: "lane", count: extent, stride: treeLanes }, running, (first, end) => {
      writer.block(`for (var ${k}: u32 = ${first}; ${k} < ${end}; ${k} += ${treeLanes}u)`, () => {
        const flat = writer.index.variable(k, writer.depth, extent);
        const own = running.name(0, 0);
        writer.line(accumulation(emitter, region, [id], own, position, [{ index: emitter.indexAt(flat, extents) }]));
      });
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

/** All values are computed before the first is stored: a root may take over the memory of what another one reads. */
function storeRoots(emitter: Emitter, region: Region, stage: Stage, position: Position, store: StoreRoot): void {
  const values = stage.roots.map((id) => {
    const index = position.indexIn(nodeAt(region.graph, id).aval.shape);
    return { id, index, text: emitter.compute(region, id, index).text };
  });
  for (const { id, index, text } of values) store(id, index, text);
}

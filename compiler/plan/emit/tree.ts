/**
 * @file Long reductions to few outputs: a workgroup computes one output; each lane sums a strided part, then a tree
 * combines the lanes.
 */
import { sizeOf } from "../../graph/dim.ts";
import { nodeAt } from "../../graph/graph.ts";
import type { Expr, LocalArray } from "../../kernel/ir.ts";
import { loopExtentsOf } from "../stages/loops.ts";
import { type TileOptions, vectorLanes } from "../stages/tiles.ts";
import type { Emission, Form } from "./form.ts";
import { overBlocks, RunningSums } from "./long-sums.ts";
import { accumulated, combine, flatPosition, rememberLoop, runningSum, startLoop } from "./loops.ts";
import type { PlacedBuilder } from "./placed-builder.ts";
import { storeRoots } from "./stage.ts";

/**
 * Lanes of the workgroup. They fix the order of the sum, whatever hardware runs them. A CPU, also one behind WebGPU, runs a
 * workgroup on one core: more lanes than a vector has would only wait for each other at every level of the tree.
 */
function lanesOf({ target }: TileOptions): number {
  return target === "gpu" ? 256 : vectorLanes;
}

export const tree: Form = {
  matches: ({ stage }) => stage.form === "tree",
  grid: ({ stage }) => ({ rows: [stage.size], rowsPer: 1, columns: [1], lanes: 1 }),
  lanes: ({ tiles }) => lanesOf(tiles),
  emit: emitTree,
};

function emitTree({ emitter, region, stage, tiles, store }: Emission): void {
  const { writer } = emitter;
  const treeLanes = lanesOf(tiles);
  // A large dispatch has workgroups beyond the last.
  writer.leaveIf(writer.lessEqual(writer.size(stage.size), writer.group));
  const position = flatPosition(emitter, writer.index.of(writer.group, stage.size));
  const { lane } = writer;
  // The loops share one array per dtype, one after another.
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
    overHalves(writer, treeLanes, (half) => {
      const own = writer.load(shared, lane);
      writer.storeElement(shared, lane, combine(writer, node, own, writer.load(shared, writer.add(lane, half))));
    });
    rememberLoop(emitter, region, id, position, writer.let(writer.fresh("total"), writer.load(shared, writer.u32(0))));
  }
  writer.if(writer.equal(lane, writer.u32(0)), () => storeRoots(emitter, region, stage, position, store));
}

/** Combines the second half of the remaining lanes with the first, until one lane is left. */
function overHalves(writer: PlacedBuilder, treeLanes: number, join: (half: Expr) => void): void {
  const levels = Math.log2(treeLanes);
  const axis = { extent: levels, role: "tree" } as const;
  const [first, step] = [writer.u32(0), writer.u32(1)];
  writer.for({ axis, name: writer.fresh("level"), first, end: writer.u32(levels), step }, (level) => {
    const half = writer.let(writer.fresh("half"), writer.shiftRight(writer.u32(treeLanes / 2), level));
    writer.if(writer.less(writer.lane, half), () => join(half));
  });
}

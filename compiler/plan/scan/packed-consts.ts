/**
 * @file On a CPU, matrices that a loop multiplies by in every step are first packed in the order in which products read
 * them: panels as wide as a tile, each with one depth step after another. A product then reads its right operand
 * sequentially, transposed or not, and the operand stays in the cache (Goto & van de Geijn 2008, "Anatomy of
 * high-performance matrix multiplication").
 */
import { mulDims } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import { ancestorsOf, type NodeId, nodeAt } from "../../graph/graph.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import { gridOf, overPositions } from "../../kernel/mapping.ts";
import { mappingOf } from "../emit/form.ts";
import { finishKernel } from "../emit/kernel.ts";
import { PlacedBuilder } from "../emit/placed-builder.ts";
import { Emitter } from "../emit/values.ts";
import type { Lowering, ScanContext } from "../lowering.ts";
import type { Dispatch, Location } from "../program.ts";
import { vectorLanes } from "../stages/tiles.ts";
import type { PersistentPlan } from "./persistent-plan.ts";
import { beforeLoop } from "./scan-context.ts";

/**
 * Layout of a matrix that depends only on consts of the loop: `depth` rows and `columns` columns, in panels of `width`
 * columns; a last panel that is not full is as large as the others.
 */
export interface PackedConst {
  readonly place: Location;
  readonly depth: number;
  readonly columns: number;
  readonly width: number;
  /** Whether the first axis of the const is that of the columns. */
  readonly isTransposed: boolean;
}

/** Packs the right operands of a loop's products that depend only on consts, each as the first product reads it. */
export function packConsts(
  lowering: Lowering,
  context: ScanContext,
  plan: PersistentPlan,
): { readonly packed: ReadonlyMap<NodeId, PackedConst>; readonly steps: readonly Dispatch[] } {
  const packed = new Map<NodeId, PackedConst>();
  const { attrs } = plan.node;
  const { body } = attrs;
  const changing = new Set(body.inputs.slice(attrs.consts));
  const isConst = (id: NodeId) => ![...ancestorsOf(body, [id])].some((ancestor) => changing.has(ancestor));
  for (const stage of plan.stages) {
    for (const id of stage.loops) {
      const node = nodeAt(body, id);
      if (node.op !== "dot" || node.aval.shape.length !== 2) continue;
      const right = at(node.operands, 1);
      if (packed.has(right) || !isConst(right)) continue;
      const { transposeB: isTransposed } = node.attrs;
      const [first, second] = nodeAt(body, right).aval.shape;
      const [depth, columns] = isTransposed ? [second, first] : [first, second];
      if (typeof depth !== "number" || typeof columns !== "number" || depth === 0 || columns === 0) continue;
      const width = plan.tileOf(stage).columns * vectorLanes;
      const size = Math.ceil(columns / width) * width * depth;
      const place = lowering.memory.place("f32", size, context.order, context.order);
      packed.set(right, { place, depth, columns, width, isTransposed });
    }
  }
  return { packed, steps: packed.size === 0 ? [] : [packAll(lowering, context, plan, packed)] };
}

/** The kernel that packs them, with one part per matrix. */
function packAll(
  lowering: Lowering,
  context: ScanContext,
  { node }: PersistentPlan,
  packed: ReadonlyMap<NodeId, PackedConst>,
): Dispatch {
  const writer = new PlacedBuilder(lowering.buffers, lowering.tiles);
  const mapping = mappingOf(lowering.tiles);
  const { phase } = context;
  const region = beforeLoop(context, node);
  const all = [...packed].map(([id, one]) => {
    return { id, one, size: Math.ceil(one.columns / one.width) * one.width * one.depth };
  });
  const grid = all.map(({ size }) => gridOf(mapping, size));
  for (const [i, { id, one, size }] of all.entries())
    writer.part(at(grid, i), () => {
      const positions = { name: "position", role: "positions", count: writer.u32(size), extent: size } as const;
      overPositions(writer, mapping, positions, (position) => {
        const { index } = writer;
        const own = index.of(position, size);
        const [width, depth] = [index.dim(one.width), index.dim(one.depth)];
        const k = index.mod(index.div(own, width), depth);
        const panel = index.div(own, index.dim(one.width * one.depth));
        const column = index.add(index.mul(panel, width), index.mod(own, width));
        const isWhole = one.columns % one.width === 0;
        const inside = isWhole ? column : index.min(column, index.dim(one.columns - 1));
        const emitter = new Emitter(writer, { region, ids: [] });
        const value = emitter.value(region, id, one.isTransposed ? [inside, k] : [k, inside]);
        writer.storeValue(one.place, own, value);
      });
    });
  const work = { flops: [], bytes: all.map(({ size }) => mulDims(8, size)) };
  const kernel = finishKernel(lowering, writer, region, [...packed.keys()], mapping.lanes, work);
  return { kind: "dispatch", kernel, grid, phase };
}

/** The position of an element in a packed const. */
export function packedPosition(
  { index: m }: PlacedBuilder,
  { depth, columns, width, isTransposed }: PackedConst,
  index: readonly Index[],
): Index {
  const [first, second] = [at(index, 0), at(index, 1)];
  const [k, column] = isTransposed ? [second, first] : [first, second];
  const panel = m.below(m.div(column, m.dim(width)), Math.ceil(columns / width));
  const row = m.add(m.mul(panel, m.dim(depth)), k);
  return m.add(m.mul(row, m.dim(width)), m.mod(column, m.dim(width)));
}

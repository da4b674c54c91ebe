/**
 * @file Products with a long depth and a small result, such as the gradients of weights: a few blocks would leave most of
 * a GPU idle, so workgroups share the depth, too. One kernel computes the sums of chunks of the depth, each product
 * apart, and stores them; another adds them up, in the order of the chunks, and does what follows the products.
 */
import { type Dim, mulDims, sizeOf } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import { nodeAt } from "../../graph/graph.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import type { Expr } from "../../kernel/ir.ts";
import { gridOf, overPositions } from "../../kernel/mapping.ts";
import { loopExtentsOf } from "../stages/loops.ts";
import { BlockLoop } from "./block-products.ts";
import { type BlockShape, blockLanes, boundOf, depthOf, mostTerms, shapeName } from "./block-shape.ts";
import { joinSlices, overTile, startTile } from "./block-tile.ts";
import { blockGrid, matrixOf, phasesOf, placeOf } from "./blocks.ts";
import { type Emission, type FormContext, mappingOf, type PartForm } from "./form.ts";
import { blockLength, RunningSums } from "./long-sums.ts";
import { flatPosition, rememberLoop } from "./loops.ts";
import type { PlacedBuilder } from "./placed-builder.ts";
import { storeRoots } from "./stage.ts";

/** How a stage of products is cut along its depth. */
export interface DepthSplit {
  readonly shape: BlockShape;
  readonly chunks: number;
}

/** Elements that the sums of a product's chunks take, one result after another. */
export function sumsSize({ region, stage, tiles }: FormContext, chunks: number): Dim {
  const { batch, m, n } = matrixOf(nodeAt(region.graph, at(stage.loops, 0)));
  return mulDims(chunks, sizeOf([...batch, boundOf(m, tiles.outside), n]));
}

/** The kernel part of one product, the `product`-th of the stage: the sums of the chunks of its depth, in its scratch memory. */
export function chunkSums(
  { region, stage, tiles }: FormContext,
  product: number,
  { shape, chunks }: DepthSplit,
): PartForm {
  const bound = boundOf(at(loopExtentsOf(region, at(stage.loops, product)), 0), tiles.outside);
  const mostOfLane =
    typeof bound === "number" ? lengthFor(bound, shape, chunks) / shape.slices : Number.POSITIVE_INFINITY;
  const inParts = mostOfLane > mostTerms;
  return {
    name: `chunks ${inParts} ${shapeName(shape)} ${chunks} ${product}`,
    grid: (context) => blockGrid(context, shape, chunks),
    lanes: () => blockLanes,
    emit: (emission) => emitChunk(emission, product, { shape, chunks }, inParts),
  };
}

function emitChunk(
  { emitter, region, stage, scratch }: Emission,
  product: number,
  { shape, chunks }: DepthSplit,
  inParts: boolean,
) {
  const { writer } = emitter;
  const to = at(scratch, 0);
  const { index } = writer;
  const id = at(stage.loops, product);
  const { shape: extents } = matrixOf(nodeAt(region.graph, id));
  const depth = at(loopExtentsOf(region, id), 0);
  const { place, chunk } = placeOf({ emitter, region, stage }, shape, chunks);
  const length = chunkLength(writer, depth, shape, chunks);
  const start = writer.let("start", writer.mul(chunk, length));
  writer.leaveIf(writer.lessEqual(writer.size(depth), start));
  const end = writer.let("end", writer.min(writer.add(start, length), writer.size(depth)));
  const loop = new BlockLoop(emitter, region, shape, place);
  const isWhole = typeof depth === "number" && depth % depthOf(shape) === 0;
  const [only] = phasesOf(region, [{ loops: [id] }], shape);

  /** Writes the sums of a range of the chunk; all but the first are added to what is stored. */
  const write = (first: Expr, last: Expr, isFirst: Expr | undefined) => {
    const registers = startTile(writer, shape);
    const running = new RunningSums(writer, [{ registers }]);
    if (only !== undefined) loop.write(only.phase, { depth, first, end: last, isWhole }, running);
    const tile = writer.registers(
      writer.fresh("sums"),
      "f32x4",
      joinSlices(writer, shape, place, registers, loop.memory),
    );
    overTile(writer, shape, place, (p, row, columns) => {
      const vector = writer.let(writer.fresh("sum"), writer.load(tile, p));
      const results = columns.map(({ column, component }) => {
        const own = emitter.positionOf([...place.outer, row, column], extents);
        const position = index.add(index.mul(index.of(chunk), index.dim(sizeOf(extents))), own);
        const sum = writer.component(vector, component);
        if (isFirst === undefined) return { position, sum };
        const before = writer.select(isFirst, writer.f32(0), writer.loadValue(to, position, "f32"));
        return { position, sum: writer.let(writer.fresh("total"), writer.add(before, sum)) };
      });
      for (const { position, sum } of results) writer.storeValue(to, position, sum);
    });
  };

  if (!inParts) {
    write(start, end, undefined);
    return;
  }
  // A sum of many terms rounds too often (long-sums.ts): its parts are added up where they are stored.
  const part = blockLength(writer, { start: writer.u32(0), count: depth, stride: shape.slices });
  const parts = writer.let(
    "parts",
    writer.div(writer.add(writer.sub(end, start), writer.sub(part, writer.u32(1))), part),
  );
  const axis = { extent: depth, role: "block" } as const;
  const [zero, one] = [writer.u32(0), writer.u32(1)];
  writer.for({ axis, name: writer.fresh("part"), first: zero, end: parts, step: one }, (number) => {
    const first = writer.let(writer.fresh("first"), writer.add(start, writer.mul(number, part)));
    const last = writer.let(writer.fresh("last"), writer.min(writer.add(first, part), end));
    write(first, last, writer.let(writer.fresh("isFirst"), writer.equal(number, zero)));
  });
}

/** Depth of a chunk: a multiple of a block's depth, and at least two of those. */
function lengthFor(depth: number, shape: BlockShape, chunks: number): number {
  const block = depthOf(shape);
  return Math.max(2, Math.ceil(depth / (chunks * block))) * block;
}

function chunkLength(writer: PlacedBuilder, depth: Dim, shape: BlockShape, chunks: number): Expr {
  if (typeof depth === "number") return writer.u32(lengthFor(depth, shape, chunks));
  const block = depthOf(shape);
  const whole = writer.div(writer.add(writer.size(depth), writer.u32(chunks * block - 1)), writer.u32(chunks * block));
  return writer.bind(`chunk of ${depth} ${chunks}`, writer.mul(writer.max(whole, writer.u32(2)), writer.u32(block)), 0);
}

/**
 * The kernel part that adds up the chunks of all products of a stage, each in a scratch array of its own, and stores the
 * stage's roots.
 */
export function sumOfChunks({ shape, chunks }: DepthSplit): PartForm {
  return {
    name: `sum ${shapeName(shape)} ${chunks}`,
    grid: ({ stage, tiles }) => gridOf(mappingOf(tiles), stage.size),
    lanes: ({ tiles }) => mappingOf(tiles).lanes,
    emit: ({ emitter, region, stage, tiles, store, scratch }) => {
      const { writer } = emitter;
      const { index } = writer;
      const depth = at(loopExtentsOf(region, at(stage.loops, 0)), 0);
      const size = writer.size(depth);
      const length = chunkLength(writer, depth, shape, chunks);
      const lengthLess = writer.sub(length, writer.u32(1));
      const used = writer.let("used", writer.div(writer.add(size, lengthLess), length));
      const positions = {
        name: "position",
        role: "positions",
        count: writer.size(stage.size),
        extent: stage.size,
      } as const;
      overPositions(writer, mappingOf(tiles), positions, (flat) => {
        const own = index.of(flat, stage.size);
        const sumOf = (product: number, chunk: Index): Expr => {
          const place = index.add(index.mul(chunk, index.dim(stage.size)), own);
          const stored = writer.conditionally(() => writer.loadValue(at(scratch, product), place, "f32"));
          return writer.select(writer.less(writer.bound(chunk), used), stored, writer.f32(0));
        };
        const position = flatPosition(emitter, own);
        for (const { result, loops } of stage.accumulators) {
          const products = loops.map((id) => stage.loops.indexOf(id));
          rememberLoop(emitter, region, result, position, addChunks(writer, chunks, products, sumOf));
        }
        storeRoots(emitter, region, stage, position, store);
      });
    },
  };
}

/** Sums that are loaded together, before the first is added. */
const together = 8;

/** The sum over all chunks, several at a time. */
export function addChunks(
  writer: PlacedBuilder,
  chunks: number,
  products: readonly number[],
  sumOf: (product: number, chunk: Index) => Expr,
): Expr {
  const { index } = writer;
  const total = writer.var(writer.fresh("total"), writer.f32(0));
  const add = (some: readonly Index[]) => {
    const terms = products.flatMap((product) =>
      some.map((chunk) => writer.let(writer.fresh("term"), sumOf(product, chunk))),
    );
    writer.assign(
      total,
      terms.reduce<Expr>((sum, term) => writer.add(sum, term), total),
    );
  };
  const counted = (count: number) => Array.from({ length: count }, (_, i) => i);
  if (chunks <= together) add(counted(chunks).map((chunk) => index.dim(chunk)));
  else {
    const [first, end, step] = [writer.u32(0), writer.u32(Math.ceil(chunks / together)), writer.u32(1)];
    const axis = { extent: chunks, role: "block" } as const;
    writer.for({ axis, name: writer.fresh("some"), first, end, step }, (some) => {
      const start = index.of(writer.let(writer.fresh("chunk"), writer.mul(some, writer.u32(together))));
      add(counted(together).map((i) => index.add(start, index.dim(i))));
    });
  }
  return total;
}

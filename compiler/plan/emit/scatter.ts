/**
 * @file Writes scatters: updates added up by row, in a fixed order and in partial sums (long-sums.ts), since the rows
 * of frequent tokens are long sums.
 */
import { type Dim, mulDims, sizeOf } from "../../graph/dim.ts";
import { at, InternalError } from "../../graph/errors.ts";
import { nodeAt } from "../../graph/graph.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import type { Expr } from "../../kernel/ir.ts";
import { gridOf, overPositions } from "../../kernel/mapping.ts";
import type { Stage } from "../stages/stages.ts";
import { type Emission, type Form, type FormContext, mappingOf } from "./form.ts";
import { blockLength, isLong, overBlocks, type Parts, RunningSums, type Terms } from "./long-sums.ts";
import { runningSum, startLoop } from "./loops.ts";
import type { Emitter, Region } from "./values.ts";

/** Maximum number of rows for which every element of the result looks at every index. */
const mostRowsByElement = 1024;

/** With many lanes, looking at every index in parallel is faster than adding all updates of a column in order. */
export const scatterByElement: Form = {
  matches: (context) => context.stage.form === "scatter" && looksAtEveryIndex(context),
  grid: ({ stage, tiles }) => gridOf(mappingOf(tiles), stage.size),
  lanes: ({ tiles }) => mappingOf(tiles).lanes,
  emit: (emission) => overOwned(emission, emission.stage.size, emitElement),
};

export const scatterByColumn: Form = {
  matches: ({ stage }) => stage.form === "scatter",
  grid: (context) => gridOf(mappingOf(context.tiles), columnsOf(context)),
  lanes: ({ tiles }) => mappingOf(tiles).lanes,
  scratch: (context) =>
    isLong(termsOf(context)) ? [{ size: mulDims(mostParts, columnsOf(context)), dtype: "f32" }] : [],
  emit: (emission) => overOwned(emission, columnsOf(emission), emitColumn),
};

/** The updates of a column. */
function termsOf({ region, stage }: FormContext): Pick<Terms, "count" | "stride" | "mostBlocks"> {
  const indices = at(nodeAt(region.graph, at(stage.loops, 0)).operands, 0);
  return { count: sizeOf(nodeAt(region.graph, indices).aval.shape), stride: 1, mostBlocks: mostParts };
}

function looksAtEveryIndex({ region, stage, tiles }: FormContext): boolean {
  const [rows] = nodeAt(region.graph, at(stage.loops, 0)).aval.shape;
  return tiles.target === "gpu" && typeof rows === "number" && rows <= mostRowsByElement;
}

/** Columns of the result: the number of elements in one row. */
function columnsOf({ region, stage }: FormContext): Dim {
  return sizeOf(nodeAt(region.graph, at(stage.loops, 0)).aval.shape.slice(1));
}

function overOwned(emission: Emission, extent: Dim, emit: (emission: Emission, own: Index) => void): void {
  const { writer } = emission.emitter;
  const positions = { name: "position", role: "positions", count: writer.size(extent), extent } as const;
  overPositions(writer, mappingOf(emission.tiles), positions, (position) =>
    emit(emission, writer.index.of(position, extent)),
  );
}

/** Maximum number of partial sums set aside per column. */
const mostParts = 128;
/** 2^32 divided by the golden ratio: its multiples modulo 2^32 are evenly spread. */
const spread = 2654435761;

/** A scatter, and how to read its n-th update and that update's row. */
export function scatterOf(emitter: Emitter, region: Region, stage: Stage) {
  const scatter = at(stage.loops, 0);
  const node = nodeAt(region.graph, scatter);
  if (node.op !== "scatterAdd") throw new InternalError("a scatter stage has no scatterAdd");
  const [indices, updates] = [at(node.operands, 0), at(node.operands, 1)];
  const { shape } = nodeAt(region.graph, indices).aval;
  const { writer } = emitter;
  const { index } = writer;
  const count = sizeOf(shape);
  const source = (n: Expr) => emitter.indexAt(index.of(n, count), shape);
  return {
    scatter,
    rows: node.attrs.rows,
    shape: node.aval.shape,
    count,
    rowOf: (n: Expr): Index => {
      const found = emitter.value(region, indices, source(n));
      return index.min(index.of(writer.convert(found, "u32")), index.dim(node.attrs.rows - 1));
    },
    updateOf: (n: Expr, rest: readonly Index[]) => emitter.value(region, updates, [...source(n), ...rest]),
  };
}

/**
 * One invocation owns a column of the result and adds every update to it in order, so no two invocations write to the
 * same element. After each block of updates the row of one of them, picked uniformly by a hash, is set aside and starts
 * from 0 again: rows with more updates are set aside more often. At the end the partial sums are added to their rows,
 * in order.
 */
function emitColumn(emission: Emission, column: Index): void {
  const { emitter, region, stage, store, scratch } = emission;
  const { writer } = emitter;
  const { index } = writer;
  const { scatter, rows, shape, count, rowOf, updateOf } = scatterOf(emitter, region, stage);
  const width = shape.slice(1);
  const rest = emitter.indexAt(column, width);
  const [first, step, zero] = [writer.u32(0), writer.u32(1), writer.f32(0)];
  const everyRow = { axis: { extent: rows, role: "rows" }, name: writer.fresh("row"), first, step } as const;
  writer.for({ ...everyRow, end: writer.u32(rows) }, (row) => store(scatter, [index.of(row, rows), ...rest], zero));
  const terms: Terms = { start: first, ...termsOf(emission) };
  const addAll = (from: Expr, end: Expr) => {
    const axis = { extent: count, role: "depth" } as const;
    writer.for({ axis, name: writer.fresh("k"), first: from, end, step }, (n) =>
      store(scatter, [rowOf(n), ...rest], updateOf(n, rest), "add"),
    );
  };
  if (!isLong(terms)) {
    addAll(first, writer.size(count));
    return;
  }
  const aside = at(scratch, 0);
  const block = blockLength(writer, terms);
  /** The row that a block sets aside, and where its partial sum is stored. */
  const chosen = (from: Expr, end: Expr) => {
    const random = writer.shiftRight(writer.mul(from, writer.u32(spread)), writer.u32(16));
    const n = writer.let(writer.fresh("chosen"), writer.add(from, writer.rem(random, writer.sub(end, from))));
    const part = index.of(writer.div(from, block), mostParts);
    return { row: [rowOf(n), ...rest], place: index.add(index.mul(part, index.dim(sizeOf(width))), column) };
  };
  const parts: Parts = { round: true, inPart: (write) => write() };
  overBlocks(writer, terms, parts, (from, end) => {
    addAll(from, end);
    const { row, place } = chosen(from, end);
    const sum = region.read(scatter, row, emitter);
    if (sum === undefined) throw new InternalError("a scatter has no location");
    writer.storeValue(aside, place, sum);
    store(scatter, row, zero);
  });
  overBlocks(writer, terms, parts, (from, end) => {
    const { row, place } = chosen(from, end);
    store(scatter, row, writer.loadValue(aside, place, "f32"), "add");
  });
}

/** One invocation owns an element of the result and adds its updates, in order. */
function emitElement({ emitter, region, stage, store }: Emission, element: Index): void {
  const { writer } = emitter;
  const { scatter, shape, count, rowOf, updateOf } = scatterOf(emitter, region, stage);
  const place = emitter.indexAt(element, shape);
  const [row = writer.index.dim(0), ...rest] = place;
  const total = startLoop(writer, region, scatter);
  const sums = new RunningSums(writer, [runningSum(writer, region, scatter, [total])]);
  const axis = { extent: count, role: "depth" } as const;
  overBlocks(writer, { start: writer.u32(0), count, stride: 1 }, sums, (first, end) => {
    writer.for({ axis, name: writer.fresh("k"), first, end, step: writer.u32(1) }, (n) => {
      writer.if(writer.equal(writer.bound(rowOf(n)), writer.bound(row)), () => {
        const register = sums.register(0, 0);
        writer.assign(register, writer.add(register, updateOf(n, rest)));
      });
    });
  });
  store(scatter, place, total);
}

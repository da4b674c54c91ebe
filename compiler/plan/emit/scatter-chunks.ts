/**
 * @file Scatters on a GPU, outside of loops: a workgroup adds a chunk of the updates to some rows and 64 columns of the
 * result, in workgroup memory, and stores these sums; a second kernel adds up the chunks in order. Each lane has a column
 * to itself, so no lane waits for another, and every update is read once for each block of rows.
 */
import { type Dim, mulDims, sizeOf } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import { nodeAt } from "../../graph/graph.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import type { Expr } from "../../kernel/ir.ts";
import { gridOf, overPositions } from "../../kernel/mapping.ts";
import { mostTerms } from "./block-shape.ts";
import { type Emission, type Form, type FormContext, mappingOf, type PartForm } from "./form.ts";
import type { PlacedBuilder } from "./placed-builder.ts";
import { scatterOf } from "./scatter.ts";
import { addChunks } from "./split-depth.ts";

/** Columns of a workgroup, one to a lane. */
const lanes = 64;
/** Rows of a workgroup: with its columns, 8 KB of workgroup memory. */
const mostRows = 32;
/** Rows of the result for which updates are read again and again. */
const mostRowBlocks = 32;
/** Updates from which a second kernel is worth it. */
const fewUpdates = 128;
/** Updates of a chunk at least, and updates that are loaded together. */
const leastUpdates = 64;
const together = 8;
/** Workgroups that fill a device: each waits for workgroup memory most of the time. */
const fullDevice = 640;
const mostChunks = 64;
/** Bytes that the sums of chunks may have. */
const mostBytes = 32 * 2 ** 20;

export const scatterByChunk: Form = {
  matches: (context) => context.tiles.outside !== undefined && cutOf(context) !== undefined,
  grid: (context) => {
    const { columnBlocks, rowBlocks, chunks } = workOf(context);
    return { rows: [columnBlocks * rowBlocks * chunks], rowsPer: 1, columns: [1], lanes: 1 };
  },
  lanes: () => lanes,
  scratch: (context) => [{ size: mulDims(workOf(context).chunks, context.stage.size), dtype: "f32" }],
  emit: emitChunks,
  second: () => sumOfChunks,
};

interface ScatterCut {
  readonly rows: number;
  readonly columnBlocks: number;
  readonly rowBlocks: number;
  readonly chunks: number;
}

/** How the work of a scatter is cut, or undefined where it is not. */
function cutOf({ region, stage, tiles }: FormContext): ScatterCut | undefined {
  if (stage.form !== "scatter" || tiles.target !== "gpu") return undefined;
  const { aval, operands } = nodeAt(region.graph, at(stage.loops, 0));
  const [rows, ...width] = aval.shape;
  const columns = sizeOf(width);
  const count = sizeOf(nodeAt(region.graph, at(operands, 0)).aval.shape);
  if (typeof rows !== "number" || typeof columns !== "number" || columns === 0 || rows > mostRows * mostRowBlocks)
    return undefined;
  if (typeof count === "number" && count < fewUpdates) return undefined;
  const [columnBlocks, rowBlocks] = [Math.ceil(columns / lanes), Math.ceil(rows / mostRows)];
  const wanted = Math.min(mostChunks, mostBytes / (4 * rows * columns), fullDevice / (columnBlocks * rowBlocks));
  const most = typeof count === "number" ? Math.min(wanted, count / leastUpdates) : wanted;
  return { rows, columnBlocks, rowBlocks, chunks: Math.max(1, Math.ceil(most)) };
}

function workOf(context: FormContext): ScatterCut {
  return cutOf(context) ?? { rows: 1, columnBlocks: 1, rowBlocks: 1, chunks: 1 };
}

/** Updates of a chunk. */
function lengthOf(writer: PlacedBuilder, count: Dim, chunks: number): Expr {
  const all = writer.div(writer.add(writer.size(count), writer.u32(chunks - 1)), writer.u32(chunks));
  return writer.bind(`updates of ${count} ${chunks}`, writer.max(all, writer.u32(leastUpdates)), 0);
}

function emitChunks(emission: Emission): void {
  const { emitter, region, stage, scratch } = emission;
  const { writer } = emitter;
  const { index, lane } = writer;
  const number = (value: number) => writer.u32(value);
  const { rows, columnBlocks, rowBlocks, chunks } = workOf(emission);
  const { shape, count } = scatterOf(emitter, region, stage);
  const width = shape.slice(1);
  const columns = Number(sizeOf(width));
  const to = at(scratch, 0);
  // A large dispatch has workgroups beyond the last.
  writer.leaveIf(writer.lessEqual(number(columnBlocks * rowBlocks * chunks), writer.group));
  const chunk = writer.let("chunk", writer.rem(writer.group, number(chunks)));
  // wgsl_reflect, which tools read shaders with, takes the name "block" for a keyword.
  const block = writer.let("blockNumber", writer.div(writer.group, number(chunks)));
  const row0 = writer.let("row0", writer.mul(writer.div(block, number(columnBlocks)), number(mostRows)));
  const own = writer.let("own", writer.add(writer.mul(writer.rem(block, number(columnBlocks)), number(lanes)), lane));
  const column = writer.let("column", writer.min(own, number(columns - 1)));
  const start = writer.let("start", writer.mul(chunk, lengthOf(writer, count, chunks)));
  writer.leaveIf(writer.lessEqual(writer.size(count), start));
  const end = writer.let("end", writer.min(writer.add(start, lengthOf(writer, count, chunks)), writer.size(count)));
  const sums = writer.sharedArray("f32", lanes, mostRows);
  const parts = writer.let(
    "parts",
    writer.div(writer.add(writer.sub(end, start), number(mostTerms - 1)), number(mostTerms)),
  );
  const [zero, one] = [number(0), number(1)];
  const rowsAxis = { extent: mostRows, role: "rows" } as const;
  const everyRow = { axis: rowsAxis, first: zero, end: number(mostRows), step: one } as const;
  // A lane reads only what it has written itself.
  writer.stage(() => {
    const axis = { extent: count, role: "block" } as const;
    writer.for({ axis, name: "part", first: zero, end: parts, step: one }, (part) => {
      writer.for({ ...everyRow, name: "empty" }, (row) => writer.storeInSlot(sums, row, lane, writer.f32(0)));
      const first = writer.let("first", writer.add(start, writer.mul(part, number(mostTerms))));
      const last = writer.let("last", writer.min(writer.add(first, number(mostTerms)), end));
      addUpdates(emission, { first, last, row0, column: index.of(column, columns) }, (row, value) => {
        writer.storeInSlot(sums, row, lane, writer.add(writer.load(sums, lane, row), value));
      });
      const isFirst = writer.let("isFirst", writer.equal(part, zero));
      writer.for({ ...everyRow, name: "within" }, (within) => {
        const row = writer.let("row", writer.add(row0, within));
        writer.if(writer.and(writer.less(row, number(rows)), writer.less(own, number(columns))), () => {
          // Without their bounds, so that even the only element is loaded again in every turn.
          const element = index.add(index.mul(index.of(row), index.dim(columns)), index.of(own));
          const place = index.add(index.mul(index.of(chunk), index.dim(stage.size)), element);
          // Parts of a long chunk are added up where they are stored (long-sums.ts).
          const before = writer.select(isFirst, writer.f32(0), writer.loadValue(to, place, "f32"));
          writer.storeValue(to, place, writer.add(before, writer.load(sums, lane, within)));
        });
      });
    });
  });
}

/** Calls `add` with the row, counted from `row0`, and the value of every update that is for a row of the workgroup. */
function addUpdates(
  { emitter, region, stage }: Emission,
  { first, last, row0, column }: { first: Expr; last: Expr; row0: Expr; column: Index },
  add: (row: Expr, value: Expr) => void,
): void {
  const { writer } = emitter;
  const { shape, count, rowOf, updateOf } = scatterOf(emitter, region, stage);
  const rest = emitter.indexAt(column, shape.slice(1));
  const number = (value: number) => writer.u32(value);
  const turns = writer.let(
    "turns",
    writer.div(writer.add(writer.sub(last, first), number(together - 1)), number(together)),
  );
  const axis = { extent: count, role: "depth" } as const;
  writer.for({ axis, name: "turn", first: number(0), end: turns, step: number(1) }, (turn) => {
    const from = writer.let("begin", writer.add(first, writer.mul(turn, number(together))));
    const updates = Array.from({ length: together }, (_, i) => {
      const n = writer.add(from, number(i));
      const read = writer.let(writer.fresh("n"), writer.min(n, writer.sub(last, number(1))));
      const row = writer.let(writer.fresh("row"), writer.sub(writer.bound(rowOf(read)), row0));
      return { row, value: writer.let(writer.fresh("update"), updateOf(read, rest)), exists: writer.less(n, last) };
    });
    // All loads come before all sums, so that the loads do not wait for each other.
    for (const { row, value, exists } of updates)
      writer.if(writer.and(exists, writer.less(row, number(mostRows))), () => add(row, value));
  });
}

/** The second kernel: the sums of all chunks of an element. */
const sumOfChunks: PartForm = {
  grid: ({ stage, tiles }) => gridOf(mappingOf(tiles), stage.size),
  lanes: ({ tiles }) => mappingOf(tiles).lanes,
  emit: (emission) => {
    const { emitter, region, stage, tiles, store, scratch } = emission;
    const { writer } = emitter;
    const { index } = writer;
    const { chunks } = workOf(emission);
    const { scatter, shape, count } = scatterOf(emitter, region, stage);
    const length = lengthOf(writer, count, chunks);
    const lengthLess = writer.sub(length, writer.u32(1));
    const used = writer.let("used", writer.div(writer.add(writer.size(count), lengthLess), length));
    const { size } = stage;
    const positions = { name: "position", role: "positions", count: writer.size(size), extent: size } as const;
    overPositions(writer, mappingOf(tiles), positions, (flat) => {
      const own = index.of(flat, size);
      const sumOf = (_: number, chunk: Index): Expr => {
        const place = index.add(index.mul(chunk, index.dim(size)), own);
        const stored = writer.conditionally(() => writer.loadValue(at(scratch, 0), place, "f32"));
        return writer.select(writer.less(writer.bound(chunk), used), stored, writer.f32(0));
      };
      store(scatter, emitter.indexAt(own, shape), addChunks(writer, chunks, [0], sumOf));
    });
  },
};

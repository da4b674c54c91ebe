/**
 * @file Writes scatters: updates added up by the row that they belong to, in a fixed order and in parts (long-sums.ts),
 * since the rows of frequent tokens are long sums.
 */
import { type Dim, mulDims, sizeOf } from "../graph/dim.ts";
import { at, InternalError } from "../graph/errors.ts";
import { nodeAt } from "../graph/graph.ts";
import { runningSum, startLoop } from "./emit-loops.ts";
import type { StoreRoot } from "./emit-stage.ts";
import type { Emitter, Region } from "./emit-values.ts";
import type { Index } from "./index-expression.ts";
import { blockLength, isLong, overBlocks, type Parts, RunningSums, type Terms } from "./long-sums.ts";
import type { Location } from "./program.ts";
import type { Stage } from "./stages.ts";

/** Parts that are kept aside at the most, for each column. */
const mostParts = 128;
/** 2^32 over the golden ratio: its multiples spread evenly. */
const spread = "2654435761u";

/** A scatter, and how its n-th update and the row of that are read. */
function scatterOf(emitter: Emitter, region: Region, stage: Stage) {
  const scatter = at(stage.loops, 0);
  const node = nodeAt(region.graph, scatter);
  if (node.op !== "scatterAdd") throw new InternalError("a scatter stage without a scatter");
  const [indices, updates] = [at(node.operands, 0), at(node.operands, 1)];
  const { shape } = nodeAt(region.graph, indices).aval;
  const { writer } = emitter;
  const count = sizeOf(shape);
  const source = (n: string) => emitter.indexAt(writer.index.variable(n, writer.depth, count), shape);
  return {
    scatter,
    rows: node.attrs.rows,
    shape: node.aval.shape,
    count,
    rowOf: (n: string): Index => {
      const found = emitter.value(region, indices, source(n));
      return writer.index.min(
        writer.index.variable(`u32(${found.text})`, found.depth),
        writer.index.dim(node.attrs.rows - 1),
      );
    },
    updateOf: (n: string, rest: readonly Index[]) => emitter.value(region, updates, [...source(n), ...rest]).text,
  };
}

/**
 * One invocation owns a column of the result and adds every update to it in order: no two write to one place. After each
 * block of updates the row of one of them, drawn evenly, is put aside, and counts from 0 again: a row is put aside the
 * more often the more updates it gets. At the end the parts are added to their rows, in order.
 */
export function emitScatterByColumn(
  emitter: Emitter,
  region: Region,
  stage: Stage,
  column: Index,
  store: StoreRoot,
  scratch: (size: Dim) => Location,
): void {
  const { writer } = emitter;
  const { index } = writer;
  const { scatter, rows, shape, count, rowOf, updateOf } = scatterOf(emitter, region, stage);
  const width = shape.slice(1);
  const rest = emitter.indexAt(column, width);
  const row = writer.fresh("row");
  writer.block(`for (var ${row}: u32 = 0u; ${row} < ${rows}u; ${row}++)`, () => {
    store(scatter, [index.variable(row, writer.depth, rows), ...rest], "0.0");
  });
  const terms: Terms = { start: "0u", count, stride: 1, mostBlocks: mostParts };
  const addAll = (first: string, end: string) => {
    const n = writer.fresh("k");
    writer.block(`for (var ${n}: u32 = ${first}; ${n} < ${end}; ${n}++)`, () => {
      store(scatter, [rowOf(n), ...rest], updateOf(n, rest), "+=");
    });
  };
  if (!isLong(terms)) {
    addAll("0u", index.dim(count).text);
    return;
  }
  const aside = scratch(mulDims(mostParts, sizeOf(width)));
  const block = blockLength(writer, terms);
  /** The row that a block puts aside, and where its part lies. */
  const drawn = (first: string, end: string) => {
    const n = writer.fresh("drawn");
    writer.line(`let ${n} = ${first} + ((${first} * ${spread}) >> 16u) % (${end} - ${first});`);
    const part = index.variable(`(${first} / ${block})`, writer.depth, mostParts);
    return { row: [rowOf(n), ...rest], place: index.add(index.mul(part, index.dim(sizeOf(width))), column) };
  };
  const parts: Parts = { round: true, inPart: (write) => write() };
  overBlocks(writer, terms, parts, (first, end) => {
    addAll(first, end);
    const { row, place } = drawn(first, end);
    const sum = region.read(scatter, row, emitter);
    if (sum === undefined) throw new InternalError("a scatter without a place");
    writer.store(aside, place, "f32", sum.text);
    store(scatter, row, "0.0");
  });
  overBlocks(writer, terms, parts, (first, end) => {
    const { row, place } = drawn(first, end);
    store(scatter, row, writer.load(aside, place, "f32").text, "+=");
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
  const { scatter, shape, count, rowOf, updateOf } = scatterOf(emitter, region, stage);
  const place = emitter.indexAt(element, shape);
  const [row = writer.index.dim(0), ...rest] = place;
  const total = startLoop(emitter, region, scatter);
  const sums = new RunningSums(writer, [runningSum(emitter, region, scatter, [total])]);
  overBlocks(writer, { start: "0u", count, stride: 1 }, sums, (first, end) => {
    const n = writer.fresh("k");
    writer.block(`for (var ${n}: u32 = ${first}; ${n} < ${end}; ${n}++)`, () => {
      writer.block(`if (${writer.indexText(rowOf(n))} == ${writer.indexText(row)})`, () => {
        writer.line(`${sums.name(0, 0)} += ${updateOf(n, rest)};`);
      });
    });
  });
  store(scatter, place, total);
}

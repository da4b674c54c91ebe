/** @file The tile of a lane: its registers, the sum over lanes that share its depth, and the positions that it stores. */

import { at } from "../../graph/errors.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import type { Expr, LocalArray, Variable } from "../../kernel/ir.ts";
import type { BlockPlace } from "./block-products.ts";
import { type BlockShape, blockLanes, columnsOf, rowsOf } from "./block-shape.ts";
import type { PlacedBuilder } from "./placed-builder.ts";

/** Four neighbouring columns of a row of the tile. */
export function startVector(writer: PlacedBuilder): Variable {
  return writer.var(writer.fresh("sum"), writer.vector([writer.f32(0)]));
}

/** The registers of a tile, row by row. */
export function startTile(writer: PlacedBuilder, { rows, columns }: BlockShape): Variable[] {
  return Array.from({ length: (rows * columns) / 4 }, () => startVector(writer));
}

/** Slots of workgroup memory, in each of which lanes exchange some rows of their tiles. */
const slots = 2;

/**
 * The sums over the lanes that share a tile, in the order of the lanes: each of them gets the rows of the tile whose
 * number leaves its own when divided by `slices`. `memory` has two slots, which nothing else needs any more.
 */
export function joinSlices(
  writer: PlacedBuilder,
  { rows, columns, slices, rowLanes, columnLanes }: BlockShape,
  { laneRow, laneColumn, slice, lane }: BlockPlace,
  tile: readonly Expr[],
  memory: LocalArray,
): readonly Expr[] {
  if (slices === 1) return tile;
  const [across, perSlice] = [columns / 4, rowLanes * columnLanes];
  const number = (value: number) => writer.u32(value);
  const within = writer.add(writer.mul(laneRow, number(columnLanes)), laneColumn);
  const own = writer.let(writer.fresh("own"), writer.add(writer.mul(slice, number(blockLanes)), within));
  // In turn, as many as fit: the lanes wait for each other between storing and adding.
  const turns = Array.from({ length: (rows / slices) * across }, (_, i) => i);
  const joined: Expr[] = [];
  for (let first = 0; first < turns.length; first += slots) {
    const some = turns.slice(first, first + slots);
    writer.stage(() => {
      for (const [slot, turn] of some.entries())
        for (let row = 0; row < slices; row++) {
          const vector = (Math.floor(turn / across) * slices + row) * across + (turn % across);
          writer.storeInSlot(memory, number(slot), writer.add(lane, number(row * blockLanes)), at(tile, vector));
        }
    });
    const parts = some.map((_, slot) =>
      Array.from({ length: slices }, (_, s) => {
        const part = writer.load(memory, writer.add(own, number(s * perSlice)), number(slot));
        return writer.let(writer.fresh("part"), part);
      }),
    );
    for (const each of parts) {
      const sum = each.slice(1).reduce<Expr>((total, part) => writer.add(total, part), at(each, 0));
      joined.push(writer.let(writer.fresh("joined"), sum));
    }
  }
  return joined;
}

/** A column, and which component of the vector of its row belongs to it. */
export interface TileColumn {
  readonly column: Index;
  readonly component: number;
}

/**
 * Walks over the vectors of `joinSlices` at run time: `body` gets the number of a vector, its row, and all of its columns
 * together, or one by one where a vector may end past the last column.
 */
export function overTile(
  writer: PlacedBuilder,
  shape: BlockShape,
  { m, n, row0, column0, laneRow, laneColumn, slice }: BlockPlace,
  body: (vector: Expr, row: Index, columns: readonly TileColumn[]) => void,
): void {
  const { rows, columns, slices, rowLanes, columnLanes } = shape;
  const { index } = writer;
  const number = (value: number) => writer.u32(value);
  const across = columns / 4;
  const count = (rows * across) / slices;
  const axis = { extent: count, role: "tile" } as const;
  writer.for({ axis, name: writer.fresh("p"), first: number(0), end: number(count), step: number(1) }, (p) => {
    const own = writer.add(writer.mul(writer.div(p, number(across)), number(slices)), slice);
    const block = writer.add(writer.mul(writer.div(own, number(4)), number(rowLanes)), laneRow);
    const within = writer.add(writer.mul(block, number(4)), writer.rem(own, number(4)));
    const row = writer.let(writer.fresh("row"), writer.add(row0, within));
    const panel = writer.add(writer.mul(writer.rem(p, number(across)), number(columnLanes)), laneColumn);
    const first = writer.let(writer.fresh("column"), writer.add(column0, writer.mul(panel, number(4))));
    const column = (i: number): TileColumn => ({
      column: index.below(index.add(index.of(first), index.dim(i)), n),
      component: i,
    });
    const isWhole = typeof n === "number" && n % 4 === 0;
    const all = () => {
      if (isWhole) writer.inVectors(() => body(p, index.of(row, m), [0, 1, 2, 3].map(column)));
      else
        for (const i of [0, 1, 2, 3])
          writer.if(writer.less(writer.add(first, number(i)), writer.size(n)), () =>
            body(p, index.of(row, m), [column(i)]),
          );
    };
    const fits = (size: typeof m, side: number) => typeof size === "number" && size % side === 0;
    const conditions = [
      ...(fits(m, rowsOf(shape)) ? [] : [writer.less(row, writer.size(m))]),
      ...(fits(n, columnsOf(shape)) || !isWhole ? [] : [writer.less(first, writer.size(n))]),
    ];
    const [first1, second] = conditions;
    if (first1 === undefined) all();
    else writer.if(second === undefined ? first1 : writer.and(first1, second), all);
  });
}

/**
 * @file Rows of vectors that a workgroup owns on a CPU: a tile if there are enough rows, otherwise one row at a time.
 */
import type { Expr } from "../../kernel/ir.ts";
import type { Tile } from "../stages/tiles.ts";
import type { Position } from "./loops.ts";
import type { PlacedBuilder } from "./placed-builder.ts";
import type { Owned } from "./stage.ts";

/** Calls `write` for a tile of `rows` rows from `first`, or, if there are fewer before `end`, for each row alone. */
export function tileOrRows(
  writer: PlacedBuilder,
  first: Expr,
  end: Expr,
  rows: number,
  write: (first: Expr, rows: number) => void,
): void {
  if (rows === 1) {
    write(first, 1);
    return;
  }
  const next = writer.let(writer.fresh("next"), writer.add(first, writer.u32(rows)));
  const isFull = writer.let(writer.fresh("isFull"), writer.lessEqual(next, end));
  // Declares variables inside the block, so that nothing is read for missing rows.
  writer.if(isFull, () => write(writer.let(writer.fresh("row"), first), rows));
  writer.if(writer.not(isFull), () => {
    const axis = { extent: rows, role: "rows" } as const;
    writer.for({ axis, name: writer.fresh("row"), first, end, step: writer.u32(1) }, (row) => write(row, 1));
  });
}

export interface TileOfVectors {
  readonly tile: Tile;
  /** The position at a row, counted from the tile's first, and a vector of columns. */
  readonly at: (row: Expr, column: Expr) => Position;
  /** Whether this lane has a column in a vector; absent if every lane has. */
  readonly exists?: (column: Expr) => Expr;
}

/** The positions of a tile of rows and vectors of columns. */
export function ownedVectors(writer: PlacedBuilder, { tile, at, exists }: TileOfVectors): Owned {
  const count = tile.rows * tile.columns;
  const across = writer.u32(tile.columns);
  const positions = Array.from({ length: count }, (_, p) =>
    at(writer.u32(Math.floor(p / tile.columns)), writer.u32(p % tile.columns)),
  );
  if (count === 1 && exists === undefined) return { positions };
  const axis = { extent: count, role: "tile" } as const;
  const loop = { axis, name: writer.fresh("p"), first: writer.u32(0), end: writer.u32(count), step: writer.u32(1) };
  return {
    positions,
    walk: (body) =>
      writer.for(loop, (p) => {
        const row = writer.let(writer.fresh("within"), writer.div(p, across));
        const column = writer.let(writer.fresh("across"), writer.rem(p, across));
        const each = () => body(at(row, column), p);
        if (exists === undefined) each();
        else writer.if(exists(column), each);
      }),
  };
}
